"""How far a batch is, on stderr: a line that is drawn again and again, and an estimate, once."""

from __future__ import annotations

import time
from collections.abc import Callable

from localai.formats.units import span
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine

_ENOUGH = 20  # rows, to estimate the rest by
_WORTH_TELLING = 5.0  # seconds that are left


class RowsProgress:
    """The progress of a batch, as a context manager.

    Parameters
    ----------
    console : Console
        Where it is shown.
    clock : callable
        Seconds; given by tests.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._line = ProgressLine(console, "answering", "rows", clock)
        self._begin = clock()
        self._estimated = False

    def __enter__(self) -> RowsProgress:
        self._line.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.finish()

    def update(self, done: int, total: int, failed: int, answered: int) -> None:
        """Say how many rows are done, of how many (0: not known), and answered in this run."""
        self._line.label = f"answering, {failed} failed" if failed else "answering"
        self._line.update(done, total)
        if not self._estimated and answered >= _ENOUGH:
            self._estimated = True
            if total > done:
                seconds = self._clock() - self._begin
                left = (total - done) * seconds / answered
                if left >= _WORTH_TELLING:
                    whole = f"{span(left)} more, {span(left + seconds)} in all"
                    self._console.talk(f"{done} of {total} rows; at this rate {whole}")
