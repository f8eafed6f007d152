"""Clips of one utterance each, synthesised: what was said, the sound, when each word is said."""

from __future__ import annotations

import pickle
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .hear_voice import Espeak
from .hear_words import sentence, voice

RATE = 16000
LONGEST = 5.5  # seconds


@dataclass(frozen=True)
class Clip:
    """One utterance: 16-bit sound at 16 kHz, and seconds where words start and end."""

    language: str
    text: str
    voice: str
    sound: np.ndarray
    starts: list[float]
    ends: list[float]

    def samples(self) -> np.ndarray:
        """The sound from -1 to 1."""
        return self.sound.astype(np.float32) / 32768


def resampled(sound: np.ndarray, ratio: float) -> np.ndarray:
    """The sound with `ratio` times as many samples, by its spectrum."""
    wanted = round(len(sound) * ratio)
    spectrum = np.fft.rfft(sound)
    bins = np.zeros(wanted // 2 + 1, complex)
    kept = min(len(bins), len(spectrum))
    bins[:kept] = spectrum[:kept]
    return np.fft.irfft(bins, wanted) * ratio


def clip(espeak: Espeak, r: random.Random, *, held_out: bool) -> Clip | None:
    """One clip by chance; none where espeak leaves out a word or says nothing."""
    language = r.choice(["en", "de"])
    text, speaker = sentence(r, language), voice(r, language, held_out=held_out)
    speed, pitch = r.randint(115, 205), r.randint(25, 75)
    # Slower or faster as a tape is, which moves the formants too: more voices than espeak has.
    tape = 1.0 if held_out or r.random() < 0.4 else r.uniform(0.92, 1.1)
    try:
        spoken = espeak.say(text, speaker, speed=speed, pitch=pitch)
    except ValueError:
        return None
    if len(spoken.starts) != len(text.split()) or len(spoken.sound) < 2000:
        return None
    loud = np.abs(spoken.sound)
    if loud.max() < 0.01 or len(spoken.sound) / spoken.rate * tape > LONGEST:
        return None
    end = np.nonzero(loud > 0.01 * loud.max())[0][-1] / spoken.rate * tape
    sound = resampled(spoken.sound, tape * RATE / spoken.rate)
    starts = [start * tape for start in spoken.starts]
    whole = np.clip(sound * 32767, -32768, 32767).astype(np.int16)
    return Clip(language, text, speaker, whole, starts, [*starts[1:], float(end)])


def clips(count: int, seed: int, *, held_out: bool) -> list[Clip]:
    """So many clips. Of one seed the words are always the same, and the sound nearly so."""
    espeak, r, made = Espeak(), random.Random(seed), []
    while len(made) < count:
        one = clip(espeak, r, held_out=held_out)
        if one is not None:
            made.append(one)
    return made


def stored(path: Path, count: int, seed: int, *, held_out: bool) -> list[Clip]:
    """The clips of a file, which is made where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(clips(count, seed, held_out=held_out)))
        partial.rename(path)
    return pickle.loads(path.read_bytes())
