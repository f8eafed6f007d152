"""In what pieces an answer goes into a pipe, so that parallel calls do not mix in it. Pure.

What a program writes in one call stays whole among what others write into the same pipe, up to
4,096 bytes on Linux. So a line goes out in one write, and so does an answer of a fixed form.
"""

from __future__ import annotations

from typing import Literal

Unit = Literal["piece", "line", "answer"]
"""As it comes, by whole lines, or all of it at its end."""


class WritingUnits:
    """Holds back what is not a whole unit yet.

    Parameters
    ----------
    unit : "piece", "line" or "answer"
        What is written at once.
    """

    def __init__(self, unit: Unit = "piece") -> None:
        self.unit: Unit = unit
        self._held = ""

    def push(self, text: str) -> list[str]:
        """Take more of an answer; return what is to be written now, an item a write."""
        if self.unit == "piece":
            return [text] if text else []
        self._held += text
        if self.unit == "answer" or "\n" not in text:
            return []
        *lines, self._held = self._held.split("\n")
        return [line + "\n" for line in lines]

    def end(self, rest: str) -> str:
        """Return what is left of an answer, and `rest` behind it: one write."""
        held, self._held = self._held, ""
        return held + rest

    def forget(self) -> None:
        """Let go of what is held: it is not to be written."""
        self._held = ""
