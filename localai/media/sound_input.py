"""Where sound comes from: a file, a pipe, a descriptor. What decoders may read of it.

A decoder gets an `Input`: `read` always, `seek` and `tell` only where the source can seek.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from localai.errors import BadInput

_HEAD = 64 * 1024  # bytes that tell whether an MP4 can be read as it comes
_CHUNK = 1 << 20


class Input:
    """Reads for a decoder, and remembers what went wrong, which the decoder would swallow.

    It has no `name`: FFmpeg takes some names for patterns of other files' names.

    Attributes
    ----------
    failure : OSError or None
        Why a read failed.
    empty : bool
        Whether nothing has been read, because there was nothing.
    size : int or None
        Bytes of a regular file, None of anything else.
    """

    def __init__(self, file: Any, size: int | None, head: bytes = b"") -> None:
        self._file, self._head = file, head
        self._read = getattr(file, "read1", file.read)  # what is there, without waiting for all
        self.failure: OSError | None = None
        self.size = size
        self._got = len(head)

    @property
    def empty(self) -> bool:
        """Whether nothing came."""
        return self._got == 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, and none at the end."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        try:
            data = self._read(size) or b""
        except OSError as error:
            self.failure = error
            raise
        self._got += len(data)
        return data[:size]


class SeekableInput(Input):
    """An `Input` whose decoder may jump."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte, and return where it is."""
        place: int = self._file.seek(offset, whence)
        return place

    def tell(self) -> int:
        """Return which byte comes next."""
        place: int = self._file.tell()
        return place


@contextmanager
def opened(source: str | Path | int | BinaryIO, name: str) -> Iterator[Input]:
    """Give an `Input` of the source; only what was opened here is closed again.

    Raises
    ------
    BadInput
        It is not there, may not be read, is a folder, or spooling it failed.
    """
    with ExitStack() as stack:
        try:
            file = _file(source, stack)
            ready = _input(file, stack)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise BadInput(f"{name} cannot be read: {why}", "check the file's name") from None
        yield ready


def _file(source: str | Path | int | BinaryIO, stack: ExitStack) -> Any:
    if isinstance(source, int):
        return stack.enter_context(open(source, "rb", closefd=False))
    if isinstance(source, (str, Path)):
        return stack.enter_context(open(source, "rb"))
    return source


def _input(file: Any, stack: ExitStack) -> Input:
    if _seekable(file):
        return SeekableInput(file, _size(file))
    head = _head(file)
    if not _needs_seeking(head):
        return Input(file, None, head)
    spool = stack.enter_context(tempfile.TemporaryFile(prefix="localai-"))  # noqa: SIM115
    spool.write(head)
    while data := file.read(_CHUNK):
        spool.write(data)
    spool.seek(0)
    return SeekableInput(spool, _size(spool))


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable()) and not _is_terminal(file)
    except (AttributeError, OSError):
        return False


def _is_terminal(file: Any) -> bool:
    return bool(getattr(file, "isatty", lambda: False)())


def _size(file: Any) -> int | None:
    try:
        status = os.fstat(file.fileno())
    except (OSError, AttributeError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _head(file: Any) -> bytes:
    """Return the first bytes, as few reads as the kind of file needs."""
    read = getattr(file, "read1", file.read)
    head = b""
    while len(head) < 12 or (head[4:8] in _BOXES and len(head) < _HEAD):
        data = read(_HEAD - len(head))
        if not data:
            break
        head += data
    return head


# Boxes with which an MP4, M4A or QuickTime file begins.
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


def _needs_seeking(head: bytes) -> bool:
    """Whether these begin an MP4 whose index (`moov`) does not come before its sound (`mdat`)."""
    if head[4:8] not in _BOXES:
        return False
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind == b"moov":
            return False
        if size == 1 and at + 16 <= len(head):  # a length of 64 bits follows
            size = int.from_bytes(head[at + 8 : at + 16], "big")
        if kind == b"mdat" or size < 8:
            return True
        at += size
    return True
