"""Where a batch's rows come from: a file, a folder, or a pipe that may be slow."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from localai.batch.rows import (
    BatchRow,
    Format,
    count_rows,
    folder_files,
    folder_rows,
    format_of,
    read_rows,
    split_lines,
)
from localai.errors import BadInput
from localai.formats.text import shown

_HEAD = 1 << 12  # bytes that tell the format of a pipe
_AHEAD = 4096  # rows that are read from a pipe before they are wanted


class RowSource:
    """The rows of an input, in order.

    Parameters
    ----------
    rows : iterator of BatchRow
        As `read_rows` gives them.
    format : Format
        What they were read from.
    total : int or None
        How many there are; None: that is not known yet.
    limit : int or None
        At most so many are taken.
    """

    def __init__(
        self, rows: Iterator[BatchRow], format: Format, total: int | None, limit: int | None
    ) -> None:
        self.format = format
        self.total = total if limit is None or total is None else min(total, limit)
        self._rows = rows if limit is None else islice(rows, limit)
        self._peeked: list[BatchRow] = []

    def peek(self) -> BatchRow | None:
        """Return the first row without taking it, waiting for it; None: there is none."""
        self._peeked = self._peeked or self._take(1, wait=True)
        return self._peeked[0] if self._peeked else None

    def take(self, most: int, *, wait: bool) -> list[BatchRow]:
        """Return the next rows, at most so many; none: there are no more, or not yet.

        Parameters
        ----------
        wait : bool
            Whether to wait for one at least. A file's rows are there.
        """
        peeked, self._peeked = self._peeked, []
        more = self._take(most - len(peeked), wait=wait and not peeked)
        return [*peeked, *more]

    def _take(self, most: int, *, wait: bool) -> list[BatchRow]:
        return list(islice(self._rows, most))

    @property
    def ended(self) -> bool:
        """Whether there are surely no more; a file's end is seen by taking nothing."""
        return True


class PipeSource(RowSource):
    """The rows of a pipe, read ahead in a thread: who answers them need not wait for the next."""

    def __init__(self, rows: Iterator[BatchRow], format: Format, limit: int | None) -> None:
        super().__init__(rows, format, None, limit)
        self._queue: queue.Queue[BatchRow | Exception | None] = queue.Queue(_AHEAD)
        self._ended = False
        threading.Thread(target=self._read, name="rows", daemon=True).start()

    def _read(self) -> None:
        try:
            for row in self._rows:
                self._queue.put(row)
        except Exception as error:  # raised where the row is taken
            self._queue.put(error)
        self._queue.put(None)

    def _take(self, most: int, *, wait: bool) -> list[BatchRow]:
        """Return the rows that have come, at most so many; wait for the first if asked to."""
        found: list[BatchRow] = []
        while len(found) < most and not self._ended:
            try:
                each = self._queue.get(block=wait and not found)
            except queue.Empty:
                break
            if isinstance(each, Exception):
                raise each
            if each is None:
                self._ended = True
            else:
                found.append(each)
        return found

    @property
    def ended(self) -> bool:
        """Whether the pipe has ended and all was taken."""
        return self._ended


def open_source(
    name: str,
    stdin: BinaryIO | None,
    format: Format | None,
    limit: int | None,
    output: Collection[Path] = (),
) -> RowSource:
    """Return the rows of an input.

    Parameters
    ----------
    name : str
        A file, a folder, or `-` for `stdin`.
    format : Format or None
        None: by the name, else by the first bytes.
    output : collection of Path
        Files that are no rows, should they lie in the folder.

    Raises
    ------
    BadInput
        There is no such file, or it cannot be read.
    """
    if name == "-":
        if stdin is None:
            raise BadInput("stdin is closed", "localai batch FILE")
        return _piped(stdin, "stdin", format, limit)
    path = Path(name)
    if path.is_dir():
        files = folder_files(path, output)
        return RowSource(folder_rows(files), "folder", len(files), limit)
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no file name"
        raise BadInput(f"{shown(name)} cannot be read: {why}", "check its name") from None
    if not path.is_file():  # a named pipe, `<(command)`
        return _piped(file, name, format, limit)
    chosen = format or format_of(name, file.peek(_HEAD)[:_HEAD])
    rows = read_rows(split_lines(file), chosen, shown(name))
    return RowSource(rows, chosen, count_rows(path, chosen), limit)


def _piped(file: BinaryIO, name: str, format: Format | None, limit: int | None) -> RowSource:
    """Return a pipe's rows; of a name that tells nothing, the first bytes tell the format."""
    buffered = os.fdopen(os.dup(file.fileno()), "rb")
    chosen = format or format_of(name, buffered.peek(1)[:_HEAD])
    return PipeSource(read_rows(split_lines(buffered), chosen, shown(name)), chosen, limit)
