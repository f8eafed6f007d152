"""Decoding on a quiet machine and beside other work, ours against llama-bench, all cores each.

    python -m tests.bench.beside [MODEL.gguf | 135m ...] [--repetitions 5]

The other work is a busy loop on one core, a busy loop on each, or another model of ours that
answers as fast as it can. Ours finds the threads that fit by itself (`engines/llama/crew`).
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localai.system.cpus import physical_cores
from tests.bench.arguments import files, parser
from tests.bench.one_stream import request
from tests.bench.ours import Ours, words
from tests.bench.table import RATIOS, compared, show
from tests.bench.theirs import llama_bench


@contextmanager
def loops(count: int) -> Iterator[None]:
    """Keep so many cores busy while the block runs."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in running:
            loop.kill()
            loop.wait()


@contextmanager
def another_model(model: Path, threads: int) -> Iterator[None]:
    """Keep a worker with the same model and as many threads decoding while the block runs."""
    done = threading.Event()

    def decode(engine: Ours) -> None:
        while not done.is_set():
            engine.answer(request("", 32))

    with Ours(model, threads) as engine:
        thread = threading.Thread(target=decode, args=(engine,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def speed(model: Path, threads: int, decode: int, turn: int) -> float:
    """Return our decoded tokens a second."""
    with Ours(model, threads) as engine:
        engine.answer(request("", 1))
        choose = random.Random(turn).randrange
        return engine.answer(request(words(1, choose), decode)).decode_speed


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m"], threads=physical_cores(), repetitions=5)
    arguments.add_argument("--decode", type=int, default=64, help="tokens")
    options = arguments.parse_args()
    cores = options.threads
    rows = []
    for model in files(options):
        surroundings = {
            "quiet": lambda: loops(0),
            "beside one loop": lambda: loops(1),
            f"beside {cores} loops": lambda: loops(cores),
            "beside another model": lambda file=model: another_model(file, cores),
        }
        for name, surrounding in surroundings.items():
            ours, theirs = [], []
            for turn in range(options.repetitions):
                with surrounding():
                    ours.append(speed(model, cores, options.decode, turn))
                    theirs.append(llama_bench(model, cores, 8, options.decode)[1])
            rows.append([model.stem, *compared(name, ours, theirs, "(none)")])
    title = (
        f"{options.decode} tokens decoded, {cores} threads, {options.repetitions} repetitions, "
        "taking turns; medians in tokens a second"
    )
    show(title, ("model", "machine", "ours", "llama-bench", *RATIOS), rows)


if __name__ == "__main__":
    main()
