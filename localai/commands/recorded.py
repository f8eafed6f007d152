"""`--mic`: somebody speaks, a meter shows that it is heard, silence or Enter ends it."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import log10
from typing import TYPE_CHECKING

from localai.media.microphone import Capture, Microphone
from localai.media.transcription import SpeechEnded
from localai.terminal.console import Console
from localai.terminal.tty_modes import unechoed
from localai.transcription.dictation import Dictation

if TYPE_CHECKING:
    from localai.pool.engine_client import EngineClient
    from localai.transcription.session import TranscribeOptions
    from localai.types import Event, ModelSpec

_BAR = 20  # columns of the meter, at most
_QUIETEST = 50.0  # decibels below the loudest at which the meter is empty
_TICK = 0.1  # seconds between two drawings
_KEYS = 1024  # bytes that are read at once


@contextmanager
def dictation(
    console: Console,
    device: str,
    silence: float,
    engine: EngineClient,
    options: TranscribeOptions,
    spec: ModelSpec,
) -> Iterator[tuple[Dictation, Iterator[Event]]]:
    """Give what is said, when it has been said: a dictation, and the events of hearing it.

    Parameters
    ----------
    device : str
        Which microphone; empty is the default one.
    silence : float
        Seconds of silence that end it; 0: Enter alone does.

    Raises
    ------
    Unavailable
        There is no microphone.
    """
    with Capture(Microphone(device)) as recording:
        said = Dictation(recording, options, spec, silence)
        events = said.events(engine)
        try:
            with _metered(console, recording, silence):
                for event in events:
                    if isinstance(event, SpeechEnded):
                        break
            yield said, events
        finally:
            events.close()  # type: ignore[attr-defined]  # it is a generator


@contextmanager
def _metered(console: Console, recording: Capture, silence: float) -> Iterator[None]:
    """Show how loud it is, and let Enter stop the recording, during the block."""
    ends = ["silence"] * (silence > 0) + ["Enter"] * console.stdin.terminal or ["Ctrl-C"]
    told = f"{' or '.join(ends)} ends it"
    if not console.animated:
        console.talk(f"listening: {told}")
    over = threading.Event()
    thread = threading.Thread(
        target=_attend, args=(console, recording, told, over), name="meter", daemon=True
    )
    with unechoed(console.stdin):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            console.clear_status()


def _attend(console: Console, recording: Capture, told: str, over: threading.Event) -> None:
    while not over.is_set():
        room = min(_BAR, console.width - len(told) - 4)
        console.status(f"{_meter(recording.level, room)} {told}")
        if _enter(console):
            recording.stop()
            return


def _enter(console: Console) -> bool:
    """Wait for a moment; return whether Enter was pressed."""
    number = console.stdin.number() if console.stdin.terminal else None
    watched = [] if number is None else [number]
    if not select.select(watched, [], [], _TICK)[0] or number is None:
        return False
    keys = os.read(number, _KEYS)
    return b"\r" in keys or b"\n" in keys


def _meter(level: float, columns: int) -> str:
    """Return how loud it is as a bar: a column for each few decibels."""
    loud = 1 + 20 * log10(level) / _QUIETEST if level > 0 else 0.0
    full = round(columns * min(1.0, max(0.0, loud)))
    return f"[{'#' * full}{' ' * (columns - full)}]"
