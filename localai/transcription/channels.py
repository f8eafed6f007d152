"""A sound whose speakers have a channel each: each channel is heard alone, then they are joined."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.segments import Segment, interleaved
from localai.media.subtitles import About
from localai.media.transcription import HeardSummary
from localai.pool.engine_client import EngineClient
from localai.transcription.session import TranscribeOptions, Transcription
from localai.types import Event, ModelSpec


@contextmanager
def read_again(source: Path | int, name: str) -> Iterator[Path]:
    """Give a path that can be read more than once: the file's own, or that of a copy of a pipe.

    Raises
    ------
    BadInput
        It cannot be read, or there is no room for the copy.
    """
    if isinstance(source, Path) and not (source.exists() and not source.is_file()):
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="localai-") as copy:
        try:
            with open(source, "rb", closefd=isinstance(source, Path)) as file:
                shutil.copyfileobj(file, copy)
                copy.flush()
        except OSError as error:
            raise BadInput(f"{shown(name)} cannot be copied: {error.strerror}") from None
        yield Path(copy.name)


class ChannelsTranscription:
    """The channels of a sound, each with a journal of its own.

    Parameters
    ----------
    channel : callable
        Opens the transcription of a channel, from 0.

    Attributes
    ----------
    about : About
        What is known of the sound, for the files that say so.
    summary : HeardSummary or None
        Figures of all channels together, once they have been heard in this run.
    """

    def __init__(self, channel: Callable[[int], Transcription]) -> None:
        self._channel = channel
        self._opened = ExitStack()
        self._heard: list[Transcription] = []
        self.summary: HeardSummary | None = None

    def __enter__(self) -> ChannelsTranscription:
        self._open(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def about(self) -> About:
        """What is known of the sound."""
        return self._heard[0].about

    @property
    def channels(self) -> int:
        """How many channels the sound has; 1 until one has been heard."""
        return self._heard[0].channels

    @property
    def segments(self) -> list[Segment]:
        """What was heard so far, in the order of its times; who speaks is a channel's number."""
        if len(self._heard) == 1:
            return self._heard[0].segments
        named = (
            [segment._replace(speaker=f"Speaker {number}") for segment in each.segments]
            for number, each in enumerate(self._heard, 1)
        )
        return list(interleaved(*named))

    def events(self, engine: EngineClient) -> Iterator[Event]:
        """Yield the events of one channel after another; their segments do not say who speaks."""
        yield from self._heard[0].events(engine)
        for number in range(1, self._heard[0].channels):
            yield from self._open(number).events(engine)
        found = [each.summary for each in self._heard if each.summary]
        if found:
            self.summary = found[0]._replace(
                speech_seconds=sum(each.speech_seconds for each in found),
                lines=sum(each.lines for each in found),
                loops=sum(each.loops for each in found),
                invented=sum(each.invented for each in found),
            )

    def _open(self, number: int) -> Transcription:
        transcription = self._opened.enter_context(self._channel(number))
        self._heard.append(transcription)
        return transcription


@contextmanager
def open_transcription(
    spec: ModelSpec, name: str, asked: TranscribeOptions, *, split: bool = False
) -> Iterator[Transcription | ChannelsTranscription]:
    """Give the transcription of a file, `-` is stdin; `split`: of each channel alone.

    Raises
    ------
    BadInput
        It cannot be read, or is being transcribed.
    """
    source, told = (0, "stdin") if name == "-" else (Path(name), name)
    if not split:
        with Transcription(source, asked, spec, told) as heard:
            yield heard
        return
    with read_again(source, told) as path:
        once = path != source  # a copy, which nobody finds again

        def channel(number: int) -> Transcription:
            return Transcription(path, asked._replace(channel=number), spec, told, once=once)

        with ChannelsTranscription(channel) as parts:
            yield parts
