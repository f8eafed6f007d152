"""The box: a receiver that never stops seeking, and the voice that comes through it.

One call makes one step of the sweep: its samples, and the words that begin in it. Knows no clock
and no device; whoever plays the steps gives the pace.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from localai.seance.band import Band, Direction, Sweep
from localai.seance.events import WordPlaced
from localai.seance.radio import Samples, murmur, noise, resampled, through_radio

RATE = 22_050  # Hz
_LOOP = 7.0  # seconds of noise that are made and repeated
_EDGE = 0.005  # seconds in which a step's noise rises and falls
_STATIC, _STATIONS, _VOICE = 0.09, 0.05, 0.75  # loudness of each
_DUCKED = 0.3  # of the noise while somebody speaks
_STATION_SHARE = 0.25  # of the steps on which a far station is heard
_GAP = 1.0  # seconds between two things that are said
_WORD_SECONDS = 0.38  # of a word that nobody speaks aloud


class BoxSettings(NamedTuple):
    """How a box is set."""

    band: Band
    step: int = 100  # milliseconds
    direction: Direction = "forward"
    seed: int = 0
    sounding: bool = True  # False: no noise is made, for whoever wants the words alone


class BoxStep(NamedTuple):
    """One step of the sweep.

    Attributes
    ----------
    samples : ndarray of float32 (n,)
        Noise and voice together, at `RATE`, from -1 to 1.
    voice : ndarray of float32 (n,)
        The voice alone, before the radio.
    level : float
        How loud it is, 0 to 1.
    """

    time: float  # seconds since the box was switched on
    frequency: float
    samples: Samples
    voice: Samples
    level: float
    words: tuple[WordPlaced, ...]


class _Utterance:
    """Something said: its sound on the way, and where in it each word begins."""

    def __init__(self, wet: Samples, dry: Samples, words: list[tuple[int, str]]) -> None:
        self.wet, self.dry, self.words = wet, dry, deque(words)
        self.at = 0
        self.length = len(wet)


class SpiritBox:
    """A sweeping receiver. Safe to be set from one thread while another one makes steps."""

    def __init__(self, settings: BoxSettings) -> None:
        self._lock = threading.RLock()
        self.step_ms = settings.step
        self.held = False  # the sweep stands still; the noise goes on
        self.time = 0.0
        self._chance = random.Random(f"{settings.seed}/box")
        self._seed, self._sounding = settings.seed, settings.sounding
        self._said: deque[_Utterance] = deque()
        self._rest = 0.0  # seconds to wait before something else may be said
        self._place = 0  # in the loops
        self._wobble = 1.0
        self.band, self.sweep = (
            settings.band,
            Sweep(settings.band, settings.direction, self._chance),
        )
        self.tune(settings.band)

    def tune(self, band: Band) -> None:
        """Change the band; the sweep begins anew in it."""
        with self._lock:
            self.band, self.sweep = band, Sweep(band, self.sweep.direction, self._chance)
            if self._sounding:
                self._noise = noise(_LOOP, RATE, *band.sound, seed=self._seed)
                self._far = murmur(_LOOP, RATE, *band.sound, seed=self._seed + 1)

    @property
    def busy(self) -> bool:
        """Whether something is being said, or was so shortly before."""
        with self._lock:
            return bool(self._said) or self._rest > 0

    def say(self, text: str, clip: Samples | None = None, rate: int = RATE) -> float:
        """Let a text come through; return how many seconds that will take.

        Parameters
        ----------
        clip : ndarray of float32 (n,) or None
            Its sound, from -1 to 1; None: the words come in silence.
        """
        words = text.split()
        if clip is None or not len(clip):
            wet = dry = np.zeros(int(RATE * _WORD_SECONDS * max(1, len(words))), np.float32)
        else:
            dry = resampled(clip, rate, RATE)
            wet = through_radio(dry, RATE, *self.band.sound, seed=self._chance.getrandbits(31))
            dry = np.concatenate([dry, np.zeros(len(wet) - len(dry), np.float32)])
        with self._lock:
            self._said.append(_Utterance(wet, dry, _spread(words, len(wet))))
        return len(wet) / RATE

    def clear(self) -> None:
        """Be silent at once: nothing of what was to be said is said."""
        with self._lock:
            self._said.clear()
            self._rest = 0.0

    def step(self) -> BoxStep:
        """Make the next step of the sweep."""
        with self._lock:
            frequency = self.sweep.frequency if self.held else self.sweep.move()
            count = max(1, RATE * self.step_ms // 1000)
            wet, dry, words = self._voice(count, frequency)
            speaking = bool(self._said)
            samples = _VOICE * wet
            if self._sounding:
                samples = samples + self._static(count, _DUCKED if speaking else 1.0)
            begun, self.time = self.time, self.time + count / RATE
            level = min(1.0, 3.0 * float(np.sqrt(np.mean(samples**2))))
            clipped = np.clip(samples, -1.0, 1.0).astype(np.float32)
            return BoxStep(begun, frequency, clipped, dry, level, words)

    def _voice(
        self, count: int, frequency: float
    ) -> tuple[Samples, Samples, tuple[WordPlaced, ...]]:
        """Return the next samples of what is said, with and without the radio, and its words."""
        wet, dry = np.zeros(count, np.float32), np.zeros(count, np.float32)
        self._rest = max(0.0, self._rest - count / RATE)
        if not self._said:
            return wet, dry, ()
        current = self._said[0]
        piece = slice(current.at, current.at + count)
        sounding = current.wet[piece]
        wet[: len(sounding)], dry[: len(sounding)] = sounding, current.dry[piece]
        words = []
        while current.words and current.words[0][0] < current.at + count:
            start, word = current.words.popleft()
            words.append(
                WordPlaced(word, round(self.time + (start - current.at) / RATE, 3), frequency)
            )
        current.at += count
        if current.at >= current.length:
            self._said.popleft()
            self._rest = _GAP
        return wet, dry, tuple(words)

    def _static(self, count: int, loudness: float) -> Samples:
        """Return the noise of one step: a breath of static, a click, sometimes a far station."""
        places = np.arange(self._place, self._place + count) % len(self._noise)
        self._place = (self._place + count) % len(self._noise)
        self._wobble = min(1.25, max(0.75, self._wobble + self._chance.uniform(-0.08, 0.08)))
        shape = _gate(count)
        found = _STATIC * self._wobble * (0.45 + 0.55 * shape) * self._noise[places]
        if self._chance.random() < _STATION_SHARE:
            found = found + _STATIONS * shape * self._far[places]
        return (loudness * found).astype(np.float32)


def _gate(count: int) -> Samples:
    """Return the shape of a step: it rises and falls within some milliseconds."""
    edge = min(count // 2, int(_EDGE * RATE))
    shape = np.ones(count, np.float32)
    rise = 0.5 * (1 - np.cos(np.pi * np.arange(edge) / max(1, edge)))
    shape[:edge], shape[count - edge :] = rise, rise[::-1]
    return shape


def _spread(words: list[str], length: int) -> list[tuple[int, str]]:
    """Return where in a sound each word begins, by how many letters stand before it."""
    total = sum(len(word) + 1 for word in words) or 1
    found, before = [], 0
    for word in words:
        found.append((length * before // total, word))
        before += len(word) + 1
    return found
