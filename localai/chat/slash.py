"""Slash commands: a registry that `/help`, completion and did-you-mean are made from.

    @slash("/save", "[NAME]", "Call the session NAME, or say where it is kept.")
    def save(chat: Chat, words: str) -> Outcome: ...

A handler changes the chat and returns what is to happen next; it prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localai.errors import BadInput
from localai.terminal.text import cells, nearest, shown

if TYPE_CHECKING:
    from localai.chat.talk import Talk


@dataclass(frozen=True)
class Leave:
    """The chat is over."""


@dataclass(frozen=True)
class Refill:
    """The next prompt begins with this text."""

    text: str


Outcome = str | Leave | Refill | None  # a text is shown
Handler = Callable[["Talk", str], Outcome]


@dataclass(frozen=True)
class Slash:
    """A slash command."""

    name: str  # with its slash
    takes: str
    help: str
    run: Handler
    completes: str = ""  # "character", "model", "file", "session", "command", "setting", "picture"


COMMANDS: dict[str, Slash] = {}
_COMMAND = re.compile(r"(?P<word>/[A-Za-z?-]*)(?:\s(?P<rest>.*))?", re.S)
ALIASES = {"/exit": "/quit", "/q": "/quit", "/?": "/help", "/regenerate": "/retry"}


def slash(name: str, takes: str, text: str, completes: str = "") -> Callable[[Handler], Handler]:
    """Enter a handler into the registry."""

    def enter(handler: Handler) -> Handler:
        COMMANDS[name] = Slash(name, takes, text, handler, completes)
        return handler

    return enter


def is_command(line: str) -> bool:
    """Whether a line is meant for us and not for the model.

    A path (`/etc/passwd`) is none, nor is a line that begins with a blank.
    """
    return _COMMAND.fullmatch(line) is not None


def find(word: str) -> Slash:
    """Return the command of a name.

    Raises
    ------
    BadInput
        There is none; with a did-you-mean.
    """
    word = ALIASES.get(word.lower(), word.lower())
    if word not in COMMANDS:
        near = nearest(word, COMMANDS)
        what = f"there is no command {shown(word[:40])}, and nothing was sent to the model"
        raise BadInput(what, near or "/help lists the commands")
    return COMMANDS[word]


def run(talk: Talk, line: str) -> Outcome:
    """Run a line that is a command."""
    found = _COMMAND.fullmatch(line)
    assert found
    return find(found["word"]).run(talk, (found["rest"] or "").strip())


def overview(width: int) -> str:
    """Return all commands, each with what it does, for a screen of this width."""
    heads = {name: f"{name} {each.takes}".strip() for name, each in COMMANDS.items()}
    column = max(map(cells, heads.values())) + 2
    if width < column + 30:  # no room for two columns
        return "\n".join(f"{heads[name]}\n    {each.help}" for name, each in COMMANDS.items())
    return "\n".join(
        f"{heads[name]}{' ' * (column - cells(heads[name]))}{each.help}"
        for name, each in COMMANDS.items()
    )
