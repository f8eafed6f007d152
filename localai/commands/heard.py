"""A transcription as a console shows it: text as it comes, how far it is, what is to be known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from localai.formats.text import encode, shown
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine
from localai.types import Event, Progress

if TYPE_CHECKING:
    from localai.media.segments import Segment
    from localai.media.subtitles import About, Paragraphs
    from localai.media.transcription import HeardSummary, Language

_GUESS = 0.5  # probability of a language below which it is told that it is a guess


class Hearing(Protocol):
    """A transcription, whoever makes it."""

    summary: HeardSummary | None

    @property
    def about(self) -> About:
        """What is known of the sound."""

    @property
    def segments(self) -> list[Segment]:
        """What was heard so far."""


class HeardView:
    """Shows one sound's transcription on a console.

    Parameters
    ----------
    show : bool
        Whether the text is written to stdout as it comes.
    """

    def __init__(self, console: Console, *, show: bool) -> None:
        self._console, self._show = console, show
        self._guess: Language | None = None
        self._queued = False

    def listen(self, hearing: Hearing, events: Iterator[Event], *, empty: bool = True) -> None:
        """Take what is heard.

        Parameters
        ----------
        events : iterator of Event
            Of the hearing; closed here.
        empty : bool
            Whether it is told that nobody spoke.

        Raises
        ------
        ClosedPipe
            Whoever read stdout has left.
        """
        from localai.media.segments import Segment
        from localai.media.subtitles import Paragraphs
        from localai.media.transcription import Language
        from localai.terminal.output_file import check_reader

        console, paragraphs = self._console, Paragraphs()
        with (
            ProgressLine(console, f"transcribing {hearing.about.file}", "seconds") as line,
            closing(events) as coming,  # type: ignore[type-var]  # it is a generator
        ):
            for event in coming:
                check_reader(console.stdout)
                if isinstance(event, Segment) and self._show:
                    self._write(paragraphs, event)
                elif isinstance(event, Language):
                    self._guess = event if event.probability < _GUESS else None
                elif isinstance(event, Progress):
                    self._progress(line, event, hearing.about.file)
        if self._show and hearing.segments:
            console.end()
        self._tell(hearing, empty)

    def _progress(self, line: ProgressLine, event: Progress, name: str) -> None:
        if event.phase == "queued":
            line.label = f"{name} waits: {_others(event.total)} ahead"
            if not (self._queued or self._console.animated):
                self._console.talk(line.label)
            self._queued = True
        elif event.phase == "working":
            line.label = f"transcribing {name}"
            if event.total:
                line.update(int(event.done), int(event.total))

    def _write(self, paragraphs: Paragraphs, segment: Segment) -> None:
        """Write a segment's text, on a terminal in the colours of how sure the model is."""
        console, text = self._console, paragraphs.add(segment)
        said = "".join(word.text for word in segment.words).strip()
        if not (console.color_out and said and text.endswith(said)):
            console.write(text)
            return
        from localai.terminal.confidence import painted

        first, *others = segment.words
        words = [(first.text.lstrip(), first.probability)]
        words += [(word.text, word.probability) for word in others]
        console.write("")  # an answer is open, which ends with a newline
        console.write_bytes(encode(text[: len(text) - len(said)] + painted(words)))

    def _tell(self, hearing: Hearing, empty: bool) -> None:
        """Say what the user should know of what was heard."""
        name, summary = shown(hearing.about.file), hearing.summary
        if self._guess:
            self._console.warn(guessed(name, self._guess))
        if summary and summary.damaged:
            packets = f"{summary.damaged} part{'s' * (summary.damaged > 1)}"
            what = f"{name} is damaged: {packets} of it could not be decoded and were left out"
            self._console.warn(what)
        if empty and not hearing.segments:
            self._console.talk(f"no speech was found in {name}")


def guessed(name: str, language: Language) -> str:
    """Return what is to be said of a language that is but guessed."""
    sure = f"{language.probability:.0%}"
    return f"the language of {name} is a guess: {language.code} ({sure}); -l CODE tells it"


def stats(summary: HeardSummary) -> str:
    """Return the figures of what was heard, for people."""
    dropped = summary.lines + summary.loops + summary.invented
    return (
        f"{summary.seconds:.1f} s of sound, {summary.speech_seconds:.1f} s of speech; "
        f"{summary.device}, {summary.compute_type}; {dropped} lines dropped as invented or repeated"
    )


def _others(count: float) -> str:
    """Return who goes before a transcription, with its verb."""
    return "another transcription is" if count == 1 else f"{count:.0f} other transcriptions are"
