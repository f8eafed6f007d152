"""Sessions: the chats that were kept, listed, searched and removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localai.chat.session_file import NAME, SUFFIX, folder, lock, path_of, read_events
from localai.chat.transcript import Transcript
from localai.errors import BadInput
from localai.formats.serialization import to_plain
from localai.formats.text import nearest, one_line, shown


@dataclass(frozen=True)
class SessionSummary:
    """A session in a listing."""

    name: str
    when: float  # seconds since 1970, of its last change
    questions: int
    character: str
    begins: str  # its first question


@dataclass(frozen=True)
class SearchHit:
    """A turn that holds what was searched for."""

    session: str
    role: str
    text: str  # what stands around it, on one line


def names() -> list[str]:
    """Return the names of all sessions, the one that changed last first."""
    return [path.name.removesuffix(SUFFIX) for path in _files()]


def existing(name: str) -> Path:
    """Return the file of a session that is there; BadInput with a did-you-mean if it is not."""
    path = path_of(name)
    if not path.is_file():
        near = nearest(name, names())
        raise BadInput(
            f"there is no session {shown(name)!r}", near or "`localai sessions` lists them"
        )
    return path


def read(name: str) -> Transcript:
    """Return what a session holds."""
    return Transcript.of(read_events(existing(name)))


def listing() -> list[SessionSummary]:
    """Return all sessions, the one that changed last first."""
    rows = []
    for path in _files():
        with suppress(BadInput, OSError):  # one that has just gone, or cannot be read
            transcript = Transcript.of(read_events(path))
            questions = transcript.questions
            rows.append(
                SessionSummary(
                    path.name.removesuffix(SUFFIX),
                    path.stat().st_mtime,
                    len(questions),
                    str(transcript.values.get("character", "")),
                    one_line(questions[0].text) if questions else "",
                )
            )
    return rows


def search(text: str) -> Iterator[SearchHit]:
    """Yield the turns of all sessions that hold a text, whatever its case."""
    wanted = text.casefold()
    for path in _files():
        with suppress(BadInput, OSError):
            transcript = Transcript.of(read_events(path))
            for turn in transcript.turns:
                at = turn.text.casefold().find(wanted)
                if at >= 0:
                    name = path.name.removesuffix(SUFFIX)
                    yield SearchHit(name, turn.role, _around(turn.text, at, len(text)))


def remove(name: str) -> None:
    """Remove a session; BadInput if there is none, or it is open in a chat."""
    path = existing(name)
    number = os.open(path, os.O_RDWR)
    try:
        lock(number, name)
        path.unlink()
    finally:
        os.close(number)


def to_json(row: SessionSummary | SearchHit) -> dict[str, Any]:
    """Return a row as `--json` shows it."""
    return to_plain(row)


def _files() -> list[Path]:
    found = []
    with suppress(OSError):
        for entry in os.scandir(folder()):
            stem = entry.name.removesuffix(SUFFIX)
            if entry.name.endswith(SUFFIX) and NAME.fullmatch(stem) and entry.is_file():
                found.append((entry.stat().st_mtime_ns, Path(entry.path)))
    return [path for _, path in sorted(found, reverse=True)]


def _around(text: str, at: int, length: int) -> str:
    begin, end = max(0, at - 30), at + length + 50
    cut = ("..." if begin else "") + text[begin:end] + ("..." if end < len(text) else "")
    return one_line(cut)
