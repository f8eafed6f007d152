"""A seance on a terminal of its own: what its screen shows, and what keys do there."""

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
from typing import Any

import pyte

from tests.conftest import PATIENCE, ROOT, command


class SpiritTerminal:
    """A terminal in which `localai spirit` runs."""

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 28, **env: str) -> None:
        self.master, self.slave = pty.openpty()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self.modes = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command("spirit", *arguments),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **env},
            start_new_session=True,
            preexec_fn=self._own,
        )
        self.data = b""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)

    def _own(self) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def needle(self) -> int:
        return next((line.index("▲") for line in self.lines if "▲" in line), -1)

    def read(self, seconds: float) -> bool:
        """Take what comes within some time; return whether anything did."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # its other end is closed
            return False
        self.data += piece
        self._stream.feed(piece)
        return True

    def until(self, true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Read until something is so."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, self.text
            self.read(0.05)
        return found

    def look(self, seconds: float) -> None:
        """Read for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def ended(self) -> int:
        """Read to the end and return the exit code."""
        self.until(lambda: self.process.poll() is not None)
        while self.read(0.1):
            pass
        return self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for number in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(number)
