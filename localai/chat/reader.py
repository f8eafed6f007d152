"""Where the messages of a chat come from: an editor on a terminal, else lines."""

from __future__ import annotations

from typing import Protocol

from localai import settings
from localai.chat.view import ChatView
from localai.terminal.tty_modes import held


class Reader(Protocol):
    """Where messages come from."""

    recall: str  # how the last message is got back, in words; empty: it is not

    def read(self, default: str = "") -> str | None:
        """Return the next message, or None at the end; `default` is there to be edited."""


def reader(view: ChatView) -> Reader:
    """Return where the messages of a chat come from."""
    chosen = settings.load()
    console, session = view.console, view.session
    drawn = console.stdout.terminal or console.stderr.terminal
    if not (console.stdin.terminal and drawn) or chosen.term == "dumb":
        from localai.chat.line_reader import LineReader

        return LineReader(console)
    view.hold = held
    # A tenth of a second of imports, while the model loads.
    from localai.chat.completer import complete
    from localai.terminal.editor import Editor

    history = chosen.folders.state / "chat_history" if session.journal else None
    return Editor(console, history, lambda line: complete(line, _characters), session.meter)


def _characters() -> list[str]:
    from localai.characters.paths import FOLDER

    return [path.stem for path, _ in FOLDER.files()]
