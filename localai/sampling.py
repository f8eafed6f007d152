"""How a model may be asked to choose its words: in options, cards, prompts and chats."""

from __future__ import annotations

import math
from typing import Any

# name: (lowest, highest); whole numbers where the bounds are.
BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 2**31 - 1),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (0, 2**31 - 1),
    "seed": (0, 2**32 - 2),
}


def expected(name: str) -> str:
    """Return what the value of a setting should be, in words."""
    low, high = BOUNDS[name]
    kind = "a whole number" if isinstance(low, int) else "a number"
    return f"{kind} from {low} to {high}"


def value(name: str, given: Any) -> float | None:
    """Return a setting's value, a number or a number's text; None if it is out of bounds."""
    low, high = BOUNDS[name]
    number = number_of(given, whole=isinstance(low, int))
    return number if number is not None and low <= number <= high else None


def number_of(given: Any, whole: bool) -> float | None:
    """Return a finite number from JSON data or text, as other programs write both; else None."""
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return None
    if isinstance(given, str) and (len(given) > 40 or not given.isascii() or "_" in given):
        return None
    try:
        number = float(given)
        if not math.isfinite(number) or abs(number) >= 2**53:
            return None
        return int(number) if whole and number == int(number) else None if whole else number
    except (ValueError, OverflowError):
        return None
