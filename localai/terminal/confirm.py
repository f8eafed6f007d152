"""Yes-or-no questions to the person at the terminal."""

from __future__ import annotations

import os

from localai.terminal.console import Console


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
    answer = os.read(number, 1024)  # a line: the terminal hands out no less
    if not answer:
        console.talk("")
    return answer.decode("utf-8", "replace").strip().lower() in ("", "y", "yes") and bool(answer)
