"""What the memory rule predicts against what llama.cpp says in its log that it has allocated.

    python -m tests.bench.memory_rule [MODEL.gguf | 135m | 1b | moe ...]

For each model, size of the context and type of the cache a context is made as the engine makes it,
all on the CPU. Weights, cache and computing are the log's lines "model buffer size", "KV" and "RS
buffer size", "compute" and "output buffer size". The ratio of the sums has to be 0.9 to 1.1. There
is no clock in it, so one run says all and a busy machine does not matter.

On ARM llama.cpp keeps rewritten q8_0 matrices beside the file's map, which its log then counts
twice; there, take models in f16 (`python -m tests.bench.shapes 135m --type f16`).
"""

from __future__ import annotations

import argparse
import ctypes
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.catalog.gguf import check
from localai.catalog.placement.layout import DeviceShare, on_cpu
from localai.catalog.placement.sizes import ContextShape
from localai.catalog.placement.sizes import ModelMemory as ModelSizes
from localai.engines.llama import bindings
from localai.engines.llama.bindings import native
from localai.engines.llama.context import Context
from localai.engines.llama.model import ContextParams
from tests.bench.shapes import shape_file
from tests.bench.table import show

CONTEXTS = (512, 4096, 32_768)  # tokens
CACHE_TYPES = ("f16", "q8_0")
SEQUENCES, BATCH, THREADS = 32, 512, 2
CLOSE = (0.9, 1.1)  # the sum predicted over the sum in the log
MIB = 1 << 20
LINE = re.compile(r"(model|KV|RS|compute|output) +buffer size = +([0-9.]+) MiB")
PARTS = {
    "model": "weights",
    "KV": "cache",
    "RS": "cache",
    "compute": "compute",
    "output": "compute",
}


@dataclass(frozen=True)
class Row:
    """A context that was made, and what was predicted for it."""

    load: ContextShape
    predicted: DeviceShare
    logged: dict[str, float]  # bytes of weights, cache and compute

    @property
    def ratio(self) -> float:
        """The sum predicted over the sum in the log."""
        return self.predicted.total / sum(self.logged.values())


@contextmanager
def log() -> Iterator[list[str]]:
    """Collect what the library says."""
    lines: list[str] = []

    def note(_level: int, text: bytes, _data: Any) -> None:
        lines.append(text.decode("utf-8", "replace"))

    callback = native.llama_log_callback(note)
    bindings.start()
    native.llama_log_set(callback, ctypes.c_void_p(0))
    try:
        yield lines
    finally:
        bindings.start()  # its own log again


def sizes_in(lines: Sequence[str]) -> dict[str, float]:
    """Return the bytes that a log names, by part."""
    found = dict.fromkeys(PARTS.values(), 0.0)
    for kind, size in LINE.findall("".join(lines)):
        found[PARTS[kind]] += float(size) * MIB
    return found


def rows(
    path: Path, contexts: Sequence[int] = CONTEXTS, cache_types: Sequence[str] = CACHE_TYPES
) -> Iterator[Row]:
    """Make each context and yield what was predicted and what was logged."""
    table = ModelSizes.of(check.check(path))
    with log() as lines:
        parameters = native.llama_model_default_params()
        parameters.n_gpu_layers = 0
        model = native.llama_model_load_from_file(str(path).encode(), parameters)
        weights = sizes_in(lines)["weights"]
        n_vocab = native.llama_vocab_n_tokens(native.llama_model_get_vocab(model))
        for tokens in contexts:
            for cache_type in cache_types:
                lines.clear()
                Context(
                    model, n_vocab, ContextParams(tokens, SEQUENCES, BATCH, THREADS, cache_type)
                ).close()
                load = ContextShape(tokens, cache_type, SEQUENCES, BATCH)
                yield Row(load, on_cpu(table, load), sizes_in(lines) | {"weights": weights})
        native.llama_model_free(model)


def cells(row: Row) -> list[object]:
    """Return a row of the table, in MiB."""
    parts = [
        f"{getattr(row.predicted, part) / MIB:.1f} / {row.logged[part] / MIB:.1f}"
        for part in ("weights", "cache", "compute")
    ]
    sums = (row.predicted.total / MIB, sum(row.logged.values()) / MIB)
    return [row.load.context, row.load.cache_type, *parts, *sums, row.ratio]


def main() -> int:
    """Print a table for each model; the exit code says whether all ratios are close."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=["135m", "1b", "moe"])
    found = []
    for name in parser.parse_args().models:
        path = Path(name) if name.endswith(".gguf") else shape_file(name)
        made = list(rows(path))
        heads = ["context", "cache", "weights", "keys and values", "computing", "predicted"]
        show(
            f"{path.name}: MiB, predicted / logged; {SEQUENCES} sequences, batches of {BATCH}",
            [*heads, "logged", "ratio"],
            [cells(row) for row in made],
        )
        found += [row.ratio for row in made]
    close = sum(CLOSE[0] <= ratio <= CLOSE[1] for ratio in found)
    print(f"\n{close} of {len(found)} within {CLOSE[0]} to {CLOSE[1]}")
    return 0 if close == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
