"""A sound to its segments: asked of an engine piece by piece, kept in a journal as they come.

Knows no console: a command, a server or a batch takes the events.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from localai import settings
from localai.errors import BadInput, InUse
from localai.formats.serialization import to_plain
from localai.formats.text import shown
from localai.media.clips import RATE, Clip
from localai.media.hallucinations import REMEMBERED
from localai.media.identity import identity, key_of
from localai.media.journal import Journal, prune
from localai.media.segments import Segment, joined
from localai.media.subtitles import About
from localai.media.transcription import (
    SURE,
    HeardSummary,
    Language,
    PieceHeard,
    SoundSource,
    TranscriptionRequest,
)
from localai.pool.engine_client import EngineClient
from localai.system.files import file_version
from localai.types import Event, ModelSpec


class TranscribeOptions(NamedTuple):
    """What a person asked for beside the sound; what is None or empty was not said."""

    language: str | None = None
    languages: tuple[str, ...] = ()
    detect: bool = False  # the language alone
    translate: bool = False
    batch: bool = False
    prompt: str = ""
    hotwords: str = ""
    clips: tuple[Clip, ...] = ()
    channel: int | None = None
    raw_rate: int | None = None
    temperature: float | None = None
    beam_size: int = 5
    resume: bool = False  # go on where an earlier run of the same was cut off
    interactive: bool = False

    def request(self, source: SoundSource, **more: Any) -> TranscriptionRequest:
        """Return the request for a sound; `more` are fields of it that go before these."""
        same = {name: value for name, value in self._asdict().items() if name != "resume"}
        return TranscriptionRequest(source, **{"word_times": not self.batch, **same, **more})


class Transcription:
    """One sound, heard or being heard.

    Parameters
    ----------
    source : Path or int
        A file, or an open descriptor of what can be read only once.
    spec : ModelSpec
        Of the engine: another model's journal is another one.
    once : bool
        The file is gone afterwards: nobody could go on with its journal.

    Attributes
    ----------
    about : About
        What is known of the sound, for the files that say so.
    summary : HeardSummary or None
        Its figures, once it has been heard to its end in this run.
    """

    def __init__(
        self,
        source: Path | int,
        options: TranscribeOptions,
        spec: ModelSpec,
        name: str = "",
        *,
        once: bool = False,
    ) -> None:
        self._source, self._options = source, options
        self.name = name or str(source)
        self.about = About(file=os.path.basename(self.name), model=spec.name)
        self.summary: HeardSummary | None = None
        asked = to_plain(options._replace(resume=False, interactive=False))
        resumable = not once and not options.detect
        told = identity(source) if isinstance(source, Path) and resumable else None
        versions = [repr(file_version(file)) for file in spec.files]
        self._folder = folder = settings.load().folders.state / "transcripts"
        ways = {"options": asked, "model": versions}
        self._once = told is None
        self._lasting = not self._once
        try:
            self._journal = Journal.open(
                folder, key_of(told, ways), resume=options.resume and self._lasting
            )
        except InUse:
            if options.resume:
                raise
            # Both hear it for themselves; the other's journal is the one to go on with.
            self._journal = Journal.open(folder, key_of(None, ways), resume=False)
            self._lasting = False

    def __enter__(self) -> Transcription:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lasting:
            self._journal.close()
        else:  # nobody could go on with it
            self._journal.remove()

    @property
    def segments(self) -> list[Segment]:
        """What was heard so far, in order."""
        return self._journal.segments

    @property
    def channels(self) -> int:
        """How many channels the sound has; 1 until it has been heard."""
        return int(self._journal.notes.get("channels", 1))

    def events(self, engine: EngineClient) -> Iterator[Event]:
        """Yield segments as they are heard (those of an earlier run first), progress and language.

        Raises
        ------
        LocalaiError
            The sound cannot be read, or the engine failed; what was heard is in the journal.
        """
        journal = self._journal
        if journal.finished:
            self._tell_about()
            yield from journal.segments
            return
        begin = journal.rewind()
        yield from tuple(journal.segments)
        with ExitStack() as opened:
            yield from self._heard(engine, begin, self._files(opened))
        journal.finish()
        prune(self._folder)
        self._tell_about()

    def _files(self, opened: ExitStack) -> tuple[int, ...]:
        """Return the descriptor of what is no plain file: a path like /dev/fd/63 is ours alone."""
        if not isinstance(self._source, Path):
            return (self._source,)
        if not self._once:
            return ()
        try:
            file = opened.enter_context(self._source.open("rb", buffering=0))
        except OSError as error:
            what = f"{shown(self.name)} cannot be read: {error.strerror}"
            raise BadInput(what, "check the file's name") from None
        return (file.fileno(),)

    def _heard(self, engine: EngineClient, begin: int, files: tuple[int, ...]) -> Iterator[Event]:
        """Yield what the engine hears, and write it down."""
        journal = self._journal
        for event in engine.ask(self._request(begin, bool(files)), files):
            match event:
                case Segment():
                    if (kept := journal.add(event)) is not None:
                        yield kept
                    continue
                case PieceHeard(end):
                    journal.piece(end)
                case Language(code, probability):
                    journal.note(language=code, probability=probability)
                case HeardSummary():
                    self.summary = event
                    journal.note(channels=event.channels)
            yield event

    def _request(self, begin: int, opened: bool) -> TranscriptionRequest:
        options, journal = self._options, self._journal
        if opened:
            source = SoundSource(file=0, name=self.name)
        else:
            source = SoundSource(os.path.abspath(str(self._source)), name=self.name)
        language = options.language
        if begin and journal.notes.get("probability", 0.0) >= SURE:
            language = str(journal.notes["language"])  # as an uncut run would keep it
        before = [each._replace(words=()) for each in journal.segments[-REMEMBERED:]]
        return options.request(
            source, language=language, begin=begin, before=tuple(before) if begin else ()
        )

    def _tell_about(self) -> None:
        notes = self._journal.notes
        self.about = self.about._replace(
            language=str(notes.get("language", "")), duration=self._journal.heard / RATE
        )


def spoken_text(segments: Iterable[Segment], name: str = "") -> str:
    """Return what was said in a sound, which `name` is called.

    Raises
    ------
    BadInput
        Nothing was.
    """
    text = joined(segment.text for segment in segments).strip()
    if not text:
        where = f" in {shown(name)}" if name else ""
        raise BadInput(f"nothing was said{where}", "speak up, or longer")
    return text
