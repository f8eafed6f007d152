"""Questions that are spoken into a microphone: a key begins, silence or the key again ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from localai.errors import LocalaiError
from localai.media.microphone import Capture, Microphone
from localai.pool.engine_client import EngineClient
from localai.seance.hearing import Question
from localai.seance.live import LiveSeance
from localai.transcription.dictation import Dictation
from localai.transcription.session import TranscribeOptions, spoken_text
from localai.types import ModelSpec

_LOOK = 0.1  # seconds between two looks at whether it is over


class Ears(NamedTuple):
    """What hears: an engine and how it is asked."""

    engine: Callable[[], AbstractContextManager[EngineClient]]
    spec: ModelSpec
    languages: Sequence[str]  # codes of those that may be spoken
    usual: str  # where none is found out
    device: str = ""  # of the microphone; empty: the default one


def dictated(engine: EngineClient, ears: Ears, recording: Capture) -> Question:
    """Return the question that is spoken into a recording.

    Raises
    ------
    BadInput
        Nothing was said.
    Unavailable
        There is no microphone, or it is muted.
    """
    only = ears.languages[0] if len(ears.languages) == 1 else None
    options = TranscribeOptions(language=only, languages=() if only else tuple(ears.languages))
    said = Dictation(recording, options, ears.spec)
    for _ in said.events(engine):
        pass
    text = spoken_text(said.segments)
    language = said.about.language
    return Question(text, language if language in ears.languages else ears.usual)


def heard_once(ears: Ears) -> Question:
    """Return one question from the microphone. Raises as `dictated` does."""
    with ears.engine() as engine, Capture(Microphone(ears.device)) as recording:
        return dictated(engine, ears, recording)


class QuestionListener:
    """Hears questions in a thread of its own.

    Parameters
    ----------
    tell, warn : callable
        Told, in that thread, the question, or why there is none.
    """

    def __init__(
        self, ears: Ears, tell: Callable[[Question], None], warn: Callable[[LocalaiError], None]
    ) -> None:
        self._ears, self._tell, self._warn = ears, tell, warn
        self._wanted, self._closed = threading.Event(), threading.Event()
        self._recording: Capture | None = None
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def __enter__(self) -> QuestionListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self.stop()
        self._thread.join(3.0)

    @property
    def listening(self) -> bool:
        """Whether somebody may speak."""
        return self._wanted.is_set()

    @property
    def level(self) -> float:
        """How loud it is, 0 to 1."""
        recording = self._recording
        return recording.level if recording is not None else 0.0

    def toggle(self, live: LiveSeance) -> None:
        """Begin to listen, or end it; meanwhile the box is silent, or it would hear itself."""
        if self.listening:
            self.stop()
        else:
            live.hush()
            self._wanted.set()

    def stop(self) -> None:
        """Listen no more: what was said until now is the question."""
        recording = self._recording
        if recording is not None:
            recording.stop()

    def _run(self) -> None:
        try:
            with self._ears.engine() as engine:
                while not self._closed.is_set():
                    if self._wanted.wait(_LOOK):
                        self._hear(engine)
        except LocalaiError as error:
            self._warn(error)

    def _hear(self, engine: EngineClient) -> None:
        try:
            with Capture(Microphone(self._ears.device)) as recording:
                self._recording = recording
                question = dictated(engine, self._ears, recording)
        except LocalaiError as error:
            if not self._closed.is_set():
                self._warn(error)
        else:
            if not self._closed.is_set():
                self._tell(question)
        finally:
            self._recording = None
            self._wanted.clear()
