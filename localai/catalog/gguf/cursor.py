"""Opening a model file safely and reading little-endian numbers and strings from it.

Ordinary reads, no memory map: a file that shrinks under a map kills the process.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from localai.errors import BadModel
from localai.formats.text import shown

BLOCK: Final = 1 << 18  # bytes read at once
AGAIN: Final = "download the file again, or name another model with -m"

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


def bad(path: Path, reason: str, next_step: str = AGAIN) -> BadModel:
    """Return the error for a file: one sentence that names it, and what to do."""
    return BadModel(f"{shown(path)}: {reason}", next_step)


def _refuse_odd(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise bad(path, "is a folder, not a model file", "name the .gguf file inside it")
    if not stat.S_ISREG(mode):
        raise bad(path, "is not a regular file", "name a .gguf file on disk")


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file; yield it with its size in bytes.

    Raises
    ------
    BadModel
        Missing, unreadable, empty, a folder, or a device or pipe: these are opened without
        waiting, so that a pipe without a writer cannot hang us.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise bad(path, "there is no such file", "check the path, or use -m tiny") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise bad(path, f"cannot be read ({reason})", "check the path and its rights") from None
    try:
        status = os.fstat(handle)
        _refuse_odd(path, status.st_mode)
        if status.st_size == 0:
            raise bad(path, "the file is empty")
        with os.fdopen(handle, "rb", buffering=0, closefd=False) as file:
            yield file, status.st_size
    finally:
        os.close(handle)


class Cursor:
    """A place in a file that moves forward, in blocks of 256 KB.

    Every method raises `BadModel` instead of reading beyond the end.
    """

    def __init__(self, file: BinaryIO, path: Path, size: int, start: int = 0) -> None:
        self.path = path
        self.size = size
        self._file = file
        self._block = b""
        self._start = start  # where the block lies in the file
        self._at = 0  # where we are in the block

    @property
    def position(self) -> int:
        """Bytes from the start of the file."""
        return self._start + self._at

    @property
    def left(self) -> int:
        """Bytes until the end of the file."""
        return self.size - self.position

    def _need(self, count: int) -> None:
        if self._at + count <= len(self._block):
            return
        self._start, self._at = self.position, 0
        wanted = min(max(count, BLOCK), max(self.size - self._start, 0))
        try:
            self._file.seek(self._start)
            self._block = self._file.read(wanted)
        except (OSError, OverflowError) as error:
            raise bad(self.path, f"cannot be read ({error})", "check the disk") from None
        if len(self._block) < count:
            raise bad(self.path, "the file ends in the middle of its header")

    def u32(self) -> int:
        """Return the next unsigned 32-bit number."""
        self._need(4)
        self._at += 4
        value: int = _U32.unpack_from(self._block, self._at - 4)[0]
        return value

    def u64(self) -> int:
        """Return the next unsigned 64-bit number."""
        self._need(8)
        self._at += 8
        value: int = _U64.unpack_from(self._block, self._at - 8)[0]
        return value

    def peek(self, count: int) -> bytes:
        """Return the next `count` bytes and stay where we are."""
        self._need(count)
        return self._block[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes; the caller has bounded `count`."""
        self._need(count)
        self._at += count
        return self._block[self._at - count : self._at]

    def skip(self, count: int) -> None:
        """Move `count` bytes forward, without reading them."""
        if count > self.left:
            raise bad(self.path, "the file ends in the middle of its header")
        self._at += count
        if self._at > len(self._block):
            self._start, self._at, self._block = self.position, 0, b""

    def skip_strings(self, count: int) -> None:
        """Move over `count` strings, each a 64-bit length and its bytes.

        A vocabulary and its merges are 400,000 strings: the inner loop stays within a block
        and lets the failing read at its end stop it, about 0.1 µs a string.
        """
        unpack = _U64.unpack_from
        while count:
            self._need(8)
            block, at = self._block, self._at
            try:
                while count:
                    at += 8 + unpack(block, at)[0]
                    count -= 1
            except (struct.error, IndexError, OverflowError):
                pass  # the next length lies beyond this block
            self._at = at
            if self.left < 0:
                raise bad(self.path, "a string runs beyond the end of the file")

    def strings(self, count: int) -> Iterator[list[bytes]]:
        """Yield the next `count` strings, as many at once as lie in a block."""
        unpack = _U64.unpack_from
        while count:
            self._need(8)
            length = unpack(self._block, self._at)[0]
            if length > self.left - 8:
                raise bad(self.path, "a string runs beyond the end of the file")
            self._need(8 + length)
            batch: list[bytes] = []
            block, at, last = self._block, self._at, len(self._block) - 8
            while at <= last and len(batch) < count:
                end = at + 8 + unpack(block, at)[0]
                if end > last + 8:
                    break
                batch.append(block[at + 8 : end])
                at = end
            self._at = at
            count -= len(batch)
            yield batch
