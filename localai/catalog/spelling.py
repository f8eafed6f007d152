"""How a place on the Hugging Face hub is spelled: as people type it, and as browsers show it."""

from __future__ import annotations

import re
from typing import Final

_ON_HUB: Final = re.compile(
    r"(?:https?://)?(?:hf\.co|huggingface\.co)/(?P<page>[^?#]+)(?:[?#].*)?"
    r"|hf:(?://)?(?P<hf>.+)",
    re.I,
)
_PLACE: Final = re.compile(
    r"(?P<repo>[\w.-]+/[\w.-]+)"
    r"(?::(?P<quantisation>[\w.-]+)"
    r"|/(?:(?:blob|resolve|tree|raw)/(?P<revision>[\w.-]+)/?)?(?P<file>[^:]*))?/?",
    re.A,
)


def place(name: str) -> tuple[str, str | None, str] | None:
    """Return repository, file (or quantisation, or glob) and revision; None: it spells none."""
    match = _ON_HUB.fullmatch(name)
    text = (match["page"] or match["hf"]).rstrip("/") if match else name
    found = _PLACE.fullmatch(text)
    if not found:
        return None
    return (
        found["repo"],
        found["quantisation"] or found["file"] or None,
        found["revision"] or "main",
    )
