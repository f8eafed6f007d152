"""The rows of a batch that are finished, on disk: JSON lines beside the output.

    journal = BatchJournal.open(Path("out.jsonl.journal"))
    if journal.find(number, key) is None:
        ...
        journal.add([(number, key, record)])
    for record in journal.in_order(count): ...

A line is one `write`, so it survives the end of the process, whatever the end; once a second all
is brought to the disk itself, so that of a power cut no more is lost than that. A line that was
cut off is cut away. In memory a row takes 16 bytes.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

from localai.errors import BadInput, InUse, LocalaiError
from localai.formats.text import shown

SUFFIX = ".journal"
_VERSION = 2
_SYNC_SECONDS = 1.0
_NONE = -1

Record = dict[str, Any]


class BatchJournal:
    """A journal that is ours to write; made by `BatchJournal.open`.

    Attributes
    ----------
    writing : bool
        Whether the output was being written when the journal was last used: a file of that name
        is ours.
    written : bool
        Whether the output was written whole since: what is here is of a run that has ended.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.path, self._number = path, number
        self._reader = os.fdopen(os.dup(number), "rb")
        self._keys = array("Q")
        self._offsets = array("q")
        self._failed: set[int] = set()  # offsets of records of failed rows
        self._moved: dict[int, list[int]] | None = None  # key to offsets, where rows have moved
        self._end = 0
        self._synced = time.monotonic()
        self.writing = self.written = False

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a journal and keep it to ourselves; it is made where there is none.

        Raises
        ------
        InUse
            Another command writes it right now.
        BadInput
            It is no journal.
        LocalaiError
            It cannot be written.
        """
        try:
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritten(path, error) from None
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            raise InUse(
                f"another localai batch is at work on it ({shown(path)} is in use)",
                "wait for it, or give another -o",
            ) from None
        journal = cls(path, number)
        try:
            journal._load()
        except BaseException:
            journal.close()
            raise
        return journal

    @property
    def count(self) -> int:
        """The number of the last row that is in it, from 1; 0: there is none."""
        return len(self._offsets)

    @property
    def begun(self) -> bool:
        """Whether there is a row in it."""
        return self.count > 0

    def find(self, row: int, key: int) -> int | None:
        """Return where the answer to a row is; None: there is none, or the row has changed.

        Rows that have moved, since others were put in before them, are found by their key; of
        rows that are equal each has an answer of its own.
        """
        if row < len(self._keys) and self._keys[row] == key and self._offsets[row] >= 0:
            return int(self._offsets[row])
        if self._moved is None:
            if row >= len(self._keys) or self._offsets[row] < 0:
                return None
            self._moved = {}
            for each, offset in zip(self._keys, self._offsets, strict=True):
                if offset >= 0:
                    self._moved.setdefault(each, []).append(offset)
        offsets = self._moved.get(key)
        return offsets.pop(0) if offsets else None

    def has_failed(self, offset: int) -> bool:
        """Whether the row whose record lies there has failed."""
        return offset in self._failed

    def read(self, offset: int) -> Record:
        """Return the record that lies there."""
        self._reader.seek(offset)
        record: Record = json.loads(self._reader.readline())
        return {name: value for name, value in record.items() if name not in ("n", "key")}

    def add(self, rows: Iterable[tuple[int, int, Record]]) -> None:
        """Write rows down: number, key, record."""
        data = bytearray()
        for row, key, record in rows:
            self._note(row, key, self._end + len(data), bool(record.get("error")))
            line = json.dumps({"n": row, "key": f"{key:016x}", **record}, ensure_ascii=False)
            data += line.encode("utf-8", "backslashreplace") + b"\n"
        self._write(bytes(data))

    def update(self, row: int, key: int, offset: int, own: Record) -> None:
        """Let the record there be this row's, with what the row itself is now."""
        record = self.read(offset)
        there = row < len(self._offsets) and self._offsets[row] == offset
        if not (there and own.items() <= record.items()):
            self.add([(row, key, {**record, **own})])

    def will_write(self) -> None:
        """Write down that the output is being written."""
        if not self.writing:
            self.writing = True
            self._write(b'{"writing":true}\n', sync=True)

    def has_written(self) -> None:
        """Write down that the output is there: from now on it is the user's."""
        self.writing, self.written = False, True
        self._write(b'{"writing":false}\n', sync=True)

    def in_order(self, count: int) -> Iterator[Record]:
        """Yield the records of the first `count` rows, in order."""
        for row in range(count):
            yield self.read(self._offsets[row])

    def remove(self) -> None:
        """Delete and close it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let others have it; it stays on disk."""
        if self._number >= 0:
            self._reader.close()
            os.close(self._number)
            self._number = -1

    def _load(self) -> None:
        size = os.fstat(self._number).st_size
        if not size:
            self._write(json.dumps({"localai_batch": _VERSION}).encode() + b"\n")
            return
        self._reader.seek(0)
        for at, line in enumerate(self._reader):
            record = _record(line)
            if at == 0 and (record is None or record.get("localai_batch") != _VERSION):
                raise BadInput(
                    f"{shown(self.path)} is no journal of this version",
                    "move it away, or remove it",
                )
            if record is None:  # cut off, or damaged: what comes after it is not believed
                break
            if "n" in record:
                key = int(record["key"], 16)
                self._note(int(record["n"]), key, self._end, bool(record.get("error")))
            self.writing = record.get("writing", False)
            self.written = not self.writing and (self.written or "writing" in record)
            self._end += len(line)
        os.ftruncate(self._number, self._end)

    def _note(self, row: int, key: int, offset: int, failed: bool) -> None:
        while len(self._offsets) <= row:
            self._keys.append(0)
            self._offsets.append(_NONE)
        self._keys[row], self._offsets[row] = key, offset
        if failed:
            self._failed.add(offset)

    def _write(self, data: bytes, *, sync: bool = False) -> None:
        try:
            written = os.pwrite(self._number, data, self._end)
            if written < len(data):
                os.pwrite(self._number, data[written:], self._end + written)
            if sync or time.monotonic() - self._synced > _SYNC_SECONDS:
                self._synced = time.monotonic()
                os.fsync(self._number)
        except OSError as error:
            raise _unwritten(self.path, error) from None
        self._end += len(data)


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _unwritten(path: Path, error: OSError) -> LocalaiError:
    return LocalaiError(
        f"the journal {shown(path)} cannot be written: {error.strerror}",
        "make room, or give another -o; the same command goes on where it stopped",
    )
