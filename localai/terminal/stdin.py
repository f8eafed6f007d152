"""Reading stdin to its end: bounded, and never waited for in silence."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from localai.errors import BadInput

if TYPE_CHECKING:
    from localai.terminal.console import Console

LIMIT = 64 * 2**20  # bytes
PATIENCE = 2.0  # seconds before somebody at a terminal is told what is waited for


def read_all(console: Console, limit: int) -> bytes:
    """Return all bytes of stdin; BadInput where there are more than `limit`, or it is a folder.

    After two seconds a terminal on stderr is told what is waited for: a stdin that nobody closes
    would look like a model that hangs.
    """

    def tell() -> None:
        if not console.stdin.terminal and console.stderr.terminal:
            (console.status if console.animated else console.talk)("reading stdin")

    try:
        data = console.stdin.receive(limit + 1, tell, PATIENCE)
    except OSError as error:
        if error.errno == errno.EBADF:
            return b""
        raise BadInput(f"stdin cannot be read: {error.strerror}") from None
    finally:
        console.clear_status()
    if len(data) > limit:
        raise BadInput(f"stdin holds more than {limit // 2**20} MB", "give it in parts")
    return data
