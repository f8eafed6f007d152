"""What may stand behind an option: numbers within bounds, layers, text with escapes."""

from __future__ import annotations

import re
from typing import Any

import click

from localai.errors import BadInput
from localai.formats.units import duration, is_layers

_ESCAPE = (  # compiled by `-e`
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U((?:0010|000[0-9a-fA-F])[0-9a-fA-F]{4})|(.|$))"
)


def unescape(text: str) -> str:
    """Return `text` with backslash escapes replaced, as `printf %b` does.

    Raises
    ------
    BadInput
        An escape that is none.
    """
    names = {
        "n": "\n",
        "t": "\t",
        "r": "\r",
        "\\": "\\",
        '"': '"',
        "'": "'",
        "0": "\0",
        "e": "\x1b",
    }

    def replace(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code:
            return chr(int(code, 16))
        if match[4] not in names:
            letter = repr(match[4])[1:-1]  # it may be a newline
            what = f"there is no escape \\{letter}" if letter else "a backslash escapes nothing"
            raise BadInput(f"-e: {what}", r"use \n \t \\ \xNN \uNNNN")
        return names[match[4]]

    return re.sub(_ESCAPE, replace, text, flags=re.S)


class Layers(click.ParamType[str]):
    """`auto`, `all` or a number of layers."""

    name = "auto|all|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value as it travels to the engine."""
        text = str(value)
        if is_layers(text):
            return text
        self.fail(f"{text!r} is neither auto, all nor a number of layers", param, ctx)


class Duration(click.ParamType[float]):
    """A time like `300`, `5m` or `1h`; -1 for ever."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the time in seconds."""
        seconds = duration(str(value))
        if seconds is None:
            hint = "use 300, 5m, 1h, 0 (leave at once) or -1 (stay)"
            self.fail(f"{str(value)[:40]!r} is not a time: {hint}", param, ctx)
        return seconds


class BoundedNumber(click.ParamType[float]):
    """A number within bounds, both included."""

    name = "number"

    def __init__(self, low: float, high: float = 2**31 - 1) -> None:
        self._low, self._high = low, high
        self._kind: type[int] | type[float] = int if isinstance(low, int) else float

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; what is none, or out of bounds, is refused with the bounds."""
        try:
            number = self._kind(value)
        except (ValueError, OverflowError):
            number = None
        if number is None or not self._low <= number <= self._high:  # a NaN is never within
            what = "whole number" if self._kind is int else "number"
            bounds = f"from {self._low} to {self._high}"
            self.fail(f"{str(value)[:40]!r} is not a {what} {bounds}", param, ctx)
        return number


class SomeText(click.ParamType[str]):
    """A text that is not empty."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; an empty one is refused."""
        if not value:
            self.fail("it is empty", param, ctx)
        return str(value)
