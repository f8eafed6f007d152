"""The chat as a loop: a line is read, and becomes a question, a note or a command."""

from __future__ import annotations

import shlex
from contextlib import nullcontext

from localai.chat.attach import attach_picture, waiting_pictures
from localai.chat.attachments import pasted
from localai.chat.outcome import Leave, Outcome, Refill
from localai.chat.reader import Reader
from localai.chat.reader import reader as reader_of
from localai.chat.slash import conversation, persona, registry, storage  # they fill the registry
from localai.chat.view import ChatView
from localai.errors import ClosedPipe, LocalaiError
from localai.terminal.tty_modes import held

_ROOMS = (conversation, persona, storage)


def handle(view: ChatView, line: str) -> Outcome:
    """Do what a line asks for."""
    line = registry.meant(line)
    if registry.is_command(line):
        view.session.editing = False
        return registry.run(view, line)
    if line.startswith("!"):
        view.session.note(line.removeprefix("!").strip())
        return "a note, which the model does not see"
    paths, text = pasted(line)
    for path in paths:
        attach_picture(view.session, path)
    if paths and not text:
        return waiting_pictures(view.session)
    if text:
        return None if view.show(view.session.ask(text)) else Refill(line.strip())
    view.session.editing = False
    return None


def run(view: ChatView, *, as_json: bool = False) -> None:
    """Hold the chat where it is: on a terminal, or line by line in a pipe."""
    console = view.console
    view.as_json, view.visible = as_json, not as_json
    reader = reader_of(view)
    if console.stdin.terminal:
        if view.session.transcript.turns:
            console.talk(view.session.transcript.reminder(), dim=True)
        if view.visible:
            console.use_markdown()
    if not view.session.transcript.turns:
        view.greet()
    if console.stdin.terminal and view.session.transcript.turns:
        console.talk("")  # what follows stands apart
    with view.hold(console.stdin) if view.hold is held else nullcontext():
        converse(view, reader)
    if console.stdin.terminal and view.session.journal and view.session.journal.begun:
        name = view.session.journal.name
        console.talk(f"kept as {name}: localai chat --session {shlex.quote(name)}", dim=True)


def converse(view: ChatView, reader: Reader) -> None:
    """Read and do until the end.

    On a terminal an error is told and the chat goes on; elsewhere it ends the command, so that
    a script sees it.
    """
    default: str | None = ""
    while default is not None:
        try:
            line = reader.read(default)
        except KeyboardInterrupt:
            if not view.console.stdin.terminal:
                raise
            default = ""
            view.console.talk("Ctrl-D or /quit leaves", dim=True)
            continue
        default = None if line is None else _done(view, registry.meant(line), reader.recall)


def _done(view: ChatView, line: str, recall: str) -> str | None:
    """Do what a line asks for; return what the next prompt begins with, None to leave.

    A question that has failed is not put back: what is typed next would be added to it.
    """
    try:
        outcome = handle(view, line)
    except (KeyboardInterrupt, LocalaiError) as error:
        if not view.console.stdin.terminal or isinstance(error, ClosedPipe):
            raise
        if isinstance(error, LocalaiError):
            view.console.error(error)
            if recall and not registry.is_command(line):
                view.console.talk(f"[{recall}]", dim=True)
        view.console.talk("")
        return ""
    match outcome:
        case Leave():
            return None
        case Refill(text):
            return text
        case str(text):
            view.console.talk(text, dim=not registry.is_command(line))
    if view.console.stdin.terminal and line.strip():
        view.console.talk("")  # what follows stands apart
    return ""
