"""Where cards lie: the user's folder, then the shipped one; and what a card may point to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from localai import settings
from localai.errors import BadInput
from localai.terminal.text import nearest, read_regular

SUFFIXES = (".yaml", ".yml", ".json", ".png", ".charx")
FILE_LIMIT = 64 * 2**20  # bytes; pictures and archives carry more than their card
LIST_HINT = "`localai characters` lists them"
NAME = re.compile(r"\w[\w.-]{0,99}")


def folders() -> dict[str, Path]:
    """Return where characters lie, the first place first: origin to folder."""
    return {
        "user": settings.load().folders.data / "characters",
        "shipped": settings.shipped("characters"),
    }


def is_path(name: str) -> bool:
    """Whether a text names a file and not a character."""
    return "/" in name or name.lower().endswith(SUFFIXES)


def find(name_or_path: str) -> Path:
    """Return the file of a character.

    A path holds a `/` or ends as a card does; other texts are names, and where no character has
    that name a file in the working folder will do.

    Raises
    ------
    BadInput
        There is none; with a guess.
    """
    if is_path(name_or_path):
        if os.path.lexists(name_or_path):
            return Path(name_or_path)
        raise BadInput(f"there is no file {name_or_path!r}", LIST_HINT)
    if found := next(named(name_or_path, folders().values()), None):
        return found
    if os.path.isfile(name_or_path):
        return Path(name_or_path)
    names = [path.stem for folder in folders().values() for path in files(folder)]
    hint = f"{nearest(name_or_path, names)} {LIST_HINT}".strip()
    raise BadInput(f"there is no character called {name_or_path!r}", hint)


def named(name: str, places: Iterable[Path]) -> Iterator[Path]:
    """Yield the files of that name, the first place first."""
    if NAME.fullmatch(name):
        for folder in places:
            for suffix in SUFFIXES:
                if os.path.lexists(path := folder / f"{name}{suffix}"):
                    yield path


def files(folder: Path) -> list[Path]:
    """Return the cards in a folder by name; of several with one name only the one that is used."""
    found: dict[str, Path] = {}
    try:
        everything = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError:
        return []
    for suffix in SUFFIXES:
        for path in everything:
            if path.suffix == suffix and NAME.fullmatch(path.stem):
                found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found)]


def base(card: Path, name: str) -> Path | None:
    """Return the file that a card extends: beside it, of the user's, or shipped; None: not there.

    Raises
    ------
    BadInput
        The card points out of its own folder.
    """
    if is_path(name):
        return beside(card, name)
    own = os.path.realpath(card)
    places = (card.parent, *folders().values())
    # A card of the user's may patch the shipped one of the same name.
    return next((path for path in named(name, places) if os.path.realpath(path) != own), None)


def beside(card: Path, name: str) -> Path | None:
    """Return a file that a card names: in its own folder or below, links followed; None: not there.

    Raises
    ------
    BadInput
        The name leads elsewhere.
    """
    target = Path(name)
    if not name.isprintable() or target.is_absolute() or ".." in target.parts:
        raise BadInput("a card may only name files in its own folder")
    folder, path = os.path.realpath(card.parent), card.parent / target
    try:
        if os.path.commonpath([folder, os.path.realpath(path)]) != folder:
            raise BadInput("a card may only name files in its own folder")
        return path if path.is_file() else None
    except OSError:  # a name that is too long
        return None


def read(path: Path, limit: int = FILE_LIMIT) -> bytes:
    """Return a card's file; BadInput if it cannot be read, is no regular file or too large."""
    return read_regular(path, limit, "a card", LIST_HINT)
