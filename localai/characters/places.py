"""Where cards lie, and what a card may point to."""

from __future__ import annotations

import os
from pathlib import Path

from localai.shelf import Shelf

# Pictures and archives carry more than their card.
SHELF = Shelf("character", (".yaml", ".yml", ".json", ".png", ".charx"), "a card", 64 * 2**20)


def base(card: Path, name: str) -> Path | None:
    """Return the file that a card extends: beside it, of the user's, or shipped; None: not there.

    Raises
    ------
    BadInput
        The card points out of its own folder.
    """
    if SHELF.is_path(name):
        return SHELF.beside(card, name)
    own = os.path.realpath(card)
    places = (card.parent, *SHELF.folders().values())
    # A card of the user's may patch the shipped one of the same name.
    return next((path for path in SHELF.named(name, places) if os.path.realpath(path) != own), None)
