"""What this process owes to whoever started it: its standard streams and its signals."""

from __future__ import annotations

import os
import signal
import threading


def fill_closed_streams() -> None:
    """Open what of stdin, stdout and stderr is closed, so that no socket gets its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number


def leave_tidily_on_signals() -> None:
    """End by SIGTERM and SIGHUP as by an error: temporary files are removed on the way out."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup's choice stays
                signal.signal(number, leave)
