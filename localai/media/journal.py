"""What was heard of a sound so far, on disk: JSON lines that outlive the command that wrote them.

    journal = Journal.open(folder, key_of(identity(path), options), resume=True)
    if not journal.finished:
        begin = journal.rewind()                  # sample where to go on
        ...                                       # per segment: journal.add(segment)
        ...                                       # per piece:   journal.piece(piece.end)
        journal.finish()
    text = render("srt", journal.segments)
    journal.close()

Each line is one `write`, so that it survives the end of the process, whatever the end. A line that
was cut off is cut away, and what comes after damage is not believed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from localai.errors import InUse, LocalaiError
from localai.formats.serialization import from_plain, to_plain
from localai.formats.text import shown
from localai.media.segments import Segment, tidy

VERSION = 1
SUFFIX = ".jsonl"
_LARGEST = 1 << 28  # bytes of a journal; a day of speech has 20 MB
_KEPT = 30 * 86400  # seconds after which an untouched journal is pruned


class Journal:
    """A journal that is ours to write; made by `Journal.open`.

    Attributes
    ----------
    segments : list of Segment
        What was heard, `tidy`, in order; that of an earlier run included.
    notes : dict
        What `note` was told; of each name the last value.
    heard : int
        Samples (16 kHz) up to which pieces are whole.
    finished : bool
        Whether all of the sound was heard.
    """

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self.segments: list[Segment] = []
        self.notes: dict[str, Any] = {}
        self.heard = 0
        self.finished = False
        self._whole = (0, 0)  # bytes and segments up to the last whole piece

    @classmethod
    def open(cls, folder: Path, key: str, *, resume: bool) -> Self:
        """Open a journal, and keep it to ourselves.

        Parameters
        ----------
        folder : Path
            Where journals lie; made where it is missing, for the user's eyes alone.
        key : str
            As `identity.key_of` gives it.
        resume : bool
            Whether to keep what an earlier run wrote; else the journal begins anew.

        Raises
        ------
        InUse
            Another command writes it right now.
        LocalaiError
            It cannot be written.
        """
        path = folder / f"{key}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritten(path, error) from None
        try:
            _lock(number)
            journal = cls(path, number)
            journal._begin(resume)
        except BaseException:
            os.close(number)
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def position(self) -> float:
        """Seconds up to which something is known: the end of the last whole segment or piece."""
        last = max((segment.end for segment in self.segments), default=0.0)
        return max(last, self.heard / 16_000)

    def add(self, segment: Segment) -> Segment | None:
        """Write a segment down; return it as it is kept, None where it has no text."""
        clean = tidy(segment)
        if clean is not None:
            self._write({"kind": "segment", "segment": to_plain(clean)})
            self.segments.append(clean)
        return clean

    def note(self, **values: Any) -> None:
        """Write down plain data about the sound: its language, its duration."""
        self._write({"kind": "note", "values": values})
        self.notes |= values

    def piece(self, end: int) -> None:
        """Write down that all up to this sample (16 kHz) was heard and is written."""
        self._write({"kind": "piece", "end": end})
        self.heard = end
        self._whole = (self._size(), len(self.segments))

    def finish(self) -> None:
        """Write down that the sound has ended."""
        self._write({"kind": "end"})
        self.finished = True

    def rewind(self) -> int:
        """Forget the segments after the last whole piece; return the sample where to go on.

        A run that goes on there with `pieces(..., first=LONGEST)` (or from 0, as usual) hears what
        an uncut run hears. One that goes on at `position` instead saves the rest of a piece, but
        may hear its first words otherwise.
        """
        size, count = self._whole
        if not self.finished:
            self._cut(size)
            del self.segments[count:]
        return self.heard

    def remove(self) -> None:
        """Delete and close it."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let others have it; it stays on disk."""
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    def _begin(self, resume: bool) -> None:
        good = self._read() if resume else 0
        self._cut(good)
        if good == 0:
            self.segments, self.notes, self.heard, self.finished = [], {}, 0, False
            self._write({"kind": "begin", "version": VERSION})
            self._whole = (self._size(), 0)

    def _read(self) -> int:
        """Take in the lines that are good; return how many bytes of them there are."""
        if self._size() > _LARGEST:
            return 0
        good = 0
        for line in _lines(self._number):
            try:
                self._take(json.loads(line), good == 0)
            except (ValueError, TypeError, KeyError, RecursionError, LocalaiError):
                break
            good += len(line)
            if self._whole == (-1, -1):
                self._whole = (good, len(self.segments))
        return good

    def _take(self, event: Any, first: bool) -> None:
        kind = event["kind"]
        if first != (kind == "begin") or self.finished:
            raise ValueError("out of order")
        if kind == "begin":
            if event["version"] != VERSION:
                raise ValueError("another version")
            self._whole = (-1, -1)
        elif kind == "segment":
            segment = from_plain(Segment, event["segment"])
            if tidy(segment) != segment:
                raise ValueError("not as it was written")
            self.segments.append(segment)
        elif kind == "note":
            self.notes |= dict(event["values"])
        elif kind == "piece":
            if type(event["end"]) is not int or event["end"] < self.heard:
                raise ValueError("backwards")
            self.heard, self._whole = event["end"], (-1, -1)
        elif kind == "end":
            self.finished = True
        else:
            raise ValueError("unknown")

    def _write(self, event: dict[str, Any]) -> None:
        data = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            os.lseek(self._number, 0, os.SEEK_END)
            while data:
                data = data[os.write(self._number, data) :]
        except OSError as error:
            raise _unwritten(self._path, error) from None

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._number, size)
        except OSError as error:
            raise _unwritten(self._path, error) from None

    def _size(self) -> int:
        return os.fstat(self._number).st_size


def prune(folder: Path, older: float = _KEPT) -> int:
    """Delete journals that nobody has touched for some seconds, nor has open; return how many."""
    deleted = 0
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            if time.time() - path.stat().st_mtime < older:
                continue
            number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            _lock(number)
            path.unlink(missing_ok=True)
            deleted += 1
        except InUse:
            pass
        finally:
            os.close(number)
    return deleted


def _lock(number: int) -> None:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InUse(
            "another command transcribes the same file in the same way right now",
            "wait for it, or stop it first",
        ) from None


def _lines(number: int) -> Iterator[bytes]:
    """Yield the whole lines of an open file."""
    with open(os.dup(number), "rb") as file:
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield line


def _unwritten(path: Path, error: OSError) -> LocalaiError:
    return LocalaiError(
        f"the journal {shown(path)} cannot be written: {error.strerror or error}",
        "make room, or check the folder's permissions",
    )
