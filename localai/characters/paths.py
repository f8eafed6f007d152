"""Where cards lie, and what a card may point to."""

from __future__ import annotations

import os
from pathlib import Path

from localai.resources import ResourceFolder

# Pictures and archives carry more than their card.
FOLDER = ResourceFolder(
    "character", (".yaml", ".yml", ".json", ".png", ".charx"), "a card", 64 * 2**20
)


def base(card: Path, name: str) -> Path | None:
    """Return the file that a card extends: beside it, of the user's, or shipped; None: not there.

    Raises
    ------
    BadInput
        The card points out of its own folder.
    """
    if FOLDER.is_path(name):
        return FOLDER.beside(card, name)
    own = os.path.realpath(card)
    places = (card.parent, *FOLDER.folders().values())
    # A card of the user's may patch the shipped one of the same name.
    return next(
        (path for path in FOLDER.named(name, places) if os.path.realpath(path) != own), None
    )
