"""Options that several commands share: the same flag has the same meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from localai import settings
from localai.errors import BadInput
from localai.terminal.console import Console

Command = TypeVar("Command", bound=Callable[..., Any])


def unescape(text: str) -> str:
    """Return `text` with backslash escapes replaced, as `printf %b` does.

    Raises
    ------
    BadInput
        An escape that is none.
    """
    import re

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
            raise BadInput(f"-e: there is no escape {match[0]!r}", r"use \n \t \\ \xNN \uNNNN")
        return names[match[4]]

    return re.sub(
        r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5})|(.|$))", replace, text
    )


class Layers(click.ParamType[str]):
    """`auto`, `all` or a number of layers."""

    name = "auto|all|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value as it travels to the engine."""
        text = str(value)
        if settings.is_layers(text):
            return text
        self.fail(f"{text!r} is neither auto, all nor a number of layers", param, ctx)


def _stack(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


class Number(click.ParamType[float]):
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


model = click.option("-m", "--model", metavar="MODEL", help="tiny, or the path of a .gguf file.")

engine = _stack(
    click.option("--ctx", type=Number(1), metavar="N", help="Context in tokens, at least."),
    click.option(
        "--gpu-layers", type=Layers(), metavar="auto|all|N", help="Layers on the GPU. [auto]"
    ),
    click.option("--threads", type=Number(1, 1024), metavar="N", help="CPU threads. [cores]"),
)

sampling = _stack(
    click.option("-n", "--max-tokens", type=Number(1), metavar="N", help="Longest answer, in tokens."),
    click.option("--temp", type=Number(0.0, 100.0), metavar="T", help="Temperature; 0 is greedy. [0.8]"),
    click.option("--top-k", type=Number(0), metavar="N", help="Only the N likeliest tokens; 0: all. [40]"),
    click.option("--top-p", type=Number(0.0, 1.0), metavar="P", help="Only the likeliest tokens of sum P. [0.95]"),
    click.option("--min-p", type=Number(0.0, 1.0), metavar="P", help="Only tokens P times as likely as the best. [0.05]"),
    click.option("--repeat-penalty", type=Number(0.01, 100.0), metavar="X", help="Against repetition; 1 is off. [1]"),
    click.option("--repeat-last-n", type=Number(0), metavar="N", help="Tokens that the penalty looks back on. [64]"),
    click.option("--temp-first", is_flag=True, help="Temperature before top-k, top-p and min-p, as other toolkits do."),
    click.option("--seed", type=Number(0, 2**32 - 2), metavar="N", help="Makes a run repeatable."),
    click.option("--stop", multiple=True, metavar="TEXT", help="End the answer before this text; repeatable."),
)  # fmt: skip

constraints = _stack(
    click.option("--choices", metavar="A,B,...", help="The answer is one of these."),
    click.option("--regex", metavar="REGEX", help="The answer matches this as a whole."),
    click.option("--schema", metavar="SCHEMA", help="JSON of this schema: a file, inline JSON, or 'name, age int'."),
    click.option("--grammar", metavar="FILE", help="The answer follows a GBNF or Lark grammar."),
    click.option("--json-object", is_flag=True, help="The answer is some JSON object."),
)  # fmt: skip

talk = _stack(
    click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text; errors too."),
    click.option("--stats", is_flag=True, help="Speeds and counts on stderr."),
    click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors."),
    click.option("--no-color", is_flag=True, help="No colour."),
    click.option("--debug", is_flag=True, help="Tracebacks, and what the engine says."),
)  # fmt: skip

output = _stack(
    click.option("-o", "--output", metavar="FILE", help="Write there instead of stdout; - is stdout."),
    click.option("--force", is_flag=True, help="Overwrite the file of -o."),
)  # fmt: skip


def apply(console: Console, given: dict[str, Any]) -> None:
    """Let the console obey `--quiet` and `--no-color`."""
    if given["quiet"]:
        console.hush()
    if given["no_color"]:
        console.uncolor()
