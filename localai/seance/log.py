"""The log of a seance: JSON lines, what was asked and what came, when and where on the dial."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from localai.errors import BadInput, LocalaiError
from localai.formats.serialization import from_plain, to_plain
from localai.formats.text import decode, json_safe, shown
from localai.seance.band import BANDS
from localai.seance.events import AnswerGiven, QuestionAsked, WordPlaced
from localai.system.files import read_regular
from localai.terminal.output_file import Destination

_LIMIT = 1 << 28  # bytes of a log that is replayed
_NOTE = "All voices are machine-made; no one is there."


class SeanceLog:
    """Writes down a seance, line by line, so that one that is cut off is still there.

    The files are made with the first event: a seance that never begins leaves none, and leaves
    alone what is there.

    Parameters
    ----------
    path : Destination or None
        The JSON lines; None: none are kept.
    labels : Destination or None
        Labels for Audacity: start, end and text of a word a line, separated by tabs.
    about : mapping
        What is the same for all lines: seed, model, voice, band.

    Raises
    ------
    BadInput
        A file is there already and may not be overwritten, or cannot be written.
    """

    def __init__(
        self,
        path: Destination | None,
        labels: Destination | None,
        about: Mapping[str, Any],
        *,
        force: bool,
    ) -> None:
        self._places, self._force = (path, labels), force
        for place in filter(None, self._places):
            place.refuse_taken(overwrite=force)
            _refuse_unwritable(place)
        self._about = dict(about)
        self._begun = _now()
        self._last: dict[str, Any] = {}
        self._labelled: WordPlaced | None = None
        self._files: tuple[TextIO | None, TextIO | None] | None = None
        self._opened = ExitStack()

    def __enter__(self) -> SeanceLog:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            with self._opened:
                self._label(None)
        except OSError as error:  # closing writes what a full disk did not take
            raise _failure(error) from None

    def asked(self, event: QuestionAsked, elapsed: float) -> None:
        """Write down a question."""
        self._last = {"question": event.text}
        self._write({"event": "asked", "elapsed": elapsed, **to_plain(event)})

    def answered(self, event: AnswerGiven, elapsed: float, frequency: float) -> None:
        """Write down what was said: where on the dial and how long after the beginning."""
        line = {"elapsed": elapsed, "frequency": frequency, **self._last, "answer": event.text}
        self._write({"event": "answered", **line, **to_plain(event)})

    def word(self, placed: WordPlaced) -> None:
        """Write down a word's label."""
        self._label(placed)

    def mark(self, elapsed: float, frequency: float) -> None:
        """Write down that somebody has heard something here."""
        self._write({"event": "mark", "elapsed": elapsed, "frequency": frequency})

    def _label(self, placed: WordPlaced | None) -> None:
        before, self._labelled = self._labelled, placed
        if before is None:
            return
        _, labels = self._open()
        end = min(placed.time if placed else math.inf, before.time + 1.0)
        text = " ".join(json_safe(before.text).split())
        self._put(labels, f"{before.time:.3f}\t{end:.3f}\t{text}\n")

    def _write(self, line: dict[str, Any]) -> None:
        log, _ = self._open()
        self._put(log, self._line(_now(), line))

    def _open(self) -> tuple[TextIO | None, TextIO | None]:
        """Return the log and the labels; the first event opens them."""
        if self._files is None:
            path, labels = self._places
            self._files = (
                _created(path, self._force, self._opened),
                _created(labels, self._force, self._opened),
            )
            self._put(self._files[0], self._line(self._begun, {"event": "begin", "note": _NOTE}))
        return self._files

    def _line(self, time: str, line: dict[str, Any]) -> str:
        whole = {"time": time, **line, **self._about}
        return json_safe(json.dumps(whole, ensure_ascii=False)) + "\n"

    def _put(self, file: TextIO | None, text: str) -> None:
        if file is None:
            return
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            raise _failure(error) from None


def _failure(error: OSError) -> LocalaiError:
    return LocalaiError(f"the log cannot be written: {error.strerror}")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def _refuse_unwritable(place: Destination) -> None:
    """Refuse a place where nothing can be written: better told before a seance than in it."""
    path = place.path
    if not os.access(path if place.direct or place.taken else path.parent, os.W_OK):
        raise BadInput(f"{shown(path)} cannot be written", "name another place")


def _created(place: Destination | None, force: bool, opened: ExitStack) -> TextIO | None:
    if place is None:
        return None
    over = force or place.direct
    try:
        return opened.enter_context(place.path.open("w" if over else "x", encoding="utf-8"))
    except FileExistsError:  # since the seance has begun
        what = f"{shown(place.path)} exists already"
        raise BadInput(what, "use --force to overwrite it, or another name") from None
    except OSError as error:
        raise BadInput(f"{shown(place.path)} cannot be written: {error.strerror}") from None


_LogLine = tuple[QuestionAsked | AnswerGiven | None, dict[str, Any]]


class ReplayedLog(NamedTuple):
    """What a log tells: the events in order, and the seed and band of the seance."""

    events: tuple[QuestionAsked | AnswerGiven, ...]
    seed: int
    band: str
    cut: bool  # its last line was not written to its end, and is left out


def read(path: Path) -> ReplayedLog:
    """Return what a log tells, to be shown again.

    Raises
    ------
    BadInput
        It cannot be read, or a line of it is none of a seance's; with its number.
    """
    data = read_regular(path, _LIMIT, "a log", "localai spirit --log")
    whole, _, last = data.rpartition(b"\n")
    lines, cut = _lines(whole, shown(path)), False
    try:
        lines += _lines(last, shown(path), data.count(b"\n") + 1)
    except BadInput:  # a seance that is killed, or fills its disk, leaves half a line
        if not lines:
            raise
        cut = True
    events = tuple(event for event, _ in lines if event is not None)
    if not events:
        raise BadInput(f"{shown(path)} tells of no seance", "give a file that --log has written")
    about = lines[0][1]
    seed, band = about.get("seed"), about.get("band")
    return ReplayedLog(
        events,
        seed if isinstance(seed, int) and 0 <= seed < 2**32 else 0,
        band if isinstance(band, str) and band in BANDS else "fm",
        cut,
    )


def _lines(data: bytes, name: str, first: int = 1) -> list[_LogLine]:
    return [
        _parsed(line, f"{name}:{number}")
        for number, line in enumerate(decode(data, name).splitlines(), first)
        if line.strip()
    ]


def _parsed(line: str, where: str) -> _LogLine:
    try:
        data = json.loads(line)
        kind: Any = {"asked": QuestionAsked, "answered": AnswerGiven}.get(data["event"])
        if kind is None:  # where it begins, a mark
            return None, data
        fields = {name: data[name] for name in kind._fields if name in data}
        return from_plain(kind, fields), data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadInput):
        raise BadInput(f"{where}: this is no line of a seance's log") from None
