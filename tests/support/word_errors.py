"""Word errors, counted as speech recognition does."""

from __future__ import annotations

from collections.abc import Sequence


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Return the edits that make one list of words the other (Levenshtein)."""
    row = [*range(len(heard) + 1)]
    for at, word in enumerate(said, 1):
        before, row[0] = row[0], at
        for place, other in enumerate(heard, 1):
            changed = before + (word != other)
            before = row[place]
            row[place] = min(changed, before + 1, row[place - 1] + 1)
    return row[-1]
