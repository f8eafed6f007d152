"""The chat as a loop: a line is read, and becomes a question, a note or a command."""

from __future__ import annotations

import shlex
from typing import Protocol

from localai.chat.session import ChatSession
from localai.chat.slash import conversation, persona, registry, storage  # they fill the registry
from localai.chat.slash.registry import Leave, Outcome, Refill
from localai.errors import ClosedPipe, LocalaiError

__all__ = ["Reader", "converse", "handle", "run"]

_ROOMS = (conversation, persona, storage)


class Reader(Protocol):
    """Where messages come from."""

    def read(self, default: str = "") -> str | None:
        """Return the next message, or None at the end; `default` is there to be edited."""


def handle(chat: ChatSession, line: str) -> Outcome:
    """Do what a line asks for."""
    if registry.is_command(line):
        chat.editing = False
        return registry.run(chat, line)
    if line.startswith("!"):
        chat.note(line.removeprefix("!").strip())
        return "a note, which the model does not see"
    if text := line.strip():
        return chat.ask(text)
    chat.editing = False
    return None


def run(chat: ChatSession, *, as_json: bool = False) -> None:
    """Hold the chat where it is: on a terminal, or line by line in a pipe."""
    from localai.chat import open

    console = chat.console
    chat.as_json, chat.show = as_json, not as_json
    reader = open.reader(chat)
    if console.stdin.terminal:
        if chat.transcript.turns:
            console.talk(chat.reminder(), dim=True)
        if chat.show:
            console.use_markdown()
    if not chat.transcript.turns:
        chat.greet()
    if console.stdin.terminal and chat.transcript.turns:
        console.talk("")  # what follows stands apart
    converse(chat, reader)
    if console.stdin.terminal and chat.journal and chat.journal.begun:
        name = chat.journal.name
        console.talk(f"kept as {name}: localai chat --session {shlex.quote(name)}", dim=True)


def converse(chat: ChatSession, reader: Reader) -> None:
    """Read and do until the end.

    On a terminal an error is told and the chat goes on; elsewhere it ends the command, so that
    a script sees it.
    """
    default: str | None = ""
    while default is not None:
        try:
            line = reader.read(default)
        except KeyboardInterrupt:
            if not chat.console.stdin.terminal:
                raise
            default = ""
            chat.console.talk("Ctrl-D or /quit leaves", dim=True)
            continue
        default = None if line is None else _done(chat, line)


def _done(chat: ChatSession, line: str) -> str | None:
    """Do what a line asks for; return what the next prompt begins with, None to leave."""
    try:
        outcome = handle(chat, line)
    except (KeyboardInterrupt, LocalaiError) as error:
        if not chat.console.stdin.terminal or isinstance(error, ClosedPipe):
            raise
        if isinstance(error, LocalaiError):
            chat.console.error(error)
        chat.console.talk("")
        return "" if registry.is_command(line) else line
    match outcome:
        case Leave():
            return None
        case Refill(text):
            return text
        case str(text):
            chat.console.talk(text, dim=not registry.is_command(line))
    if chat.console.stdin.terminal and line.strip():
        chat.console.talk("")  # what follows stands apart
    return ""
