"""The models that have a short name: what `-m qwen3-4b` stands for.

    rows() -> (Known, ...)                  every row of known.toml
    find("qwen3-4b") -> Known | None
    names("text") -> ("qwen3-0.6b", ...)
    default_for("text", free) -> Known | None

Nothing is read before the first call, and nothing is ever fetched: a row only says where a file
lies on the Hugging Face hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_TABLE: Final = Path(__file__).with_name("known.toml")
_GIB: Final = 1024**3
# Billions of parameters. Above it answers are slow without a graphics card, and nobody should get
# a download of that size who did not ask for it by name.
_LARGEST_DEFAULT: Final = 8.5


@dataclass(frozen=True)
class Known:
    """A model with a short name; where a row leaves a field out, it is empty."""

    name: str  # family-size[-variant], in lower case
    kind: str  # "text", "vision", "image", "hear" or "speak"
    repo: str  # owner/name on the hub
    file: str
    bytes: int  # of that file
    licence: str  # of the model: its SPDX id, or the name it goes by
    context: int  # tokens
    parameters: str  # in billions: "4.0B"
    good_for: str
    sha256: str = ""
    revision: str = ""  # the commit that holds this very file; empty: whatever is newest
    base: bool = False  # continues bare text, and was never taught to answer
    languages: tuple[str, ...] = ()  # empty: many, or it does not matter
    projector: str = ""  # a second file of the same repository, which makes a text model see
    projector_bytes: int = 0
    projector_sha256: str = ""

    @property
    def billions(self) -> float:
        """Return how many billion parameters the model has."""
        return float(self.parameters.removesuffix("B"))

    @property
    def download(self) -> int:
        """Return the bytes of all its files."""
        return self.bytes + self.projector_bytes

    @property
    def memory(self) -> int:
        """Return about how many bytes it takes to run.

        The files, a fifth more for what is computed from them, and 1 GiB for a context of
        ordinary length and the process itself. A guess made before there is a file to look
        into: whether it fits in truth is for its header to say.
        """
        return self.download + self.download // 5 + _GIB


def _known(row: dict[str, Any]) -> Known:
    return Known(**{**row, "languages": tuple(row.get("languages", ()))})


@cache
def rows() -> tuple[Known, ...]:
    """Return every row of the table, in its order."""
    import tomllib  # many commands import this module, and few need a row

    return tuple(_known(row) for row in tomllib.loads(_TABLE.read_text("utf-8"))["model"])


def find(name: str) -> Known | None:
    """Return the row of that very name; a did-you-mean is for the caller, from `names`."""
    return next((row for row in rows() if row.name == name), None)


def names(kind: str | None = None) -> tuple[str, ...]:
    """Return the names of one kind, or of all, in the table's order."""
    return tuple(row.name for row in rows() if kind in (None, row.kind))


def default_for(kind: str, free_bytes: int, *, base: bool = False) -> Known | None:
    """Return the model to offer on a machine where none was chosen.

    The largest that fits, up to the 8B class. A base model is only offered where one is asked for:
    it would not answer. Of those, one that knows more languages goes first.

    Parameters
    ----------
    kind : str
        As in `Known.kind`.
    free_bytes : int
        Memory that can be had without swapping, as `machine.free_memory` tells it.

    Returns
    -------
    Known or None
        None if not even the smallest fits.
    """
    fitting = (
        row
        for row in rows()
        if row.kind == kind
        and row.base == base
        and row.billions <= _LARGEST_DEFAULT
        and row.memory <= free_bytes
    )
    return max(
        fitting,
        key=lambda row: (len(row.languages) if base else 0, row.billions, row.bytes),
        default=None,
    )
