"""Colours for a block of code that comes line by line."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_LIMIT = 300  # lines; each is read in the light of all before, which costs the square


class Highlight:
    """The colours of one block.

    Parameters
    ----------
    language : str
        What stands behind the opening fence; an unknown one gives no colours.
    """

    def __init__(self, language: str) -> None:
        self._language = language.strip().split(" ")[0].lower()
        self._lines: list[str] = []

    def line(self, line: str) -> str:
        """Return the next line with its colours, or as it is where they cannot be told."""
        self._lines.append(line)
        if not self._language or len(self._lines) > _LIMIT or not line.strip():
            return line
        shown = self._last_line()
        return _ansi(shown) if shown is not None and shown.plain == line else line

    def _last_line(self) -> Text | None:
        # Takes a tenth of a second to import: only for code on a terminal.
        from rich.syntax import Syntax

        syntax = Syntax("", self._language, theme="ansi_dark", background_color="default")
        if syntax.lexer is None:
            self._language = ""
            return None
        lines = syntax.highlight("\n".join(self._lines)).split("\n", allow_blank=True)
        return lines[len(self._lines) - 1] if len(lines) >= len(self._lines) else None


@cache
def _painter() -> Console:
    from rich.console import Console

    return Console(force_terminal=True, color_system="standard", width=80)


def _ansi(text: Text) -> str:
    from rich.color import ColorSystem

    return "".join(
        part.style.render(part.text, color_system=ColorSystem.STANDARD) if part.style else part.text
        for part in text.render(_painter())
    )
