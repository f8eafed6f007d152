"""Yes-or-no questions to the person at the terminal."""

from __future__ import annotations

import os
from collections.abc import Callable

from localai.terminal.console import Console
from localai.terminal.tty_modes import holds


def can_ask(console: Console) -> bool:
    """Whether there is somebody to ask: stdin and stderr are a terminal."""
    return console.stdin.terminal and console.stderr.terminal and not console.quiet


def confirm(console: Console, question: str) -> bool:
    """Ask on stderr; Enter and `y` are yes, anything else and the end of the input are no."""
    number = console.stdin.number()
    if number is None:
        return False
    console.clear_status()
    console.stderr.send(f"{question} [Y/n] ".encode())
    held = holds(console.stdin)
    answer = _line(number, console.stderr.send if held else None)
    if held or not answer:
        console.talk("")
    return answer.decode("utf-8", "replace").strip().lower() in ("", "y", "yes") and bool(answer)


def _line(number: int, echo: Callable[[bytes], None] | None) -> bytes:
    """Read a line with its end, and nothing of what was typed behind it; empty: Ctrl-D.

    Parameters
    ----------
    echo : callable or None
        Shows a key, where the terminal does not.
    """
    found = b""
    while not found.endswith((b"\n", b"\r")) and (key := os.read(number, 1)) not in (b"", b"\x04"):
        erases = key in (b"\x7f", b"\b")
        if echo and key.isalnum():
            echo(key)
        elif echo and erases and found:
            echo(b"\b \b")
        found = found[:-1] if erases else found + key
    return found
