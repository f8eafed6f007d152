"""A chat as the command line asks for it: new, named, or where the last one ended."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localai.chat import session_store
from localai.chat.attach import let_see
from localai.chat.model_handle import ModelHandle
from localai.chat.participants import Participants
from localai.chat.session import ChatSession
from localai.chat.session_file import SessionFile
from localai.chat.transcript import Transcript
from localai.errors import BadInput

__all__ = ["ChatRequest", "ModelHandle", "begin", "take_up"]


@dataclass(frozen=True)
class ChatRequest:
    """What the command line asks for.

    Parameters
    ----------
    values : mapping
        What the chat is to be held with; what is None is left as a session has it.
    settings : mapping
        The same for the sampling options.
    """

    session: str | None
    go_on: bool  # with the session that changed last
    save: bool
    values: Mapping[str, Any]
    settings: Mapping[str, Any]


def begin(models: ModelHandle, request: ChatRequest) -> ChatSession:
    """Return the chat; its model has begun to load.

    Raises
    ------
    BadInput
        There is no such session or character, or they contradict each other.
    """
    journal = _journal(request)
    events = journal.events() if journal else []
    transcript = Transcript.of(events)
    values = _wanted(request, transcript)
    merged = {**transcript.values, **values}
    if transcript.has_pictures:
        models.wants_eyes()
    models.use(str(merged.get("model") or _model_of(merged)))
    values["model"] = models.name
    participants = Participants.of({**merged, **values}, models.name, models.context)
    chat = ChatSession(models, journal, transcript, participants)
    changed = {name: each for name, each in values.items() if transcript.values.get(name) != each}
    if changed:
        chat.change(**changed)
    return chat


def take_up(chat: ChatSession, name: str) -> None:
    """Go on with another session, and leave the one before as it is; the model stays.

    Raises
    ------
    BadInput, UnknownModel
        Another chat has it open, its character is not there, or it has pictures and the model
        cannot see. Then nothing has changed.
    """
    journal = SessionFile(name)
    try:
        transcript = Transcript.of(journal.events())
        participants = Participants.of(transcript.values, chat.models.name, chat.models.context)
        if transcript.has_pictures:
            let_see(chat)
    except BaseException:
        journal.close()
        raise
    if chat.journal:
        chat.journal.close()
    chat.journal, chat.transcript, chat.participants = journal, transcript, participants
    chat.unsaid.clear()  # of the chat that was left
    chat.editing = False
    chat.window.forget()


def _journal(request: ChatRequest) -> SessionFile | None:
    if not request.save:
        if request.session or request.go_on:
            raise BadInput("--no-save keeps no session", "leave it out to go on with one")
        return None
    if request.go_on:
        if request.session:
            raise BadInput("--continue is the last session, --session one by name", "use one")
        names = session_store.names()
        if not names:
            raise BadInput("there is no session to continue", "`localai chat` begins one")
        return SessionFile(names[0])
    return SessionFile(request.session)


def _wanted(request: ChatRequest, transcript: Transcript) -> dict[str, Any]:
    values = {name: value for name, value in request.values.items() if value is not None}
    old = transcript.values.get("settings")
    settings = {name: value for name, value in request.settings.items() if value is not None}
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
