"""What is said of a batch on its way."""

from __future__ import annotations

import io

from localai.terminal.console import Console
from localai.terminal.rows_progress import RowsProgress
from localai.terminal.streams import Stream


def test_after_twenty_rows_the_whole_is_estimated_once() -> None:
    stderr, now = io.BytesIO(), [0.0]
    console = Console(Stream(None), Stream(None), Stream(stderr))
    progress = RowsProgress(console, clock=lambda: now[0])
    for done in range(1, 60):
        now[0] += 2.0
        progress.update(done, 1000, 0, done)
        told = stderr.getvalue().decode()
        assert bool(told) == (done >= 20)
    assert told == "20 of 1000 rows; at this rate 33 min more, 33 min in all\n"


def test_a_resumed_run_is_estimated_by_its_own_rows() -> None:
    stderr, now = io.BytesIO(), [0.0]
    console = Console(Stream(None), Stream(None), Stream(stderr))
    progress = RowsProgress(console, clock=lambda: now[0])
    progress.update(500, 1000, 0, 0)
    now[0] = 20.0
    progress.update(520, 1000, 0, 20)
    assert stderr.getvalue() == b"520 of 1000 rows; at this rate 8 min more, 8 min in all\n"
