"""What takes long, told on stderr: steps or bytes, their rate and the time left.

Drawn only on a terminal and only after half a second; erased when done. A thread draws it, so
that something moves while the caller waits for a model to load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from localai.formats.units import amount, span

_PATIENCE = 0.5  # seconds before anything is shown
_TICK = 0.2  # seconds between two drawings


class Screen(Protocol):
    """Where a progress is drawn: the console."""

    @property
    def animated(self) -> bool:
        """Whether a line can be drawn and erased again."""

    def status(self, text: str) -> None:
        """Draw the transient line."""

    def clear_status(self) -> None:
        """Erase the transient line."""


class ProgressLine:
    """One task, as a context manager; silent where nothing can be drawn.

    Parameters
    ----------
    screen : Screen
        The console.
    label : str
        What is done: "loading tiny", "reading the prompt".
    unit : str
        What is counted: "bytes", "tokens", "steps"; empty where nothing is.
    clock : Callable[[], float]
        Seconds; given by tests.
    """

    def __init__(
        self,
        screen: Screen,
        label: str,
        unit: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self._screen = screen
        self._unit = unit
        self._clock = clock
        self._begin = clock()
        self._first: tuple[float, float] | None = None  # when counting began, and at what
        self._done = 0.0
        self._total = 0.0
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> ProgressLine:
        if self._screen.animated:
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Erase the line; at once, and once is enough."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._screen.clear_status()

    def update(self, done: float, total: float = 0) -> None:
        """Say how much is done, and of how much if that is known."""
        if self._first is None:
            # What was there before we came (a resumed transfer, a reused prefix) is no rate.
            self._first = (self._clock(), done)
        self._done, self._total = done, total

    def line(self) -> str:
        """Return the line as it is drawn now."""
        if self._first is None:
            return f"{self.label}  {span(self._clock() - self._begin)}"
        parts = [self.label, self._amount()]
        begin, start = self._first
        seconds = self._clock() - begin
        if seconds > 0 and self._done > start:
            rate = (self._done - start) / seconds
            parts.append(f"{self._count(rate)}/s")
            if self._total > self._done:
                parts.append(f"{span((self._total - self._done) / rate)} left")
        return "  ".join(parts)

    def _amount(self) -> str:
        if not self._total:
            return f"{self._count(self._done)}{self._word()}"
        return f"{self._count(self._done)}/{self._count(self._total)}{self._word()}"

    def _count(self, number: float) -> str:
        if self._unit == "bytes":
            return amount(number)
        return f"{number:.1f}" if 0 < number < 10 and number % 1 else f"{number:.0f}"

    def _word(self) -> str:
        return f" {self._unit}" if self._unit not in ("", "bytes") else ""

    def _draw(self) -> None:
        pause = _PATIENCE
        while not self._over.wait(pause):
            self._screen.status(self.line())
            pause = _TICK
