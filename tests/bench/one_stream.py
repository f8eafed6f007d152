"""The speed of one request, ours against llama-bench: the same file, the same threads.

    python -m tests.bench.one_stream [MODEL.gguf | 135m | 1b ...] [--repetitions 5]

Ours is asked through its worker, as a command does; the figures are those of `--stats`. The last
row is the same decode with other talks in memory: what a warm engine pays for remembering.
"""

from __future__ import annotations

import random
from pathlib import Path

from localai.types import Sampling, TextRequest
from tests.bench.arguments import files, parser
from tests.bench.ours import Ours, words
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import llama_bench

BUDGET = ">= 0.97"


def request(text: str, most: int) -> TextRequest:
    """Return a greedy request that continues a text."""
    return TextRequest(raw=text, sampling=Sampling(temperature=0), max_tokens=most)


def our_speeds(
    model: Path, threads: int, prompt: int, decode: int, others: int, turn: int
) -> tuple[float, float, float]:
    """Return tokens a second of a prompt, of decoding, and of decoding beside other talks.

    Both are warm as in llama-bench: before the prompt goes another one of its length, before the
    decoding a token. Theirs then begins with an empty memory; ours still has the talk before it,
    and reuses the begin-of-text token of it where the model has one.
    """
    choose = random.Random(turn).randrange
    with Ours(model, threads) as engine:
        # Each word is one token, and some models begin a text with one of their own.
        own = engine.answer(request(words(1, choose), 1)).usage.prompt_tokens - 1
        engine.answer(request(words(prompt - own, choose), 1))
        filled = engine.answer(request(words(prompt - own, choose), 1))
        assert filled.usage.prompt_tokens == prompt, filled.usage
    with Ours(model, threads) as engine:
        engine.answer(request(words(1, choose), 1))
        decoded = engine.answer(request(words(1, choose), decode))
        assert decoded.usage.answer_tokens == decode, "the answer ended early"
        for _ in range(others):
            engine.answer(request(words(prompt - own, choose), 1))
        beside = engine.answer(request(words(1, choose), decode))
    return filled.prompt_speed, decoded.decode_speed, beside.decode_speed


def measure(
    model: Path, threads: int, prompt: int, decode: int, others: int, count: int
) -> list[list[object]]:
    """Return the rows of one model; both sides take turns."""
    ours: list[tuple[float, float, float]] = []
    theirs: list[tuple[float, float]] = []
    for turn in range(count):
        ours.append(our_speeds(model, threads, prompt, decode, others, turn))
        theirs.append(llama_bench(model, threads, prompt, decode))
    prompts, decodes, besides = zip(*ours, strict=True)
    their_prompts, their_decodes = zip(*theirs, strict=True)
    beside = f"decode {decode}, {others} talks of {prompt} in memory"
    name = model.stem
    rows = [
        [name, *compared(f"prompt {prompt}", prompts, their_prompts, BUDGET)],
        [name, *compared(f"decode {decode}", decodes, their_decodes, BUDGET)],
    ]
    if others:
        rows.append([name, *compared(beside, besides, their_decodes, "> (no budget)")])
    return rows


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m", "1b"], threads=1, repetitions=5)
    arguments.add_argument("--prompt", type=int, default=512, help="tokens")
    arguments.add_argument("--decode", type=int, default=64, help="tokens")
    arguments.add_argument("--others", type=int, default=6, help="talks in memory for the last row")
    options = arguments.parse_args()
    rows = []
    for model in files(options):
        sizes = (options.prompt, options.decode, options.others, options.repetitions)
        rows += measure(model, options.threads, *sizes)
    title = (
        f"one stream, {options.threads} threads, {options.repetitions} repetitions, taking turns; "
        "medians in tokens a second"
    )
    heads = ("model", "span", "ours", "llama-bench", *RATIOS)
    show(title, heads, rows)


if __name__ == "__main__":
    main()
