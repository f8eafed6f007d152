"""How many rows are answered at a time, and how many more wait at the engine's door."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from localai.catalog.gguf.check import read_header
from localai.engines.llama.context_params import sequences_for
from localai.types import ModelSpec

_AHEAD = 4  # rows with the engine for each that it answers: it never waits for the next one
_MOST = 256  # rows with the engine


class Places(NamedTuple):
    """What was chosen."""

    sequences: int  # rows that are answered at a time
    in_flight: int  # rows that the engine has
    spec: ModelSpec  # the model, made for as many


def places(spec: ModelSpec, asked: int | None, *, pictures: bool = False) -> Places:
    """Return how many rows a model answers at a time.

    Parameters
    ----------
    asked : int or None
        What the user wants; None: what its memory is made for.
    pictures : bool
        Each row has one, which takes some megabytes while it waits.
    """
    sequences = sequences_for(read_header(Path(spec.files[0])))
    if asked is None:
        return Places(sequences, sequences if pictures else min(_AHEAD * sequences, _MOST), spec)
    if asked <= sequences:
        return Places(asked, asked, spec)
    # A hint: a model that is loaded already keeps what it has.
    more = spec._replace(options={**spec.options, "sequences": asked})
    return Places(asked, min(_AHEAD * asked, _MOST), more)
