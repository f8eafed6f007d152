"""A chat as the command line asks for it: new, named, or where the last one ended."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localai.chat import session_store
from localai.chat.context_window import ContextWindow
from localai.chat.model_handle import ModelHandle
from localai.chat.participants import Participants
from localai.chat.session import ChatSession
from localai.chat.session_file import SessionFile
from localai.chat.transcript import Transcript
from localai.errors import BadInput
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.chat.repl import Reader

__all__ = ["ChatRequest", "ModelHandle", "begin", "reader"]


@dataclass(frozen=True)
class ChatRequest:
    """What the command line asks for.

    Parameters
    ----------
    values : mapping
        What the chat is to be held with; what is None is left as a session has it.
    settings : mapping
        The same for the knobs.
    """

    session: str | None
    go_on: bool  # with the session that changed last
    save: bool
    values: Mapping[str, Any]
    settings: Mapping[str, Any]


def begin(console: Console, models: ModelHandle, wish: ChatRequest) -> ChatSession:
    """Return the chat; its model has begun to load.

    Raises
    ------
    BadInput
        There is no such session or character, or they contradict each other.
    """
    journal = _journal(wish)
    events = journal.events() if journal else []
    transcript = Transcript.of(events)
    if transcript.strange:
        console.warn(f"{transcript.strange} damaged lines of the session were left out")
    values = _wanted(wish, transcript)
    merged = {**transcript.values, **values}
    models.use(str(merged.get("model") or _model_of(merged)))
    values["model"] = models.name
    participants = Participants.of({**merged, **values}, models.name, models.context)
    chat = ChatSession(console, models, journal, transcript, ContextWindow(), participants)
    changed = {name: each for name, each in values.items() if transcript.values.get(name) != each}
    if changed:
        chat.change(**changed)
    return chat


def _journal(wish: ChatRequest) -> SessionFile | None:
    if not wish.save:
        if wish.session or wish.go_on:
            raise BadInput("--no-save keeps no session", "leave it out to go on with one")
        return None
    if wish.go_on:
        if wish.session:
            raise BadInput("--continue is the last session, --session one by name", "use one")
        names = session_store.names()
        if not names:
            raise BadInput("there is no session to continue", "`localai chat` begins one")
        return SessionFile(names[0])
    return SessionFile(wish.session)


def _wanted(wish: ChatRequest, transcript: Transcript) -> dict[str, Any]:
    values = {name: value for name, value in wish.values.items() if value is not None}
    old = transcript.values.get("settings")
    settings = {name: value for name, value in wish.settings.items() if value is not None}
    if settings:
        values["settings"] = {**(old if isinstance(old, dict) else {}), **settings}
    if "seed" not in transcript.values:
        values["seed"] = random.SystemRandom().randrange(2**31)
        values["began"] = datetime.now().astimezone().isoformat(timespec="seconds")
    return values


def _model_of(values: Mapping[str, Any]) -> str:
    """Return the model that the character asks for; empty: the default one."""
    if not values.get("character"):
        return ""
    from localai.characters import index

    return index.load(str(values["character"])).model


def reader(chat: ChatSession) -> Reader:
    """Return where messages come from: an editor on a terminal, else lines."""
    from localai import settings

    chosen = settings.load()
    console = chat.console
    drawn = console.stdout.terminal or console.stderr.terminal
    if not (console.stdin.terminal and drawn) or chosen.term == "dumb":
        from localai.chat.line_reader import Lines

        return Lines(console)
    # A tenth of a second of imports, while the model loads.
    from localai.chat.completer import complete
    from localai.terminal.editor import Editor

    history = chosen.folders.state / "chat_history" if chat.journal else None
    return Editor(
        console,
        history,
        lambda line: complete(line, _characters),
        lambda: chat.memory.meter(chat),
    )


def _characters() -> list[str]:
    from localai.characters.paths import FOLDER

    return [path.stem for path, _ in FOLDER.files()]
