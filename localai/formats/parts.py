"""Texts that become one, and what each stretch of it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from localai.types import Part

Parts = tuple[Part, ...]


def join_parts(pieces: Iterable[tuple[str, str]], glue: str = "") -> tuple[str, Parts]:
    """Return texts as one, and its parts; empty texts are left out, glue goes with what it follows.

    `[("card", "Ada."), ("lore", ""), ("system", "Brief.")], " "` gives `"Ada. Brief."`, of which 5
    characters are the card's and 6 the system text's.

    Parameters
    ----------
    pieces : iterable of (str, str)
        Name of the part (`types.PARTS`) and text.
    """
    filled = [(name, text) for name, text in pieces if text]
    last = len(filled) - 1
    parts = (
        Part(name, len(text) + len(glue) * (at < last)) for at, (name, text) in enumerate(filled)
    )
    return glue.join(text for _, text in filled), tuple(parts)


def one_part(name: str, text: str) -> Parts:
    """Return the parts of a text that is all one."""
    return (Part(name, len(text)),) if text else ()
