"""The standard descriptors of this process while a native library has the word."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def muted_stderr() -> Iterator[None]:
    """Let nothing that is written to descriptor 2 be seen during the block.

    For native libraries that complain there (ALSA, where there is no device); what other threads
    write meanwhile is lost, too.
    """
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
