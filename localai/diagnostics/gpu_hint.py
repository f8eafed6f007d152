"""What is said at most once a day."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_DAY = 24 * 3600  # seconds


def once_a_day(stamp: Path, look: Callable[[], str], now: float | None = None) -> str:
    """Return what `look` says, at most once in 24 hours; else an empty text.

    Parameters
    ----------
    stamp : Path
        A file whose time is that of the last look. Where it cannot be written nothing is said,
        lest it be said at every call.
    now : float or None
        Seconds; given by tests.
    """
    now = time.time() if now is None else now
    try:
        if 0 <= now - stamp.stat().st_mtime < _DAY:
            return ""
    except OSError:
        pass  # never yet
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
        os.utime(stamp, (now, now))
    except OSError:
        return ""
    return look()
