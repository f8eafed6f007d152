"""What `/set` sets: how the model chooses its words, and how much it keeps in mind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from localai.chat import answer_form
from localai.errors import BadInput
from localai.formats.text import clip, nearest, one_line, shown
from localai.types import SAMPLING_BOUNDS, Sampling

_SHORT = {"temperature": "temp"}
# name: (lowest, highest); whole numbers where the bounds are.
BOUNDS: dict[str, tuple[float, float]] = {
    **{_SHORT.get(name, name).replace("_", "-"): span for name, span in SAMPLING_BOUNDS.items()},
    "max-tokens": (1, 2**31 - 1),
    "memory-ratio": (0.05, 0.9),
}
WORDS: dict[str, tuple[str, ...]] = {"think": ("auto", "off", "show")}
NAMES = (*BOUNDS, *WORDS, *answer_form.MAKERS)
held = answer_form.held
_WIDEST = 60  # columns of a value in the list
MEMORY_RATIO = 0.25  # of the context, what is kept for the present turn

_LONG = {short: name for name, short in _SHORT.items()}


def key(name: str) -> str:
    """Return the name under which a knob is kept: `top-k` is `top_k`, `temp` is `temperature`."""
    return _LONG.get(name, name).replace("-", "_")


def refuse_strangers(name: str) -> None:
    """Raise BadInput, with a did-you-mean, where there is no such knob."""
    if name not in NAMES:
        near = nearest(name, NAMES)
        raise BadInput(
            f"there is nothing called {shown(name[:40])!r} to set", near or ", ".join(NAMES)
        )


def value(name: str, text: str) -> float | str:
    """Return what a knob is set to.

    Raises
    ------
    BadInput
        There is no such knob, or it cannot have this value.
    """
    refuse_strangers(name)
    if name in WORDS:
        if text in WORDS[name]:
            return text
        raise BadInput(f"{name} is one of {', '.join(WORDS[name])}, not {shown(text[:40])!r}")
    if name in answer_form.MAKERS:
        return answer_form.checked(name, text)
    low, high = BOUNDS[name]
    kind = int if isinstance(low, int) else float
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:  # never true of a NaN
        what = "a whole number" if kind is int else "a number"
        raise BadInput(f"{name} is {what} from {low} to {high}, not {shown(text[:40])!r}")
    return number


def sound(given: Any) -> dict[str, Any]:
    """Return the settings of a session's file, without what no setting can be."""
    if not isinstance(given, dict):
        return {}
    found: dict[str, Any] = {}
    for name in NAMES:
        if key(name) in given:
            with suppress(BadInput):
                found[key(name)] = value(name, str(given[key(name)]))
    stop = given.get("stop")
    if isinstance(stop, list) and all(isinstance(text, str) for text in stop):
        found["stop"] = stop
    if given.get("temperature_first") is True:
        found["temperature_first"] = True
    return found


def sampling(*layers: Mapping[str, Any]) -> Sampling:
    """Return how words are chosen: of each setting the last layer's that has one."""
    merged = {
        name: given for layer in layers for name, given in layer.items() if name in Sampling._fields
    }
    return Sampling(**merged)


def overview(settings: Mapping[str, Any]) -> str:
    """Return all knobs with their values; `-` is the model's own."""
    rows = [(name, settings.get(key(name), "-")) for name in NAMES]
    return "\n".join(f"{name:16}{clip(one_line(str(value)), _WIDEST)}" for name, value in rows)


def think(settings: Mapping[str, Any]) -> bool | None:
    """Return whether the model is to think: False, or None, as it likes."""
    return False if settings.get("think") == "off" else None
