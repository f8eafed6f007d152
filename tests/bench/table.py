"""Small tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

RATIOS = ("ratio", "middle half", "of the best", "budget")
"""Heads of what `compared` returns after both medians."""


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a title and rows under their heads; numbers stand at the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[at]) for row in [list(heads), *cells]) for at in range(len(heads))]
    print(f"\n{title}")
    print("  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip())
    for row, values in zip(cells, rows, strict=True):
        print("  ".join(_aligned(*each) for each in zip(row, values, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return str(value)


def _aligned(text: str, value: object, width: int) -> str:
    return text.ljust(width) if isinstance(value, str) else text.rjust(width)


def compared(
    name: str, ours: Sequence[float], theirs: Sequence[float], budget: str
) -> list[object]:
    """Return a row: name, both medians, then what `RATIOS` names.

    Parameters
    ----------
    budget : str
        What the ratio of the medians is held to: `>= 0.97` for speeds, `<= 2` for times.

    The middle half is that of the ratios of neighbours in time; the best are the runs that other
    work on the machine has disturbed least.
    """
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    quarter = len(ratios) // 4
    spread = f"{ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f}"
    best = max if budget.startswith(">") else min
    middles = (median(ours), median(theirs))
    return [name, *middles, middles[0] / middles[1], spread, best(ours) / best(theirs), budget]
