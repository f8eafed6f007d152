"""Yes-or-no questions to the person at the terminal."""

from __future__ import annotations

import os

from localai.terminal.console import Console
from localai.terminal.tty_modes import by_line


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
    with by_line(console.stdin):
        answer = _line(number)
    if not answer:
        console.talk("")
    return answer.decode("utf-8", "replace").strip().lower() in ("", "y", "yes") and bool(answer)


def _line(number: int) -> bytes:
    """Read a line with its end, and nothing of what was typed behind it."""
    found = b""
    while not found.endswith((b"\n", b"\r")) and (key := os.read(number, 1)):
        found += key
    return found
