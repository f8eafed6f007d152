"""Trains the tiny vision model: fixed numbers of steps on one thread, the data by seed.

First the encoder alone, with simple heads for what is to be told apart: together with a language
model from the beginning it learns slowly. Then both together, the language model from the weights
of `tiny-chat.gguf`, with conversations about no picture between them.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .chat_export import SHIPPED as CHAT
from .chat_model import Muon, Shape, TinyChat
from .chat_tokenizer import TURN_END, TURN_START, Tokenizer
from .chat_train import schedule
from .vision_model import EncoderShape, TinyEncoder
from .vision_pictures import COLOURS, SHAPES, Drawn, draw, worn
from .vision_questions import exchange, without_picture

ALONE_STEPS, ALONE_PICTURES = 1200, 64
JOINT_STEPS, JOINT_PICTURES = 1000, 32
TEXT_TOKENS = 1024  # of conversations about no picture, a step
PICTURE = -1  # in place of an id: the next patch of the picture
HINT = 0.2  # weight of the heads beside the words
NAMES = (list(COLOURS), ["", *COLOURS], ["", *SHAPES])  # background, colour, shape


def stacked(drawn: list[Drawn]) -> Tensor:
    """Pictures as the encoder takes them: (batch, 3, size, size), -1 to 1."""
    pixels = torch.from_numpy(np.stack([each.pixels for each in drawn]))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def labels(drawn: list[Drawn]) -> list[Tensor]:
    """What the heads are to tell, as numbers."""
    told = [(each.background, each.colour, each.shape) for each in drawn]
    return [torch.tensor([names.index(row[at]) for row in told]) for at, names in enumerate(NAMES)]


class Heads(nn.Module):
    """Background, colour and shape from an encoder's states."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, len(names)) for names in NAMES)

    def loss(self, states: Tensor, drawn: list[Drawn]) -> tuple[Tensor, float]:
        """The loss, and the share of pictures of which all three are right."""
        mean = states.float().mean(1)
        guesses = [head(mean) for head in self.heads]
        asked = labels(drawn)
        loss = sum(
            (F.cross_entropy(g, a) for g, a in zip(guesses, asked, strict=True)), torch.zeros(())
        )
        right = torch.stack([g.argmax(-1) == a for g, a in zip(guesses, asked, strict=True)]).all(0)
        return loss, right.float().mean().item()


class Optimiser:
    """Muon for matrices, AdamW for the rest, both at a share of their full rates."""

    def __init__(
        self, matrices: list[tuple[nn.Linear, int]], rate: float, others: dict[float, list[Tensor]]
    ) -> None:
        inside = {id(linear.weight) for linear, _ in matrices}
        groups = [
            {"params": [p for p in group if id(p) not in inside], "lr": each}
            for each, group in others.items()
        ]
        self.muon = Muon(matrices, rate=rate)
        self.adam = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
        self.full = [group["lr"] for group in self.adam.param_groups]

    def step(self, factor: float) -> None:
        """One update."""
        for group, full in zip(self.adam.param_groups, self.full, strict=True):
            group["lr"] = full * factor
        self.adam.step()
        self.muon.step(factor)
        self.adam.zero_grad(set_to_none=True)
        for weight, _, _ in self.muon.matrices:
            weight.grad = None


def encoder_alone(encoder: TinyEncoder, heads: Heads, steps: int) -> None:
    """The first part."""
    r, log = random.Random(50), Log("encoder", steps)
    optimiser = Optimiser(
        encoder.matrices()[:-2], 0.02, {0.003: [*encoder.parameters(), *heads.parameters()]}
    )
    for step in range(steps):
        drawn = [worn(r, draw(r)) for _ in range(ALONE_PICTURES)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = encoder.states(stacked(drawn))
        loss, right = heads.loss(states, drawn)
        loss.backward()
        optimiser.step(schedule(step, steps, 0.5))
        log(step, loss=loss.item(), right=right)


def document(
    tokenizer: Tokenizer, r: random.Random, drawn: Drawn, patches: int
) -> tuple[list[int], list[bool]]:
    """A conversation about a picture: ids with places for it, and which are learned."""
    asked, answer = exchange(r, drawn)
    place, words = [PICTURE] * patches, tokenizer.encode(asked)
    line = tokenizer.encode("\n")
    orders = ([*place, *words], [*words, *place], [*place, *line, *words], [*words, *line, *place])
    asked_ids = r.choices(orders, (4, 3, 2, 2))[0]
    ids = [TURN_START, *tokenizer.encode("user\n"), *asked_ids, TURN_END, *line]
    ids += [TURN_START, *tokenizer.encode("assistant\n")]
    answered = [*tokenizer.encode(answer), TURN_END]
    return ids + answered, [False] * len(ids) + [True] * len(answered)


def text_batches(
    tokenizer: Tokenizer, r: random.Random
) -> Iterator[list[tuple[list[int], list[float]]]]:
    """Conversations about no picture, alike in length."""
    while True:
        drawn = [tokenizer.render(without_picture(r)) for _ in range(400)]
        batch: list[tuple[list[int], list[float]]] = []
        for each in sorted((d for d in drawn if len(d[0]) <= 700), key=lambda d: len(d[0])):
            if batch and len(each[0]) * (len(batch) + 1) > TEXT_TOKENS:
                yield batch
                batch = []
            batch.append(each)


def padded(rows: list[list[float]], filler: float) -> Tensor:
    """Rows of one length."""
    longest = -(-max(map(len, rows)) // 16) * 16 + 1  # few shapes keep the memory small
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


def word_loss(model: TinyChat, ids: Tensor, learned: Tensor, embedded: Tensor) -> Tensor:
    """Cross entropy of the learned tokens, weighted."""
    wanted = learned[:, 1:] > 0
    logits = model.output(model.trunk(embedded[:, :-1])[wanted]).float()
    losses = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
    weights = learned[:, 1:][wanted]
    return (losses * weights).sum() / weights.sum()


def joint(
    model: TinyChat, encoder: TinyEncoder, heads: Heads, tokenizer: Tokenizer, steps: int
) -> None:
    """The second part."""
    r, log = random.Random(5), Log("joint", steps)
    order = random.Random(6)
    texts = (batch for batch in shuffled(text_batches(tokenizer, r), order))
    optimiser = Optimiser(
        [*model.matrices(), *encoder.matrices()],
        0.01,
        {
            0.003: [model.embedding.weight, *encoder.parameters(), *heads.parameters()],
            0.001: [model.output.weight],
            0.002: [p for p in model.parameters() if p.ndim == 1],
        },
    )
    for step in range(steps):
        drawn = [worn(r, draw(r)) for _ in range(JOINT_PICTURES)]
        documents = [document(tokenizer, r, each, encoder.shape.patches) for each in drawn]
        ids = padded([d[0] for d in documents], 0).long()
        learned = padded([[float(on) for on in d[1]] for d in documents], 0.0)
        text = next(texts)
        text_ids = padded([d[0] for d in text], 0).long()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states = encoder.states(stacked(drawn))
            seen = encoder.project(states)
            embedded = model.embedding(ids.clamp(min=0)).to(seen.dtype)
            embedded[ids == PICTURE] = seen.reshape(-1, model.shape.width)
            words = word_loss(model, ids, learned, embedded)
            talk = word_loss(
                model, text_ids, padded([d[1] for d in text], 0.0), model.embedding(text_ids)
            )
        hint, right = heads.loss(states, drawn)
        (words + 0.5 * talk + HINT * hint).backward()
        optimiser.step(schedule(step, steps, 0.4))
        log(step, words=words.item(), talk=talk.item(), hint=hint.item(), right=right)


def shuffled(
    batches: Iterator[list[tuple[list[int], list[float]]]], r: random.Random
) -> Iterator[list[tuple[list[int], list[float]]]]:
    """Batches in another order than by length."""
    while True:
        some = [next(batches) for _ in range(40)]
        r.shuffle(some)
        yield from some


class Log:
    """A line of running means every 50 steps."""

    def __init__(self, part: str, steps: int) -> None:
        self.part, self.steps, self.began = part, steps, time.time()
        self.means: dict[str, float] = {}

    def __call__(self, step: int, **figures: float) -> None:
        for name, value in figures.items():
            self.means[name] = 0.97 * self.means.get(name, value) + 0.03 * value
        if (step + 1) % 50 == 0:
            spent = (time.time() - self.began) / 60
            told = " ".join(f"{name} {value:.4f}" for name, value in self.means.items())
            print(f"{self.part} {step + 1}/{self.steps} {told} {spent:.1f} min", flush=True)


def from_gguf(path: Path = CHAT) -> TinyChat:
    """The language model of a shipped file, its weights as they come out of Q8_0."""
    reader = gguf.GGUFReader(path)
    found = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    model = TinyChat(Shape(len(found["token_embd.weight"])))
    one = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in found.items()}
    weights = {
        "embedding.weight": one["token_embd.weight"],
        "output.weight": one["output.weight"],
        "norm.weight": one["output_norm.weight"],
    }
    for at in range(model.shape.layers):
        part = {name.removeprefix(f"blk.{at}."): value for name, value in one.items()}
        for ours, theirs in (
            ("attention_norm", "attn_norm"),
            ("feed_norm", "ffn_norm"),
            ("out", "attn_output"),
            ("down", "ffn_down"),
        ):
            weights[f"blocks.{at}.{ours}.weight"] = part[f"{theirs}.weight"]
        weights[f"blocks.{at}.qkv.weight"] = torch.cat([part[f"attn_{n}.weight"] for n in "qkv"])
        weights[f"blocks.{at}.gate_up.weight"] = torch.cat(
            [part["ffn_gate.weight"], part["ffn_up.weight"]]
        )
    model.load_state_dict(weights)
    return model


def save(model: TinyChat, encoder: TinyEncoder, path: Path) -> None:
    """Writes both, replacing a former file at once."""
    partial = path.with_suffix(".partial")
    stored = {"shape": vars(model.shape), "weights": model.state_dict()}
    seen = {"encoder_shape": vars(encoder.shape), "encoder": encoder.state_dict()}
    torch.save(stored | seen, partial)
    partial.rename(path)


def load(path: Path) -> tuple[TinyChat, TinyEncoder]:
    """Both from a file that `save` wrote."""
    stored = torch.load(path)
    model = TinyChat(Shape(**stored["shape"]))
    model.load_state_dict(stored["weights"])
    encoder = TinyEncoder(EncoderShape(**stored["encoder_shape"]))
    encoder.load_state_dict(stored["encoder"])
    return model.eval(), encoder.eval()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tiny-vision.pt"))
    parser.add_argument("--alone", type=int, default=ALONE_STEPS)
    parser.add_argument("--joint", type=int, default=JOINT_STEPS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    torch.set_flush_denormal(True)
    tokenizer, model = Tokenizer.load(), from_gguf()
    encoder = TinyEncoder(EncoderShape(model.shape.width))
    heads = Heads(encoder.shape.width)
    count = sum(p.numel() for p in encoder.parameters())
    print(f"{count:,} parameters of the encoder", flush=True)
    encoder_alone(encoder.train(), heads, options.alone)
    joint(model.train(), encoder, heads, tokenizer, options.joint)
    save(model, encoder, options.out)


if __name__ == "__main__":
    main()
