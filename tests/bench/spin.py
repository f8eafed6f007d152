"""How long threads spin before they sleep: decoding on a quiet machine and beside other work.

    python -m tests.bench.spin [MODEL.gguf | 135m] [--repetitions 3]

`GOMP_SPINCOUNT` is what `localai` sets for its workers unless the user has set it, and 300000 is
what the OpenMP library does by itself. The other work is a busy loop on half of the cores.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from localai.engines.llama.model import physical_cores
from tests.bench.one_stream import request
from tests.bench.ours import Ours, words
from tests.bench.shapes import shape_file
from tests.bench.table import show

COUNTS = (300, 1000, 3000, 300_000)
DECODE = 24  # tokens


@contextmanager
def other_work(processes: int) -> Iterator[None]:
    """Keep some cores busy while the block runs."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def speed(model: Path, count: int) -> float:
    """Return decoded tokens a second with all cores."""
    os.environ["GOMP_SPINCOUNT"] = str(count)
    with Ours(model, physical_cores()) as engine:
        engine.answer(request("", 1))
        choose = random.Random(count).randrange
        return engine.answer(request(words(1, choose), DECODE)).decode_speed


def main() -> None:
    """Print tokens a second for each count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="135m")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    model = Path(options.model) if options.model.endswith(".gguf") else shape_file(options.model)
    speeds: dict[tuple[int, bool], list[float]] = {}
    for _ in range(options.repetitions):
        for busy in (False, True):
            with other_work(max(1, physical_cores() // 2) if busy else 0):
                for count in COUNTS:
                    speeds.setdefault((count, busy), []).append(speed(model, count))
    rows = [[c, median(speeds[c, False]), median(speeds[c, True])] for c in COUNTS]
    title = f"{model.name}: {DECODE} tokens decoded, {options.repetitions} times, tokens a second"
    show(title, ["spin count", "quiet", "beside other work"], rows)


if __name__ == "__main__":
    main()
