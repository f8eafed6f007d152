"""Prose on a screen as it comes: wrapped by words, with emphasis; nothing is ever repainted.

The text itself stays as it was, marks of emphasis included: what is copied from the screen is
Markdown again. Everything works character by character, so that the result cannot depend on how
a text was cut into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import groupby

from localai.formats.text import cells

_LIMIT = 200  # characters that emphasis waits for its end; then the mark is just a character

# Emphasis with the character behind it: an underscore inside a word is none.
_SPAN = re.compile(
    r"(?P<mark>`+)(?!`)[^`](?:.*?[^`])??(?P=mark)(?!`)"
    r"|(?P<star>\*{1,3})(?![\s*])(?:.*?[^\s*])(?P=star)(?!\*)"
    r"|(?P<bar>_{1,3})(?![\s_])(?:.*?[^\s_])(?P=bar)(?!\w)"
)
_OPENER = re.compile(r"(`+|\*{1,3}|_{1,3})(?=(.?))")
_STYLES = {"*": "3", "**": "1", "***": "1;3", "_": "3", "__": "1", "___": "1;3"}


class Wrap:
    """Breaks lines between words at the screen's width.

    Parameters
    ----------
    emit : Callable[[str], None]
        Takes what is ready for the screen.
    width : Callable[[], int]
        Columns; asked at each beginning of a line.
    color : bool
        Whether styles are shown.
    """

    def __init__(self, emit: Callable[[str], None], width: Callable[[], int], color: bool) -> None:
        self._emit = emit
        self._ask_width = width
        self._color = color
        self._word: list[tuple[str, str]] = []  # characters and their styles
        self._gap = ""  # blanks before the word, not yet on the screen
        self.start()

    def start(self) -> None:
        """Begin a line of the text."""
        self._width = self._ask_width()
        self._column = 0
        self._word_cells = 0
        self._long = False  # the beginning of this word filled a whole line already
        self.hang = 0  # columns that the following lines of the screen are indented

    def put(self, text: str, style: str = "") -> None:
        """Take text without line breaks, in one style (the numbers of an SGR sequence)."""
        for char in text:
            size = cells(char)
            if char in " \t":
                self.flush()
                self._gap += " " if char == " " else "    "
                self._long = False
                continue
            if size == 2:  # scripts of wide characters break anywhere
                self.flush()
            self._word.append((char, style))
            self._word_cells += size
            full = self._word_cells > self._width - self._indent()
            if full or size == 2:
                self.flush()
                self._long = full

    def flush(self) -> None:
        """Put the word that waits on the screen, on the next line if it does not fit."""
        if not self._word:
            return
        full = self._column + len(self._gap) + self._word_cells > self._width
        if full and self._column and not self._long:
            self._gap = "\n" + " " * self._indent()
            self._column = 0
        self._column += len(self._gap.lstrip("\n")) + self._word_cells
        if self._column > self._width:  # too long for any line: the terminal breaks it
            self._column = (self._column - 1) % self._width + 1
        self._emit(self._gap + self.paint(self._word))
        self._word, self._gap, self._word_cells = [], "", 0

    def end(self) -> None:
        """Complete a line of the text (without its line break)."""
        self.flush()
        self._gap = ""

    def paint(self, chars: list[tuple[str, str]]) -> str:
        """Return styled characters as text that leaves no style behind."""
        return "".join(
            styled("".join(char for char, _ in group), style if self._color else "")
            for style, group in groupby(chars, key=lambda pair: pair[1])
        )

    def _indent(self) -> int:
        return min(self.hang, self._width // 2)


def folded(text: str, width: int) -> str:
    """Return text with the lines that are wider than a screen broken between words.

    What follows a break is indented as its line is; a word longer than a line stays whole.
    """
    parts: list[str] = []
    wrap = Wrap(parts.append, lambda: width, color=False)
    for line in text.split("\n"):
        if cells(line) <= width:
            parts.append(line)
        else:
            wrap.start()
            wrap.hang = len(line) - len(line.lstrip(" "))
            wrap.put(line)
            wrap.end()
        parts.append("\n")
    return "".join(parts[:-1])


def styled(text: str, style: str) -> str:
    """Return text in a style; an empty style leaves it as it is."""
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


class Inline:
    """Finds emphasis in a line as it comes; what might be some is held until it is decided."""

    def __init__(self, wrap: Wrap) -> None:
        self._wrap = wrap
        self._held = ""  # begins with a mark of emphasis
        self._before = ""  # the character before
        self.base = ""  # the style of the whole line

    def start(self) -> None:
        """Begin a line."""
        self._before = self.base = ""

    def feed(self, char: str) -> None:
        """Take the next character of the line."""
        self._held += char
        while self._held and not self._waits():
            self._release()

    def end(self) -> None:
        """Complete the line."""
        while self._held:
            self._release()

    def _waits(self) -> bool:
        """Return whether the held text may still become emphasis."""
        if not self._opens():
            return False
        if len(self._held) > _LIMIT:
            return False
        last = self._held[-2:-1]
        # Its end can only be seen with the character behind it.
        return not (last in ("`", "*", "_") and _SPAN.match(self._held, 0, len(self._held) - 1))

    def _opens(self) -> bool:
        if self._held[0] not in "`*_":
            return False
        if self._held[0] == "_" and self._before.isalnum():
            return False
        opener = _OPENER.match(self._held)
        return bool(opener and (self._held[0] == "`" or not opener[2].isspace()))

    def _release(self) -> None:
        span = _SPAN.match(self._held) if self._opens() else None
        if span:
            self._put(span[0], _style(span))
            return
        opener = _OPENER.match(self._held)
        self._put(opener[1] if opener else self._held[0], "")

    def _put(self, text: str, style: str) -> None:
        self._wrap.put(text, ";".join(filter(None, (self.base, style))))
        self._held = self._held[len(text) :]
        self._before = text[-1]


def _style(span: re.Match[str]) -> str:
    return "36" if span["mark"] else _STYLES[span["star"] or span["bar"]]
