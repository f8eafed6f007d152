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

ABOUT = "About the user:"
"""Stands before a persona in a prompt."""

# Words of somebody who speaks of himself, in some languages; elsewhere `ABOUT` has to do.
_FIRST_PERSON = re.compile(
    r"\b(?:I|[Mm]y|[Mm]e|[Mm]ine|[Mm]yself|[Ii]ch|[Mm]ein(?:e[mnrs]?)?|[Mm]ich|[Mm]ir"
    r"|[Jj]e|[Mm]oi|[Mm]on|[Mm]es|[Yy]o|[Ss]oy)\b|\b[Jj]['’]|[我私僕俺나저]"
)
_SENTENCE = re.compile(r"The user is called [^\n]{1,60}\.(?:\n|$)")
_LINE = re.compile(r"\s*name[ \t]*:[ \t]*(?P<name>\S[^\n]{0,39})(?:\n|$)", re.IGNORECASE)
_WORD = r"(?![a-zà-öø-ÿ])[^\W\d_][\w'’-]*"  # not in small letters, as names are
_NAME = rf"(?P<name>{_WORD}(?: {_WORD}){{0,3}})"
_CALLED = re.compile(rf"\b(?i:my name(?: is|['’]s)|i(?: am|['’]m) called|call me) {_NAME}")


@dataclass(frozen=True)
class Persona:
    """Who the user is."""

    name: str  # empty: the text names nobody
    text: str


def told(text: str) -> str:
    """Return a persona as a model is told of it: it says whose words they are.

    Otherwise a model takes `My name is Tom.` for what itself is called. So that becomes `About the
    user: The user says: "My name is Tom."`, and `Tom sails.` is `About the user: Tom sails.`;
    nothing stays nothing.
    """
    called = _SENTENCE.match(text.strip())
    head, rest = (called[0].strip(), text.strip()[called.end() :]) if called else ("", text.strip())
    if _FIRST_PERSON.search(rest):
        rest = f'The user says: "{rest}"'
    about = "\n".join(filter(None, (head, rest)))
    return f"{ABOUT} {about}" if about else ""


def read(text: str) -> Persona:
    """Return what a persona's text says; a line `Name: Tom` becomes a sentence for the model."""
    if line := _LINE.match(text):
        name = line["name"].strip()
        rest = text[line.end() :].strip()
        return Persona(name, f"The user is called {name}.\n{rest}".strip())
    found = _CALLED.search(text)
    return Persona(found["name"] if found else "", text)
