"""Who the user is to a character, and what the user is called. Pure.

A persona is a text. Where it names the user, that is what `{{user}}` stands for: a first line
`Name: Tom`, or somewhere `My name is Tom` or `Call me Tom`. (`I am Tom` is no such place: somebody
else writes `I am German`.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NOBODY = "User"
"""What a user is called who has no name."""

_LINE = re.compile(r"\s*name[ \t]*:[ \t]*(?P<name>\S[^\n]{0,39})(?:\n|$)", re.IGNORECASE)
_WORD = r"(?![a-zà-öø-ÿ])[^\W\d_][\w'’-]*"  # not in small letters, as names are
_NAME = rf"(?P<name>{_WORD}(?: {_WORD}){{0,3}})"
_CALLED = re.compile(rf"\b(?i:my name(?: is|['’]s)|i(?: am|['’]m) called|call me) {_NAME}")


@dataclass(frozen=True)
class Persona:
    """Who the user is."""

    name: str  # empty: the text names nobody
    text: str


def read(text: str) -> Persona:
    """Return what a persona's text says; a line `Name: Tom` becomes a sentence for the model."""
    if line := _LINE.match(text):
        name = line["name"].strip()
        rest = text[line.end() :].strip()
        return Persona(name, f"The user is called {name}.\n{rest}".strip())
    found = _CALLED.search(text)
    return Persona(found["name"] if found else "", text)
