"""A chat in a terminal of its own, and what its screen is to look like.

The screens lie in `tests/golden/chat`, one a file: NAME-COLUMNS.txt. They hold words of the tiny
model, so whoever trains it anew writes them anew, and reads what has changed:

    REWRITE_SCREENS=1 python -m pytest tests/test_chat_screens.py; git diff tests/golden
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.conftest import PATIENCE, ROOT, command
from tests.support.terminal_run import PtyProcess

FOLDER = ROOT / "tests" / "golden" / "chat"
READY = re.compile(r"^>(\s+\d+/4096)?$")  # an empty prompt: something may be typed
COUNTED = re.compile(r"\d+/\d+$")  # the meter knows: the model is loaded
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
# Words of no likelihood at all: an answer that lasts for more than a thousand tokens.
LONG = ("--temp", "100", "--top-k", "0", "--top-p", "1", "--min-p", "0", "--seed", "5")

Open = Callable[..., "Chat"]

# What no two runs have in common; what stands for it is as wide.
_VARYING = (
    (re.compile(r" *\b\d+/4096"), lambda found: "N/4096".rjust(len(found[0]))),
    (re.compile(r"\d{4}-\d\d-\d\d-\d{6}"), lambda _: "YYYY-MM-DD-HHMMSS"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), lambda _: "YYYY-MM-DD HH:MM"),
)


class Chat(PtyProcess):
    """A chat in a terminal of its own.

    Parameters
    ----------
    leader : sequence of str
        A program that starts the chat, as a shell does.
    """

    def __init__(
        self,
        arguments: tuple[str, ...],
        columns: int = 80,
        rows: int = 30,
        leader: Sequence[str] = (),
        **env: str,
    ) -> None:
        super().__init__([*leader, *command("chat", *arguments)], columns, rows, env=env)

    def resize(self, columns: int) -> Chat:
        """Make the window wider or narrower; what stands on it is cut, as in xterm."""
        self.screen.resize(columns=columns)
        self.set_size(columns, self.screen.lines)
        return self

    def read(self, enough: Callable[[], Any] | None = None) -> Chat:
        """Read until it is enough, or until the chat has ended."""
        end = time.monotonic() + PATIENCE
        while not (enough and enough()):
            assert time.monotonic() < end, "\n".join(self.lines)
            if not self.piece(0.02) and self.process.poll() is not None:
                assert not enough, "\n".join(self.lines)
                break
        return self

    def settle(self) -> Chat:
        """Read until nothing has come for a while: menus are drawn when the rest stands."""
        while self.piece(0.7):
            pass
        return self

    def ready(self) -> Chat:
        """Wait until something may be typed."""
        return self.read(lambda: READY.match(self.lines[-1]))

    def counted(self) -> Chat:
        """Wait until the meter shows how full the context is."""
        return self.read(lambda: COUNTED.search(self.lines[-1]))

    def type(self, text: str) -> Chat:
        """Type something and wait until it stands there."""
        self.press(text)
        return self.read(lambda: text[-8:].replace(" ", "") in self._typed())

    def _typed(self) -> str:
        row = self.screen.cursor.y
        return "".join(self.screen.display[max(0, row - 1) : row + 1]).replace(" ", "")

    def say(self, text: str) -> Chat:
        """Type a line, send it, and wait until it is done with."""
        self.type(text).press("\r")
        return self.ready()

    def leave(self) -> int:
        self.press("\x04")
        self.read()
        return self.process.wait(PATIENCE)


def begun(shown: Chat) -> Chat:
    """Ask for a long answer and wait for its first words."""
    shown.type("Go.").press("\r")
    return shown.read(lambda: "/4096" not in shown.lines[0] and len("".join(shown.lines[1:])) > 20)


def golden(shown: Chat, name: str, *hidden: tuple[str, str]) -> None:
    """Compare a screen with its file.

    Parameters
    ----------
    hidden : pairs of str
        Patterns of what varies on this screen alone, and what stands in their places.
    """
    text = "\n".join(shown.lines) + "\n"
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    for pattern, replacement in hidden:
        text, count = re.subn(pattern, replacement, text, flags=re.S)
        assert count, f"{pattern} is not on the screen:\n{text}"
    path = FOLDER / f"{name}-{shown.screen.columns}.txt"
    if os.environ.get("REWRITE_SCREENS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"not as in {path.name}:\n{text}"
