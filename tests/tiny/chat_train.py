"""Trains the tiny chat model: a fixed number of steps on one thread, the data by seed."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from .chat_model import Muon, Shape, TinyChat
from .chat_talk import Messages, conversation
from .chat_tokenizer import MERGES_FILE, Tokenizer, learn_merges
from .chat_world import COPIED

TOKENS_A_STEP = 4096
DOCUMENTS_AT_ONCE = 1500  # sorted by length, so that little of a batch is padding
Batch = tuple[torch.Tensor, torch.Tensor]  # ids, and how much each of them is learned


def make_tokenizer(path: Path = MERGES_FILE) -> Tokenizer:
    """Learns the merges from 12,000 conversations and writes them."""
    r = random.Random(0)
    texts = [text for _ in range(12000) for _, text in conversation(r)]
    tokenizer = Tokenizer(learn_merges(texts, COPIED))
    tokenizer.save(path)
    return tokenizer


def _padded(documents: list[tuple[list[int], list[float]]]) -> Batch:
    longest = max(len(ids) for ids, _ in documents)
    time_steps = -(-longest // 32) * 32 + 1  # few different shapes keep the memory small
    x = torch.zeros(len(documents), time_steps, dtype=torch.long)
    learned = torch.zeros(len(documents), time_steps)
    for row, (ids, mask) in enumerate(documents):
        x[row, : len(ids)] = torch.tensor(ids)
        learned[row, : len(ids)] = torch.tensor(mask)
    return x, learned


def batches(
    tokenizer: Tokenizer, seed: int, context: int, source: Callable[[random.Random], Messages]
) -> Iterator[Batch]:
    """Batches without end, of about `TOKENS_A_STEP` tokens each."""
    r = random.Random(seed)
    while True:
        documents = [tokenizer.render(source(r)) for _ in range(DOCUMENTS_AT_ONCE)]
        documents = sorted((d for d in documents if len(d[0]) <= context), key=lambda d: len(d[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for document in documents:
            if len(document[0]) * (len(groups[-1]) + 1) > TOKENS_A_STEP and groups[-1]:
                groups.append([])
            groups[-1].append(document)
        r.shuffle(groups)
        yield from map(_padded, groups)


def schedule(step: int, steps: int, level: float) -> float:
    """The share of the full rate: 40 steps up, the `level` share of the steps, then straight down."""
    left = (1 - step / steps) / (1 - level) if level < 1 else 1.0
    return min(1.0, (step + 1) / 40) * min(1.0, max(0.02, left))


def loss_of(model: TinyChat, batch: Batch) -> torch.Tensor:
    """Weighted cross entropy of the learned tokens; in bfloat16, which is a third faster."""
    ids, weights = batch[0], batch[1][:, 1:]
    learned = weights > 0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model.trunk(model.embedding(ids[:, :-1]))[learned]
        logits = model.output(states)
    losses = F.cross_entropy(logits.float(), ids[:, 1:][learned], reduction="none")
    return (losses * weights[learned]).sum() / weights[learned].sum()


def save(model: TinyChat, path: Path) -> None:
    """Writes the weights, replacing a former file at once."""
    partial = path.with_suffix(".partial")
    torch.save({"shape": vars(model.shape), "weights": model.state_dict()}, partial)
    partial.rename(path)


def load(path: Path) -> TinyChat:
    """A model from a file that `save` wrote."""
    stored = torch.load(path)
    model = TinyChat(Shape(**stored["shape"]))
    model.load_state_dict(stored["weights"])
    return model.eval()


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train."""

    steps: int = 33870
    level: float = 0.5  # share of the steps at the full rate, before it goes down
    rate: float = 1.0  # times the full rate
    seed: int = 100  # of the data


def optimisers(model: TinyChat, rate: float) -> tuple[Muon, torch.optim.AdamW]:
    """Muon for the matrices inside the blocks, AdamW for the rest."""
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": [model.embedding.weight], "lr": 0.01 * rate},
        {"params": [model.output.weight], "lr": 0.003 * rate},
        {"params": vectors, "lr": 0.01 * rate},
    ]
    others = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
    return Muon(model.matrices(), rate=0.02 * rate), others


def train(
    model: TinyChat,
    tokenizer: Tokenizer,
    plan: Plan,
    out: Path,
    source: Callable[[random.Random], Messages] = conversation,
) -> None:
    """Runs the steps, with a line of figures every 50 and a file every 400."""
    matrices, others = optimisers(model, plan.rate)
    full = [group["lr"] for group in others.param_groups]
    began, tokens, mean = time.time(), 0, 0.0
    for step, batch in enumerate(batches(tokenizer, plan.seed, model.shape.context, source)):
        if step == plan.steps:
            break
        loss = loss_of(model, batch)
        loss.backward()
        factor = schedule(step, plan.steps, plan.level)
        for group, rate_of_group in zip(others.param_groups, full, strict=True):
            group["lr"] = rate_of_group * factor
        others.step()
        matrices.step(factor)
        model.zero_grad(set_to_none=True)
        tokens += batch[0].numel()
        mean = loss.item() if step == 0 else 0.97 * mean + 0.03 * loss.item()
        if (step + 1) % 50 == 0:
            spent = time.time() - began
            print(
                f"step {step + 1}/{plan.steps} loss {mean:.4f} tokens {tokens:,} "
                f"{tokens / spent:.0f} a second, {spent / 60:.1f} min",
                flush=True,
            )
        if (step + 1) % 400 == 0:
            save(model, out)
    save(model, out)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tiny-chat.pt"))
    parser.add_argument("--start", type=Path, help="go on from these weights")
    for name, default in vars(Plan()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = vars(parser.parse_args())
    out, start = options.pop("out"), options.pop("start")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    tokenizer = Tokenizer.load() if start else make_tokenizer()
    model = load(start) if start else TinyChat(Shape(len(tokenizer.vocabulary)))
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(model.train(), tokenizer, Plan(**options), out)


if __name__ == "__main__":
    main()
