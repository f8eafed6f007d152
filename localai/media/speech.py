"""What a speaking engine is asked; it answers with `FileReady`: a WAV file of the text."""

from __future__ import annotations

from typing import NamedTuple


class SpeakRequest(NamedTuple):
    """A text to be spoken, a sentence or some."""

    text: str
    folder: str  # in which the WAV file is written, under a temporary name
    language: str = ""  # a code; voices that know one language speak that
    variant: str = ""  # of the voice: a timbre of espeak-ng, a speaker of Piper, a name of `say`
    speed: float = 1.0  # 2: twice as fast
    pitch: float = 1.0  # 1: as the voice is; of voices that can
    seed: int | None = None
    aloud: bool = False  # no file: the voice plays it itself (`spd-say` knows no other way)
    interactive: bool = True


SPEEDS = (0.3, 3.0)
"""The slowest and the quickest speech that may be asked for."""
