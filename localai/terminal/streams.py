"""A standard stream by itself, and the line breaks at an answer's end."""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, TextIO


class Stream(NamedTuple):
    """A standard stream: its bytes (None: closed by whoever started us), and its nature."""

    file: BinaryIO | None
    terminal: bool = False

    @classmethod
    def of(cls, text: TextIO | None) -> Stream:
        """Return the stream below one of `sys.stdin`, `sys.stdout` and `sys.stderr`."""
        try:
            return cls(None) if text is None else cls(text.buffer, text.isatty())
        except ValueError:  # closed since
            return cls(None)

    def send(self, data: bytes) -> None:
        """Write all of `data` at once, past every buffer (raises OSError)."""
        if self.file is None:
            raise OSError(errno.EBADF, "it is closed")
        if (number := self.number()) is None:
            self.file.write(data)
            self.file.flush()
            return
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(number, rest) :]
            except BlockingIOError:  # a pipe that another program made non-blocking
                select.select([], [number], [])

    def receive(
        self, limit: int, tell: Callable[[], None] | None = None, patience: float = 0.0
    ) -> bytes:
        """Read to the end, but no more than `limit` bytes (raises OSError).

        `tell` is called once where it takes longer than `patience`, in seconds.
        """
        if self.file is None:
            return b""
        if (number := self.number()) is None:
            return self.file.read(limit)
        found = bytearray()
        due = time.monotonic() + patience
        while len(found) < limit:
            if tell and not select.select([number], [], [], max(0.0, due - time.monotonic()))[0]:
                tell()
                tell = None
            try:
                piece = os.read(number, min(limit - len(found), 2**20))
            except BlockingIOError:
                select.select([number], [], [])
                continue
            if not piece:
                break
            found += piece
        return bytes(found)

    def number(self) -> int | None:
        """Return the file descriptor, or None where there is none (closed, or in memory)."""
        try:
            return None if self.file is None else self.file.fileno()
        except (OSError, ValueError):
            return None


def silenced(stream: Stream) -> Stream:
    """Let all that still goes to a stream's descriptor go nowhere; return a closed stream."""
    if (number := stream.number()) is not None:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, number)
        os.close(nothing)
    return Stream(None)


def refusal(error: OSError) -> tuple[str, str]:
    """Return why a stream took nothing, and what to do next."""
    if error.errno == errno.ENOSPC:
        return "the output cannot be written: the disk is full", "free some space and run it again"
    return f"the output cannot be written: {error.strerror}", "look where stdout goes"


class TrailingNewlines:
    """Holds back the line breaks at a text's end until more text comes."""

    def __init__(self) -> None:
        self.open = False  # a text was begun and not ended
        self._tail = ""

    def push(self, text: str) -> str:
        """Return what of all text so far is surely not its end."""
        self.open = True
        text = self._tail + text
        body = len(text.rstrip(" \t\n"))
        cut = text.find("\n", body)
        cut = len(text) if cut < 0 else cut
        self._tail = text[cut:]
        return text[:cut]

    def end(self) -> bool:
        """Forget what is held; return whether a text was open."""
        was_open, self.open, self._tail = self.open, False, ""
        return was_open
