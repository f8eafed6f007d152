"""Slash commands: a registry that `/help`, completion and did-you-mean are made from.

    @slash("/save", "[NAME]", "Call the session NAME, or say where it is kept.")
    def save(view: ChatView, words: str) -> Outcome: ...

A handler changes the chat and returns what is to happen next; it prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from localai.chat.outcome import Outcome
from localai.chat.view import ChatView
from localai.errors import BadInput
from localai.formats.text import cells, nearest, shown

Handler = Callable[[ChatView, str], Outcome]


@dataclass(frozen=True)
class SlashCommand:
    """A slash command."""

    name: str  # with its slash
    takes: str
    help: str
    run: Handler
    completes: str = ""  # "character", "model", "file", "session", "command", "setting", "picture"


COMMANDS: dict[str, SlashCommand] = {}
_COMMAND = re.compile(r"(?P<word>/[A-Za-z?-]*)(?:\s(?P<rest>.*))?", re.S)
_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+(?=[/!])")
ALIASES = {"/exit": "/quit", "/q": "/quit", "/?": "/help", "/regenerate": "/retry"}


def slash(name: str, takes: str, text: str, completes: str = "") -> Callable[[Handler], Handler]:
    """Enter a handler into the registry."""

    def enter(handler: Handler) -> Handler:
        COMMANDS[name] = SlashCommand(name, takes, text, handler, completes)
        return handler

    return enter


def is_command(line: str) -> bool:
    """Whether a line is meant for us and not for the model.

    A path (`/etc/passwd`) is none, nor is a line that begins with a blank.
    """
    return _COMMAND.fullmatch(line) is not None


def meant(line: str) -> str:
    """Return what was typed without blank lines before a command or a note."""
    return _BLANK_LINES.sub("", line, count=1)


def find(word: str) -> SlashCommand:
    """Return the command of a name.

    Raises
    ------
    BadInput
        There is none; with a did-you-mean.
    """
    word = ALIASES.get(word.lower(), word.lower())
    if word not in COMMANDS:
        # Without the slash, which all have: it would make strangers look alike.
        near = nearest(word[1:], [name[1:] for name in COMMANDS]).replace("`", "`/", 1)
        raise BadInput(f"there is no command {shown(word[:40])}", near or "/help lists them")
    return COMMANDS[word]


def run(view: ChatView, line: str) -> Outcome:
    """Run a line that is a command."""
    found = _COMMAND.fullmatch(line)
    assert found
    try:
        each, words = find(found["word"]), (found["rest"] or "").strip()
    except BadInput as error:
        what = f"{error.what}, and nothing was sent to the model"
        raise BadInput(what, error.next_step) from None
    if words and not each.takes:
        raise BadInput(
            f"{each.name} takes nothing behind it, and nothing was done",
            "begin the line with a blank if it is meant for the model",
        )
    return each.run(view, words)


def overview(width: int) -> str:
    """Return all commands, each with what it does, for a screen of this width."""
    rows = [(f"{name} {each.takes}".strip(), each.help) for name, each in sorted(COMMANDS.items())]
    column = max(cells(head) for head, _ in rows) + 2
    if any(column + cells(text) > width for _, text in rows):  # no room for two columns
        return "\n".join(f"{head}\n    {text}" for head, text in rows)
    return "\n".join(f"{head}{' ' * (column - cells(head))}{text}" for head, text in rows)
