"""Reading stdin to its end: bounded, and never waited for in silence."""

from __future__ import annotations

import errno
from collections.abc import Callable

from localai.errors import BadInput
from localai.terminal.streams import Stream

LIMIT = 64 * 2**20  # bytes
PATIENCE = 2.0  # seconds before somebody at a terminal is told what is waited for


def read_all(stdin: Stream, limit: int, tell: Callable[[], None] | None) -> bytes:
    """Return all bytes of stdin.

    Parameters
    ----------
    limit : int
        Bytes, at most.
    tell : callable or None
        Called after two seconds without an end: a stdin that nobody closes would look like a model
        that hangs.

    Raises
    ------
    BadInput
        There are more bytes, or it is a folder.
    """
    try:
        data = stdin.receive(limit + 1, tell, PATIENCE)
    except OSError as error:
        if error.errno == errno.EBADF:
            return b""
        raise BadInput(f"stdin cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise BadInput(f"stdin holds more than {limit // 2**20} MB", "give it in parts")
    return data
