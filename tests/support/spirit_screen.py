"""A seance on a terminal of its own: what its screen shows, and what keys do there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.conftest import PATIENCE, command
from tests.support.terminal_run import PtyProcess


class SpiritTerminal(PtyProcess):
    """A terminal in which `localai spirit` runs."""

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 28, **env: str) -> None:
        super().__init__(command("spirit", *arguments), columns, rows, env=env)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def needle(self) -> int:
        return next((line.index("▲") for line in self.lines if "▲" in line), -1)

    def until(self, true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        """Read until something is so."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, self.text
            self.piece(0.05)
        return found

    def look(self, seconds: float) -> None:
        """Read for some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.piece(left)

    def ended(self) -> int:
        """Read to the end and return the exit code."""
        self.until(lambda: self.process.poll() is not None)
        while self.piece(0.1):
            pass
        return self.process.wait()
