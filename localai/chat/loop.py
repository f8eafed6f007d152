"""The chat as a loop: a line is read, and becomes a question, a note or a command."""

from __future__ import annotations

import shlex
from typing import Protocol

from localai.chat import casting, keeping, slash, verbs  # they fill the registry
from localai.chat.slash import Leave, Outcome, Refill
from localai.chat.talk import Talk
from localai.errors import ClosedPipe, LocalaiError

__all__ = ["Reader", "converse", "handle", "run"]

_ROOMS = (verbs, casting, keeping)


class Reader(Protocol):
    """Where messages come from."""

    def read(self, default: str = "") -> str | None:
        """Return the next message, or None at the end; `default` is there to be edited."""


def handle(talk: Talk, line: str) -> Outcome:
    """Do what a line asks for."""
    if slash.is_command(line):
        talk.editing = False
        return slash.run(talk, line)
    if line.startswith("!"):
        talk.note(line.removeprefix("!").strip())
        return "a note, which the model does not see"
    if text := line.strip():
        return talk.ask(text)
    talk.editing = False
    return None


def run(talk: Talk, *, as_json: bool = False) -> None:
    """Hold the chat where it is: on a terminal, or line by line in a pipe."""
    from localai.chat import start

    console = talk.console
    talk.as_json, talk.show = as_json, not as_json
    reader = start.reader(talk)
    if console.stdin.terminal:
        if talk.transcript.turns:
            console.talk(talk.reminder(), dim=True)
        if talk.show:
            console.use_markdown()
    if not talk.transcript.turns:
        talk.greet()
    if console.stdin.terminal and talk.transcript.turns:
        console.talk("")  # what follows stands apart
    converse(talk, reader)
    if console.stdin.terminal and talk.journal and talk.journal.begun:
        name = talk.journal.name
        console.talk(f"kept as {name}: localai chat --session {shlex.quote(name)}", dim=True)


def converse(talk: Talk, reader: Reader) -> None:
    """Read and do until the end.

    On a terminal an error is told and the chat goes on; elsewhere it ends the command, so that
    a script sees it.
    """
    default: str | None = ""
    while default is not None:
        try:
            line = reader.read(default)
        except KeyboardInterrupt:
            if not talk.console.stdin.terminal:
                raise
            default = ""
            talk.console.talk("Ctrl-D or /quit leaves", dim=True)
            continue
        default = None if line is None else _done(talk, line)


def _done(talk: Talk, line: str) -> str | None:
    """Do what a line asks for; return what the next prompt begins with, None to leave."""
    try:
        outcome = handle(talk, line)
    except (KeyboardInterrupt, LocalaiError) as error:
        if not talk.console.stdin.terminal or isinstance(error, ClosedPipe):
            raise
        if isinstance(error, LocalaiError):
            talk.console.error(error)
        talk.console.talk("")
        return "" if slash.is_command(line) else line
    match outcome:
        case Leave():
            return None
        case Refill(text):
            return text
        case str(text):
            talk.console.talk(text, dim=not slash.is_command(line))
    if talk.console.stdin.terminal and line.strip():
        talk.console.talk("")  # what follows stands apart
    return ""
