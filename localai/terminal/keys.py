"""What is typed while nobody asks for it: kept for the next prompt, not echoed into an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from localai.terminal.streams import Stream


@contextlib.contextmanager
def unechoed(stdin: Stream) -> Iterator[None]:
    """Let a terminal echo nothing during the block; Ctrl-C works as ever."""
    number = stdin.number()
    if not stdin.terminal or number is None:
        yield
        return
    import termios  # which a pipe need not wait for

    before = termios.tcgetattr(number)
    silent = [*before]
    silent[3] = int(before[3]) & ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # a terminal that was closed meanwhile
            termios.tcsetattr(number, termios.TCSADRAIN, before)
