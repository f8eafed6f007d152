"""What keys do while nobody reads them: no echo into an answer, no odd terminal after Ctrl-Z."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator

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


def kept_modes(stdin: Stream) -> Callable[[], None]:
    """Return what stops this process and its children, with the terminal as it is now.

    A library that reads single keys gives back all modes but flow control (Ctrl-S, Ctrl-Q).
    """
    import termios

    number = stdin.number()
    before = None if number is None else termios.tcgetattr(number)

    def suspend() -> None:
        if number is not None and before is not None:
            termios.tcsetattr(number, termios.TCSADRAIN, before)
        os.kill(0, signal.SIGTSTP)

    return suspend
