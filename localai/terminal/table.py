"""Plain tables: columns under their heads, as `ps` and `df` print them."""

from __future__ import annotations

from collections.abc import Sequence

from localai.formats.text import cells, clip, one_line
from localai.terminal.console import Console


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> list[str]:
    """Return the lines of a table; control characters in it are shown, not kept.

    Parameters
    ----------
    right : str
        A letter a column: `r` stands at the right, anything else at the left; the rest at the left.
    """
    lines = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(cells(line[at]) for line in lines) for at in range(len(heads))]
    sides = right.ljust(len(heads))
    return ["  ".join(map(_aligned, line, widths, sides)).rstrip() for line in lines]


def show_names(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Write names and what each is, in two columns, clipped where they go to a terminal."""
    width = console.width if console.stdout.terminal else None
    column = max((cells(name) for name, _ in rows), default=0)
    for name, about in rows:
        line = f"{name}{' ' * (column - cells(name))}  {about}"
        cut = width and cells(line) > width
        console.write_line(f"{clip(line, width - 1)}…" if width and cut else line)


def _aligned(text: str, width: int, side: str) -> str:
    space = " " * (width - cells(text))
    return space + text if side == "r" else text + space
