"""What a llama.cpp context is made with, and the options of a model of this engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class LlamaOptions(NamedTuple):
    """The options of a `ModelSpec` for this engine.

    `context` is a minimum and `threads` a hint, so neither tells two workers apart.
    """

    gpu_layers: str = "auto"  # "auto", "all" or a number as text
    cache_type: str = "f16"  # type of the keys and values kept in memory
    threads: int | None = None
    context: int | None = None  # tokens


@dataclass(frozen=True)
class ContextParams:
    """What a context is made with."""

    cells: int  # tokens kept in memory, all sequences together
    sequences: int
    batch: int  # tokens evaluated in one step, at most
    threads: int
    cache_type: str
