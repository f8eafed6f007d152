"""A whole text read out: to the loudspeaker, or into a WAV file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import BinaryIO, NamedTuple, cast

from localai.errors import BadInput, LocalaiError
from localai.formats.speakable import SpeakableStream
from localai.media.playback import Player, open_player
from localai.media.wav import WavWriter
from localai.pool.engine_client import EngineClient
from localai.speech.session import Speech, SpokenClip
from localai.terminal.console import Console
from localai.terminal.output_file import check_reader, output_to
from localai.types import ModelSpec

_IN_MEMORY = 1 << 24  # bytes of a WAV file before it goes to a disk
_CHUNK = 1 << 20


class Reading(NamedTuple):
    """Who reads, and how."""

    engine: EngineClient
    spec: ModelSpec
    language: str = ""
    speed: float = 1.0
    seed: int | None = None

    def begin(self) -> Speech:
        """Return the voice, ready to speak."""
        return Speech(self.engine, self.spec, self.language, self.speed, self.seed)


def sentences_of(text: str) -> list[str]:
    """Return what of a text is to be spoken, Markdown and code left out."""
    stream = SpeakableStream()
    return stream.feed(text) + stream.end()


def aloud(console: Console, reading: Reading, sentences: Sequence[str]) -> float:
    """Speak on the loudspeaker; return how many seconds of sound that was.

    Raises
    ------
    Unavailable
        There is no sound device.
    """
    seconds = 0.0
    with ExitStack() as opened:
        speech = opened.enter_context(reading.begin())
        player: Player | None = None
        if not speech.plays_itself:  # before anything is computed for nobody's ears
            opened.enter_context(open_player(22_050)).close()
        for clip in _clips(console, speech, sentences):
            if player is None or player.rate != clip.rate:
                player = opened.enter_context(open_player(clip.rate))
            player.play(clip.samples)
            seconds += clip.seconds
        if player is not None:
            player.drain()
    return seconds


def to_file(
    console: Console, reading: Reading, sentences: Sequence[str], name: str, *, force: bool
) -> float:
    """Write a WAV file, `-` is stdout; return how many seconds of sound it holds.

    Raises
    ------
    BadInput
        It is there already, or would be written to a terminal, or the voice writes no files.
    """
    if name == "-" and console.stdout.terminal:
        raise BadInput("a WAV file is nothing for a terminal", "-o FILE.wav, or a pipe")
    with (
        output_to(console, name, overwrite=force),
        reading.begin() as speech,
        tempfile.SpooledTemporaryFile(_IN_MEMORY, prefix="localai-") as spool,
    ):
        if speech.plays_itself:
            raise BadInput("spd-say writes no files", "-m espeak does")
        seconds = _write(cast(BinaryIO, spool), _clips(console, speech, sentences))
        spool.seek(0)
        while data := spool.read(_CHUNK):
            console.write_bytes(data)
    return seconds


def _write(file: BinaryIO, clips: Iterator[SpokenClip]) -> float:
    writer: WavWriter | None = None
    for clip in clips:
        writer = writer or WavWriter(file, clip.rate)
        writer.add(clip.samples)
    if writer is None:
        raise LocalaiError("the voice has said nothing", "try another voice, or another text")
    writer.close()
    return writer.seconds


def _clips(console: Console, speech: Speech, sentences: Sequence[str]) -> Iterator[SpokenClip]:
    try:
        for number, sentence in enumerate(sentences, 1):
            check_reader(console.stdout)
            if len(sentences) > 1:
                console.status(f"speaking: sentence {number} of {len(sentences)}")
            if (clip := speech.say(sentence)) is not None:
                yield clip
    finally:
        console.clear_status()
