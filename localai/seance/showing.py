"""How a seance is shown, and what is asked of it for a script."""

from __future__ import annotations

from typing import NamedTuple


class Showing(NamedTuple):
    """How a person wants to see it, and what for a script is asked."""

    once: str | None = None
    audio: tuple[str, ...] = ()
    hear: str | None = None  # the hearing model
    lines: int | None = None  # a question
    plain: bool = False
    calm: bool = False
    as_json: bool = False
