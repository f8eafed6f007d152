"""A command in a terminal of its own, with a screen that understands what it is told."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from typing import Any, Self

import pyte

from tests.conftest import PATIENCE, ROOT, command


class TerminalRun:
    """`localai` with these arguments on a terminal; a context manager."""

    def __init__(self, *arguments: str, columns: int = 80, **more: Any) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        self._slave = slave
        added = {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more.pop("env", {})}
        self.process = subprocess.Popen(
            command(*arguments),
            **{"stdin": slave, "stdout": slave, "stderr": slave, **more},
            env={**os.environ, **added},
            start_new_session=True,
            preexec_fn=self._own,
        )
        self.data = b""
        self.screen = pyte.Screen(columns, 30)
        self._stream = pyte.ByteStream(self.screen)

    def _own(self) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        for number in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(number)

    def read(self, enough: Callable[[], Any] | None = None) -> Self:
        """Read until the command has ended, or until it is enough."""
        end = time.monotonic() + PATIENCE
        while not (enough and enough()):
            assert time.monotonic() < end, self.data[-500:]
            if select.select([self.master], [], [], 0.02)[0]:
                piece = os.read(self.master, 65536)
                self.data += piece
                self._stream.feed(piece)
            elif self.process.poll() is not None:
                break
        return self

    def until(self, text: str) -> Self:
        """Read until a text has come."""
        self.read(lambda: text.encode() in self.data)
        assert text.encode() in self.data, self.data
        return self

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without the empty ones at its end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip().split("\n")
