"""Words coloured by how sure a model is of them, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from localai.formats.text import sanitise

_SURE, _LIKELY = 0.8, 0.5  # the user's own colour; yellow; red below


def painted(words: Iterable[tuple[str, float]]) -> str:
    """Return words (with the spaces before them) and their probabilities as text with colours.

    Nothing in them is obeyed by the terminal.
    """
    return "".join(_painted(text, probability) for text, probability in words)


def _painted(text: str, probability: float) -> str:
    safe = sanitise(text)
    if probability >= _SURE or not safe.strip():
        return safe
    color = 33 if probability >= _LIKELY else 31
    bare = safe.lstrip()
    return f"{safe[: len(safe) - len(bare)]}\x1b[{color}m{bare}\x1b[0m"
