"""What keys do while nobody reads them: no echo into an answer, no odd terminal after Ctrl-Z."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterator, Sequence

from localai.terminal.streams import Stream


@contextlib.contextmanager
def unechoed(stdin: Stream) -> Iterator[None]:
    """Let a terminal echo nothing during the block; Ctrl-C works as ever."""
    with _mode(stdin, off=("ECHO",)):
        yield


@contextlib.contextmanager
def held(stdin: Stream) -> Iterator[None]:
    """Let a terminal keep what is typed during the block key by key, for a library that reads keys.

    Where it kept lines, Enter would have become a line break, and all lines one text. Ctrl-C works
    as ever.
    """
    with _mode(stdin, off=("ECHO", "ICANON", "ICRNL")):
        yield


def holds(stdin: Stream) -> bool:
    """Whether a terminal holds keys now: it echoes nothing, and Enter is no line break."""
    number = stdin.number()
    if not stdin.terminal or number is None:
        return False
    import termios

    return not int(termios.tcgetattr(number)[3]) & termios.ICANON


@contextlib.contextmanager
def _mode(stdin: Stream, off: Sequence[str]) -> Iterator[None]:
    """Switch off modes of a terminal, by their names in `termios`."""
    number = stdin.number()
    if not stdin.terminal or number is None:
        yield
        return
    import termios  # which a pipe need not wait for

    before = termios.tcgetattr(number)
    changed = [*before]
    for name in off:
        place = 0 if name == "ICRNL" else 3  # modes of the input, modes of the line
        changed[place] &= ~getattr(termios, name)
    termios.tcsetattr(number, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # a terminal that was closed meanwhile
            termios.tcsetattr(number, termios.TCSADRAIN, before)


def early_lines(stdin: Stream) -> str:
    """Return the lines that were typed before anybody has read, without waiting for one."""
    found = b""
    number = stdin.number()
    while stdin.terminal and number is not None and select.select([number], [], [], 0)[0]:
        if not (line := os.read(number, 4096)):
            break  # Ctrl-D
        found += line
    return found.decode("utf-8", "replace")


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
