"""What a hearing engine is asked, and what it answers besides segments."""

from __future__ import annotations

from typing import NamedTuple

from localai.media.clips import Clip
from localai.media.segments import Segment

SURE = 0.5  # probability of a language from which on it is kept for the rest of a sound


class SoundSource(NamedTuple):
    """Where a sound is: a plain file by its path, anything else by a descriptor.

    `file` is the place of the descriptor among those that travel with the request.
    """

    path: str = ""
    file: int | None = None
    name: str = ""  # for messages


class TranscriptionRequest(NamedTuple):
    """A sound to be written down."""

    source: SoundSource
    language: str | None = None  # a code; None: found out
    languages: tuple[str, ...] = ()  # the best of these; empty: of all
    translate: bool = False  # into English
    word_times: bool = True
    batch: bool = False  # quicker, without times that could be kept to
    prompt: str = ""  # text before the sound: spelling and style follow it
    hotwords: str = ""
    clips: tuple[Clip, ...] = ()  # only these parts
    begin: int = 0  # sample (16 kHz) at which to go on
    channel: int | None = None  # from 0; None: all of them, mixed
    raw_rate: int | None = None  # Hz of bare 16-bit samples; None: a sound file
    beam_size: int = 5
    temperature: float | None = None  # None: 0, and higher where that fails, as Whisper does
    seed: int | None = None
    interactive: bool = False  # goes before files
    before: tuple[
        Segment, ...
    ] = ()  # the last ones of an earlier run: what they say again is known
    detect: bool = False  # tell the language alone
    listen: float | None = (
        None  # what comes is being spoken: seconds of silence that end it, 0: none
    )


class Language(NamedTuple):
    """Which language is spoken, found out or told."""

    code: str
    probability: float  # 0 to 1; 1 where it was told


class SpeechEnded(NamedTuple):
    """Whoever speaks into a microphone has ended: nothing more of it is wanted."""

    seconds: float  # that were captured


class PieceHeard(NamedTuple):
    """All up to this sample (16 kHz) has been heard, and its segments have been sent."""

    end: int


class HeardSummary(NamedTuple):
    """What a transcription was, in figures; comes before its last event."""

    seconds: float  # of sound
    speech_seconds: float  # of it, as the voice activity detection tells
    device: str
    compute_type: str
    lines: int = 0  # dropped: said again what had been said
    loops: int = 0  # cut: a phrase went round within a line
    invented: int = 0  # dropped: known from training films
    channels: int = 1  # of the sound, whatever was heard of them
    damaged: int = 0  # packets that could not be decoded and were left out
