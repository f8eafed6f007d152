"""Speech as it is spoken: bare samples from a pipe, until the speaker has ended.

The voice activity detector is Silero's (MIT), the file that faster-whisper ships; its own wrapper
forgets all between two calls, so the network's state is carried here.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localai.media.clips import RATE

_CHUNK, _BEFORE = 512, 64  # samples that the network takes, and of those before them
_STARTS, _GOES_ON = 0.5, 0.35  # probability of speech: to begin, and not to be silence
_ONSET = 3  # chunks in a row that are speech: 0.1 s
_GIVE_UP = 8.0  # seconds without a word
_LONGEST = (60.0, 600.0)  # seconds: where silence ends it, and where nothing does
_LOOK = 0.1  # seconds between two looks whether anybody still wants it


class VoiceActivity:
    """How likely it is that somebody speaks, chunk by chunk."""

    def __init__(self) -> None:
        from faster_whisper.vad import get_vad_model

        self._session = get_vad_model().session
        self._state = [np.zeros((1, 1, 128), np.float32) for _ in range(2)]
        self._before = np.zeros(_BEFORE, np.float32)

    def __call__(self, chunk: NDArray[np.float32]) -> float:
        """Return the probability of speech in the next 512 samples at 16 kHz, from 0 to 1."""
        h, c = self._state
        given = {"input": np.concatenate([self._before, chunk])[None], "h": h, "c": c}
        found, *self._state = self._session.run(None, given)
        self._before = chunk[-_BEFORE:]
        return float(np.ravel(found)[0])


class Listener:
    """Reads a pipe of bare 16-bit samples at 16 kHz to the end of what is said.

    Parameters
    ----------
    descriptor : int
        Of the pipe; stays the caller's.
    silence : float
        Seconds of silence after speech that end it; 0: only the pipe's end does.
    """

    def __init__(self, descriptor: int, silence: float) -> None:
        self._descriptor, self._silence = descriptor, silence
        self._probability: Callable[[NDArray[np.float32]], float] = VoiceActivity()
        self._data, self._looked = bytearray(), 0  # bytes; of which the detector has seen so many
        self._onset = self._quiet = 0  # chunks
        self._spoken = False
        self._seconds = 0.0

    @property
    def data(self) -> bytes:
        """What was read: samples as they came, at least a moment of them."""
        return bytes(self._data).ljust(2 * _CHUNK, b"\0")

    def seconds(self, cancelled: Callable[[], bool]) -> Iterator[float]:
        """Yield how many seconds have been read, until the speaker has ended."""
        while not cancelled() and not self._over():
            if not select.select([self._descriptor], [], [], _LOOK)[0]:
                continue
            data = os.read(self._descriptor, 4 * _CHUNK)
            if not data:
                return
            self._data += data
            self._look()
            yield self._seconds

    def _over(self) -> bool:
        if self._seconds >= _LONGEST[self._silence <= 0]:
            return True
        if self._silence <= 0:
            return False
        if not self._spoken:
            return self._seconds >= _GIVE_UP
        return self._quiet * _CHUNK / RATE >= self._silence

    def _look(self) -> None:
        whole = len(self._data) // (2 * _CHUNK) * 2 * _CHUNK
        fresh, self._looked = bytes(self._data[self._looked : whole]), whole
        samples: Any = np.frombuffer(fresh, "<i2").astype(np.float32) / np.float32(32768)
        for chunk in samples.reshape(-1, _CHUNK):
            self._seconds += _CHUNK / RATE
            probability = self._probability(chunk)
            self._onset = self._onset + 1 if probability >= _STARTS else 0
            self._spoken = self._spoken or self._onset >= _ONSET
            self._quiet = self._quiet + 1 if probability < _GOES_ON else 0
