"""Characters by name: loaded, and listed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from localai.characters.card import Character
from localai.characters.load import LoadedCard, open_card
from localai.characters.paths import FOLDER
from localai.errors import BadInput

_MOST = 300  # letters of a sentence
_SENTENCE = re.compile(r".*?[.!?…](?=\s|$)|.*", re.S)


@dataclass(frozen=True)
class CharacterSummary:
    """A line of `localai characters`."""

    name: str  # what `-c` takes
    character: str  # who it is; empty if the file is damaged
    about: str
    genre: str
    tags: tuple[str, ...]
    form: str
    path: Path
    origin: str  # "user" or "shipped"
    problem: str = ""  # why the file cannot be used


def load(name_or_path: str) -> Character:
    """Return the character of that name or file.

    Raises
    ------
    BadInput
        There is none, or the file is damaged: with file and reason.
    """
    return opened(name_or_path).character


def opened(name_or_path: str) -> LoadedCard:
    """Return the character of that name or file, with what is known of the file."""
    return open_card(FOLDER.find(name_or_path))


def listing() -> list[CharacterSummary]:
    """Return all characters by name; the user's stand before shipped ones of the same name."""
    return [_listed(path, origin) for path, origin in FOLDER.files()]


def about(character: Character) -> str:
    """Return one sentence of what a character is: of the notes for people, else its description."""
    text = (character.creator_notes.strip() or character.description.strip())[:_MOST]
    first = _SENTENCE.match(text)
    line = " ".join(first[0].split()) if first else ""
    return re.sub(r"\{\{char\}\}", lambda _: character.called, line, flags=re.I)


def _listed(path: Path, origin: str) -> CharacterSummary:
    try:
        card = open_card(path)
    except BadInput as error:
        return CharacterSummary(path.stem, "", "", "", (), "", path, origin, error.what)
    who = card.character
    return CharacterSummary(
        path.stem, who.name, about(who), who.genre, who.tags, card.form, path, origin
    )
