"""`--speak`: an answer is spoken while it streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from localai.errors import EngineMissing
from localai.terminal.console import Console
from localai.types import Event

if TYPE_CHECKING:
    from localai.speech.session import Speech

Listening = Callable[[Iterator[Event]], AbstractContextManager[Iterator[Event]]]
"""Gives events that are spoken while they pass; the block ends when all has been said."""


def listening(console: Console, given: dict[str, Any]) -> Listening:
    """Return what speaks answers, where `--speak` asks for it; else what leaves them alone.

    Raises
    ------
    UnknownModel
        There is no voice of the name that was given.
    """
    if not given["speak"] and given["voice"] is None:
        return nullcontext
    from localai.commands.open_engine import engine_for, spec_for
    from localai.speech.aloud import spoken
    from localai.speech.session import Speech

    voice = {**given, "model": given["voice"]}
    try:
        spec = spec_for(console, voice, role="speak")
    except EngineMissing as error:
        console.warn(f"nothing is spoken: {error.what} ({error.next_step})")
        return nullcontext

    @contextmanager
    def speech() -> Iterator[Speech]:
        with engine_for(console, voice, spec) as engine, Speech(engine, spec) as opened:
            yield opened

    return partial(spoken, speech, console.warn)
