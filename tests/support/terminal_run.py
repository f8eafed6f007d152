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
from collections.abc import Callable, Sequence
from typing import Any, Self

import pyte

from tests.conftest import PATIENCE, ROOT, command


class PtyProcess:
    """A program whose controlling terminal is one of its own.

    Parameters
    ----------
    arguments : sequence of str
        The program and what it is told.
    env : mapping of str
        Variables beside this process's own.
    more : of `subprocess.Popen`
        For instance another stdout.

    Attributes
    ----------
    data : bytes
        All that came.
    screen : pyte.Screen
        What stands on it now.
    state : list
        The terminal's settings before the program changed them.
    """

    def __init__(
        self, arguments: Sequence[str], columns: int = 80, rows: int = 30, **more: Any
    ) -> None:
        self.master, self.slave = pty.openpty()
        self.set_size(columns, rows)
        self.state = termios.tcgetattr(self.slave)
        added = {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more.pop("env", {})}
        self.process = subprocess.Popen(
            arguments,
            **{"stdin": self.slave, "stdout": self.slave, "stderr": self.slave, **more},
            env={**os.environ, **added},
            start_new_session=True,
            preexec_fn=self._own,
        )
        self.data = b""
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)

    def _own(self) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_size(self, columns: int, rows: int) -> None:
        """Tell the terminal how large its window is."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def piece(self, seconds: float) -> bool:
        """Take what comes within some time; return whether anything did."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # its other end is closed
            return False
        self.data += data
        self._stream.feed(data)
        return True

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without the empty ones at its end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip().split("\n")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def kill(self) -> None:
        """End the program at once."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the program and the terminal."""
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        for number in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(number)


class TerminalRun(PtyProcess):
    """`localai` with these arguments on a terminal."""

    def __init__(self, *arguments: str, columns: int = 80, **more: Any) -> None:
        super().__init__(command(*arguments), columns, **more)

    def read(self, enough: Callable[[], Any] | None = None) -> Self:
        """Read until the command has ended, or until it is enough."""
        end = time.monotonic() + PATIENCE
        while not (enough and enough()):
            assert time.monotonic() < end, self.data[-500:]
            if not self.piece(0.02) and self.process.poll() is not None:
                break
        return self

    def until(self, text: str) -> Self:
        """Read until a text has come."""
        self.read(lambda: text.encode() in self.data)
        assert text.encode() in self.data, self.data
        return self
