"""What most of the benchmarks are told on their command line: models, threads, repetitions."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.bench.shapes import SHAPES, TYPES, shape_file


def parser(
    description: str | None, models: list[str], threads: int, repetitions: int
) -> argparse.ArgumentParser:
    """Return a parser with what all have; the values are the defaults."""
    made = argparse.ArgumentParser(
        description=description,
        usage="%(prog)s [options] [MODEL ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("models", nargs="*", default=models, metavar="MODEL")
    made.add_argument("--type", default="q8_0", choices=sorted(TYPES), help="of a shape")
    made.add_argument("--threads", type=int, default=threads)
    made.add_argument("--repetitions", type=int, default=repetitions)
    return made


def files(options: argparse.Namespace) -> list[Path]:
    """Return the models that were named: GGUF files, or shapes, which are made if need be."""
    return [
        shape_file(name, options.type) if name in SHAPES else Path(name) for name in options.models
    ]
