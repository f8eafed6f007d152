"""A chat as the command line asks for it: new, named, or where the last one ended."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localai.chat import session
from localai.chat.cast import Cast
from localai.chat.journal import Journal
from localai.chat.memory import Memory
from localai.chat.model import Models
from localai.chat.talk import Talk
from localai.chat.transcript import Transcript
from localai.errors import BadInput
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.chat.loop import Reader

__all__ = ["Models", "Wish", "begin", "reader"]


@dataclass(frozen=True)
class Wish:
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


def begin(console: Console, models: Models, wish: Wish) -> Talk:
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
    cast = Cast.of({**merged, **values}, models.name, models.context)
    talk = Talk(console, models, journal, transcript, Memory(), cast)
    changed = {name: each for name, each in values.items() if transcript.values.get(name) != each}
    if changed:
        talk.change(**changed)
    return talk


def _journal(wish: Wish) -> Journal | None:
    if not wish.save:
        if wish.session or wish.go_on:
            raise BadInput("--no-save keeps no session", "leave it out to go on with one")
        return None
    if wish.go_on:
        if wish.session:
            raise BadInput("--continue is the last session, --session one by name", "use one")
        names = session.names()
        if not names:
            raise BadInput("there is no session to continue", "`localai chat` begins one")
        return Journal(names[0])
    return Journal(wish.session)


def _wanted(wish: Wish, transcript: Transcript) -> dict[str, Any]:
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
    from localai.characters import find

    return find.load(str(values["character"])).model


def reader(talk: Talk) -> Reader:
    """Return where messages come from: an editor on a terminal, else lines."""
    from localai import settings

    chosen = settings.load()
    console = talk.console
    drawn = console.stdout.terminal or console.stderr.terminal
    if not (console.stdin.terminal and drawn) or chosen.term == "dumb":
        from localai.chat.lines import Lines

        return Lines(console)
    # A tenth of a second of imports, while the model loads.
    from localai.chat.complete import complete
    from localai.terminal.editor import Editor

    history = chosen.folders.state / "chat_history" if talk.journal else None
    return Editor(
        console,
        history,
        lambda line: complete(line, _characters),
        lambda: talk.memory.meter(talk),
    )


def _characters() -> list[str]:
    from localai.characters.places import SHELF

    return [path.stem for path, _ in SHELF.files()]
