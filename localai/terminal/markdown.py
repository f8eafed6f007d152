"""Markdown for a terminal, line by line, that never repaints what it has shown.

What is shown is the Markdown itself, wrapped and with styles: copied from the screen it is
Markdown again, and without colour it reads the same. Tables and lines of code are held until
they are complete, prose until a word is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from localai.formats.text import cells, sanitise
from localai.terminal.highlight import Highlight
from localai.terminal.wrap import Inline, Wrap, styled

_BOLD, _DIM, _LIST_MARK = "1", "2", "33"
_HELD_LIMIT = 2_000  # characters of a line of code or a table that wait for the line's end
_TABLE_LIMIT = 200  # rows that wait for the table's end

# The beginning of a line that may still become something special.
_UNDECIDED = re.compile(r"[ \t]{0,40}(#{1,6}|`{1,2}|~{1,2}|[-+*]|\d{1,9}[.)]?)?")
_FENCE = re.compile(r"[ \t]*(?:(?P<ticks>```+)(?P<name>[^`]*)|(?P<tildes>~~~+)(?P<word>.*))")
_FENCE_START = re.compile(r"[ \t]*(```|~~~)")
_TABLE = re.compile(r"[ \t]*\|")
_TITLE = re.compile(r" {0,3}#{1,6}[ \t]")
_ITEM = re.compile(r"[ \t]*([-+*]|\d{1,9}[.)])[ \t]")
_QUOTED = re.compile(r"[ \t]*>")
_RULE = re.compile(r"[ \t]*\|?([ \t]*:?-+:?[ \t]*\|)*[ \t]*(:?-+:?)?[ \t]*")

_State = Literal["start", "flow", "fence", "table", "code", "raw"]


class Markdown:
    """A stream of Markdown in, what to write to the terminal out.

    The result does not depend on how the text was cut into pieces. Control characters are shown.

    Parameters
    ----------
    width : Callable[[], int]
        Columns of the terminal; asked at each line.
    color : bool
        Without it the result holds no escape at all.
    """

    def __init__(self, width: Callable[[], int], color: bool = True) -> None:
        self._width = width
        self._color = color
        self._out: list[str] = []
        self._wrap = Wrap(self._out.append, width, color)
        self._inline = Inline(self._wrap)
        self._state: _State = "start"
        self._held = ""  # the line so far, where it cannot be shown yet
        self._rows: list[str] = []  # of a table, complete lines
        self._fence = ""  # what opened the block of code we are in
        self._code: Highlight | None = None

    def feed(self, text: str) -> str:
        """Take a piece of the text; return what can be shown now."""
        for char in sanitise(text):
            if char == "\n":
                self._end_line("\n")
            else:
                self._feed(char)
        return self._take()

    def close(self) -> str:
        """Return what was held; the next piece begins a new text."""
        self._end_line("")
        self._flush_table("\n")
        self._state, self._fence = "start", ""
        return self._take()

    def _take(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def _feed(self, char: str) -> None:
        if self._state == "flow":
            self._inline.feed(char)
        elif self._state == "raw":
            self._out.append(char)
        else:
            self._held += char
            if self._state == "start" and not _UNDECIDED.fullmatch(self._held):
                self._decide()
            elif len(self._held) > _HELD_LIMIT:
                self._give_up()

    def _decide(self) -> None:
        """Choose what a line is, by its beginning; show the beginning if it is prose."""
        line = self._held
        if _FENCE_START.match(line):
            self._state = "fence"
        elif _TABLE.match(line) and len(self._rows) < _TABLE_LIMIT:
            self._state = "table"
            return
        self._flush_table("\n")
        if self._state == "start":
            self._begin_prose(line)

    def _begin_prose(self, line: str) -> None:
        self._state, self._held = "flow", ""
        self._wrap.start()
        self._inline.start()
        item = _ITEM.match(line) or _QUOTED.match(line)
        if item:
            self._wrap.put(item[0], _LIST_MARK if item.re is _ITEM else _DIM)
            self._wrap.hang = cells(item[0].replace("\t", "    "))
            line = line[item.end() :]
        elif _TITLE.match(line):
            self._inline.base = _BOLD
        for char in line:
            self._inline.feed(char)

    def _give_up(self) -> None:
        """Stop waiting for the end of a very long line."""
        self._flush_table("\n")
        self._out.append(self._held)
        self._state, self._held = "raw", ""

    def _end_line(self, newline: str) -> None:
        if self._state == "start" and (self._held or newline):
            self._flush_table("\n")
            self._begin_prose(self._held)
        if self._state == "table":
            self._rows.append(self._held)
            if not newline:
                self._flush_table("")
        else:
            self._show_line(newline)
        self._held = ""
        self._state = "code" if self._fence else "start"

    def _show_line(self, newline: str) -> None:
        if self._state == "flow":
            self._inline.end()
            self._wrap.end()
        elif self._state == "fence":
            self._open_fence()
        elif self._state == "code":
            self._code_line()
        self._out.append(newline)

    def _open_fence(self) -> None:
        found = _FENCE.fullmatch(self._held)
        if found:  # otherwise code in the line's middle, with three marks
            self._fence = found["ticks"] or found["tildes"]
            language = found["name"] or found["word"] or ""
            self._code = Highlight(language) if self._color else None
        self._out.append(self._paint(self._held, _DIM))

    def _code_line(self) -> None:
        bare = self._held.strip()
        if bare.startswith(self._fence) and not bare.strip(self._fence[0]):
            self._fence = ""
            self._out.append(self._paint(self._held, _DIM))
        else:
            self._out.append(self._code.line(self._held) if self._code else self._held)

    def _flush_table(self, newline: str) -> None:
        """Show the table that waits, its columns aligned if it is one."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        if len(rows) > 1 and _RULE.fullmatch(rows[1]):
            rows = self._aligned(rows)
        self._out.append("\n".join(rows) + newline)

    def _aligned(self, rows: list[str]) -> list[str]:
        table = [_split(row) for row in rows]
        count = max(map(len, table))
        table = [row + [""] * (count - len(row)) for row in table]
        texts = zip(table[0], *table[2:], strict=True)  # all rows but the rule
        sizes = [max(3, *map(cells, column)) for column in texts]
        table[1] = [_rule(*pair) for pair in zip(table[1], sizes, strict=True)]
        lines = [_row(row, sizes) for row in table]
        if cells(lines[0]) > self._width():
            return rows  # the terminal breaks the lines; columns would not be seen
        return [self._paint(lines[0], _BOLD), self._paint(lines[1], _DIM), *lines[2:]]

    def _paint(self, text: str, style: str) -> str:
        return styled(text, style if self._color else "")


def _split(row: str) -> list[str]:
    inner = row.strip().removeprefix("|")
    cut = re.split(r"(?<!\\)\|", inner)
    if len(cut) > 1 and not cut[-1].strip():
        cut.pop()
    return [cell.strip() for cell in cut]


def _rule(cell: str, size: int) -> str:
    left, right = cell.startswith(":"), cell.endswith(":")
    return (":" if left else "-") + "-" * (size - 2) + (":" if right else "-")


def _row(row: list[str], sizes: list[int]) -> str:
    filled = [cell + " " * (size - cells(cell)) for cell, size in zip(row, sizes, strict=True)]
    return f"| {' | '.join(filled)} |"
