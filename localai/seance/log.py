"""The log of a seance: JSON lines, what was asked and what came, when and where on the dial."""

from __future__ import annotations

import json
import math
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

_LIMIT = 1 << 28  # bytes of a log that is replayed
_NOTE = "All voices are machine-made; no one is there."


class SeanceLog:
    """Writes down a seance, line by line, so that one that is cut off is still there.

    Parameters
    ----------
    path : Path or None
        The JSON lines; None: none are kept.
    labels : Path or None
        Labels for Audacity: start, end and text of a word a line, separated by tabs.
    about : mapping
        What is the same for all lines: seed, model, voice, band.

    Raises
    ------
    BadInput
        A file is there already and may not be overwritten, or cannot be written.
    """

    def __init__(
        self, path: Path | None, labels: Path | None, about: Mapping[str, Any], *, force: bool
    ) -> None:
        self._about = dict(about)
        self._last: dict[str, Any] = {}
        self._labelled: WordPlaced | None = None
        with ExitStack() as opened:
            self._file = _created(path, force, opened)
            self._labels = _created(labels, force, opened)
            self._opened = opened.pop_all()
        self._write({"event": "begin", "note": _NOTE})

    def __enter__(self) -> SeanceLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._label(None)
        self._opened.close()

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
        if before is None or self._labels is None:
            return
        end = min(placed.time if placed else math.inf, before.time + 1.0)
        text = " ".join(json_safe(before.text).split())
        self._put(self._labels, f"{before.time:.3f}\t{end:.3f}\t{text}\n")

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            whole = {"time": now, **line, **self._about}
            self._put(self._file, json_safe(json.dumps(whole, ensure_ascii=False)) + "\n")

    def _put(self, file: TextIO, text: str) -> None:
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            raise LocalaiError(f"the log cannot be written: {error.strerror}") from None


def _created(path: Path | None, force: bool, opened: ExitStack) -> TextIO | None:
    if path is None:
        return None
    try:
        return opened.enter_context(path.open("w" if force else "x", encoding="utf-8"))
    except FileExistsError:
        what = f"{shown(path)} exists already"
        raise BadInput(what, "use --force to overwrite it, or another name") from None
    except OSError as error:
        raise BadInput(f"{shown(path)} cannot be written: {error.strerror}") from None


class ReplayedLog(NamedTuple):
    """What a log tells: the events in order, and the seed and band of the seance."""

    events: tuple[QuestionAsked | AnswerGiven, ...]
    seed: int
    band: str


def read(path: Path) -> ReplayedLog:
    """Return what a log tells, to be shown again.

    Raises
    ------
    BadInput
        It cannot be read, or a line of it is none of a seance's; with its number.
    """
    text = decode(read_regular(path, _LIMIT, "a log", "localai spirit --log"), shown(path))
    lines = [
        (_parsed(line, f"{shown(path)}:{number}"))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip()
    ]
    events = tuple(event for event, _ in lines if event is not None)
    if not events:
        raise BadInput(f"{shown(path)} tells of no seance", "give a file that --log has written")
    about = lines[0][1]
    seed, band = about.get("seed"), about.get("band")
    return ReplayedLog(
        events,
        seed if isinstance(seed, int) and 0 <= seed < 2**32 else 0,
        band if isinstance(band, str) and band in BANDS else "fm",
    )


def _parsed(line: str, where: str) -> tuple[QuestionAsked | AnswerGiven | None, dict[str, Any]]:
    try:
        data = json.loads(line)
        kind: Any = {"asked": QuestionAsked, "answered": AnswerGiven}.get(data["event"])
        if kind is None:  # where it begins, a mark
            return None, data
        fields = {name: data[name] for name in kind._fields if name in data}
        return from_plain(kind, fields), data
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadInput):
        raise BadInput(f"{where}: this is no line of a seance's log") from None
