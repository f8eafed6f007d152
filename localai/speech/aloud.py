"""An answer spoken while it streams: sentence by sentence, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import TracebackType

from localai.errors import LocalaiError
from localai.formats.speakable import SpeakableStream
from localai.media.playback import Player, open_player
from localai.speech.session import Speech
from localai.types import Event, Text

_END = None

Voices = Callable[[], AbstractContextManager[Speech]]
"""Gives a voice, and takes it back."""


class SpokenAnswer:
    """Speaks the text of events that pass by.

    Where it cannot speak, it says so once and the text goes on: a voice is never why an answer
    does not come.

    Parameters
    ----------
    speech : callable
        Gives the voice, in the thread that speaks.
    warn : callable
        Told, in one line, why nothing is heard.
    """

    def __init__(self, speech: Voices, warn: Callable[[str], None]) -> None:
        self._speech, self._warn = speech, warn
        self._sentences: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="speech", daemon=True)
        self._thread.start()

    def __enter__(self) -> SpokenAnswer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let it speak to its end; after an error, or Ctrl-C meanwhile, be silent at once."""
        if error is not None:
            self._stopped.set()
        self._sentences.put(_END)
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)
        except KeyboardInterrupt:
            self._stopped.set()
            raise

    def listen(self, events: Iterator[Event]) -> Iterator[Event]:
        """Yield the events as they come; what they say is spoken behind them."""
        stream = SpeakableStream()
        for event in events:
            if isinstance(event, Text):
                self._put(stream.feed(event.text))
            yield event
        self._put(stream.end())

    def _put(self, found: list[str]) -> None:
        for each in found:
            self._sentences.put(each)

    def _run(self) -> None:
        try:
            with ExitStack() as opened:
                self._speak(opened)
        except LocalaiError as error:
            self._warn(f"nothing is spoken: {error.what}")

    def _speak(self, opened: ExitStack) -> None:
        speech = opened.enter_context(self._speech())
        player: Player | None = None
        while not self._stopped.is_set() and (sentence := self._sentences.get()) is not _END:
            clip = speech.say(sentence)
            if clip is None:
                continue
            if player is None or player.rate != clip.rate:
                player = opened.enter_context(open_player(clip.rate))
            block = clip.rate // 5  # so that Ctrl-C is obeyed within a word
            for at in range(0, len(clip.samples), block):
                if self._stopped.is_set():
                    return
                player.play(clip.samples[at : at + block])
        if player is not None and not self._stopped.is_set():
            player.drain()


@contextmanager
def spoken(
    speech: Voices, warn: Callable[[str], None], events: Iterator[Event]
) -> Iterator[Iterator[Event]]:
    """Give events that are spoken while they pass; wait at the end until all has been said."""
    with SpokenAnswer(speech, warn) as answer:
        yield answer.listen(events)
