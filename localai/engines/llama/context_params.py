"""What a llama.cpp context is made with, and the options of a model of this engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from localai.catalog.gguf.header import Header
from localai.catalog.placement.layers import layers

_SEQUENCES = 32
_SEQUENCES_EXACT = 8  # recurrent layers keep a whole state for each sequence


class LlamaOptions(NamedTuple):
    """The options of a `ModelSpec` for this engine.

    `context` is a minimum, `threads` and `sequences` are hints, so none of them tells two workers
    apart.
    """

    gpu_layers: str = "auto"  # "auto", "all" or a number as text
    cache_type: str = "f16"  # type of the keys and values kept in memory
    threads: int | None = None
    context: int | None = None  # tokens
    sequences: int | None = None  # answers at a time


@dataclass(frozen=True)
class ContextParams:
    """What a context is made with."""

    cells: int  # tokens kept in memory, all sequences together
    sequences: int
    batch: int  # tokens evaluated in one step, at most
    threads: int
    cache_type: str


def sequences_for(header: Header) -> int:
    """Return how many answers at a time a model's context is made for, where nobody says."""
    return _SEQUENCES_EXACT if any(layer.state for layer in layers(header)) else _SEQUENCES
