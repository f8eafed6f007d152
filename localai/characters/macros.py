"""What `{{char}}` and its kin stand for in a card's text. Pure.

Only the text of cards goes through here, never what the user types. What a macro gives is not read
again, so that a name such as `{{user}}` stays a name; an unknown macro stays as it was written.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from localai.characters import clock

_EDGES = re.compile(r"\{\{(?!\{)|\}\}|<(?:user|char|bot)>", re.IGNORECASE)
_DICE = re.compile(r"(?:(\d{1,2})?d)?(\d{1,9})([+-]\d{1,9})?", re.IGNORECASE)
_COMMA = re.compile(r"(?<!\\),")
_DEEPEST = 8  # macros inside macros; real cards have two or three
_MOST = 1 << 20  # characters that the macros of one text may add: a card can ask for terabytes
_MOST_DRAWS = 4096  # of one text; further ones stay as they were written

_TIMES = {
    "time": "%H:%M",
    "date": "%d %B %Y",
    "weekday": "%A",
    "isotime": "%H:%M",
    "isodate": "%Y-%m-%d",
}

NAMES = (
    "char", "bot", "user", "original", "newline", "noop", "trim", *_TIMES, "idle_duration",
    "lastmessage", "lastusermessage", "lastcharmessage", "input", "group", "charifnotgroup",
    "persona", "description", "personality", "scenario", "mesexamples", "mesexamplesraw",
    "creatornotes", "chardepthprompt", "charprompt", "charjailbreak", "charinstruction",
    "charversion", "char_version", "random", "pick", "roll", "reverse", "comment", "hidden_key",
    "datetimeformat", "time_utc",
)  # fmt: skip
"""All that is filled, in small letters."""

_Part = str | None  # None: `{{trim}}`, which takes the line breaks around it away


@dataclass(frozen=True)
class MacroValues:
    """What macros stand for.

    Parameters
    ----------
    texts : mapping of str to str
        Fields of the card by lower-case names, `persona` among them (`macro_values`). They
        are inserted as they are: a field may name itself.
    original : str or None
        Our own text, for `{{original}}`; None: it stays as it is.
    seed : int
        Draws of `{{random}}`, `{{pick}}` and `{{roll}}` hang on it, on the text and on their place
        in it. One seed a session: the text stays the same, and with it what is kept of it.
    now : datetime or None
        The time that macros tell; one for the whole session, for the same reason.
    """

    char: str
    user: str
    texts: Mapping[str, str] = field(default_factory=dict)
    original: str | None = None
    seed: int = 0
    now: datetime | None = None
    last_message: str = ""
    last_answer: str = ""
    idle: str = "just now"


def expand(text: str, values: MacroValues, *, hidden: bool = False) -> str:
    """Return a card's text with its macros replaced.

    `"{{char}} greets {{user}}"` becomes `"Vera greets Tom"`. The time it takes grows with the
    length of the text alone; macros that would add more than a million characters stay.

    Parameters
    ----------
    hidden : bool
        Whether `{{hidden_key:x}}` gives x: it does where keys of a lorebook are looked for.
    """
    return _Expansion(text, values, hidden).text()


class _Expansion:
    """One text on its way; `_open` holds the parts of each macro that is not closed yet."""

    def __init__(self, text: str, values: MacroValues, hidden: bool) -> None:
        self._source, self._values, self._hidden = text, values, hidden
        self._open: list[list[_Part]] = [[]]
        self._too_deep = 0
        self._drawn = 0
        self._room = _MOST
        self._words = _words(values)

    def text(self) -> str:
        at = 0
        for edge in _EDGES.finditer(self._source):
            self._open[-1].append(self._source[at : edge.start()])
            self._edge(edge[0])
            at = edge.end()
        self._open[-1].append(self._source[at:])
        while len(self._open) > 1:  # never closed, so they are text
            body = self._open.pop()
            self._open[-1] += ["{{", *body]
        return _joined(self._open[0])

    def _edge(self, edge: str) -> None:
        parts = self._open[-1]
        if edge == "{{" and len(self._open) <= _DEEPEST:
            self._open.append([])
        elif edge == "{{":
            self._too_deep += 1
            parts.append(edge)
        elif edge == "}}" and self._too_deep:
            self._too_deep -= 1
            parts.append(edge)
        elif edge == "}}" and len(self._open) > 1:
            self._close(self._open.pop())
        elif edge == "}}":
            parts.append(edge)
        else:
            parts.append(self._within(self._words[edge[1:-1].lower()], edge))

    def _close(self, body: list[_Part]) -> None:
        written = "{{" + _joined(body) + "}}"
        head = body[0] or ""  # the author's own letters: no inserted text can name a macro
        name, colon, argument = head.partition(":")
        name = name.strip().lower()
        if name.startswith("//"):
            value: _Part = ""
        elif colon and not name.startswith(("datetimeformat ", "time_utc")):
            value = self._called(name, _joined([argument, *body[1:]]).removeprefix(":"))
        elif len(body) > 1:
            value = written
        else:
            value = self._words.get(name, self._said(head.strip()))
        trims = name == "trim" and len(body) == 1 and not colon
        self._open[-1].append(None if trims else self._within(value, written))

    def _within(self, value: str | None, written: str) -> str:
        """Return what a macro gives, or how it was written if it is unknown or gives too much."""
        if value is None or len(value) - len(written) > self._room:
            return written
        self._room -= max(0, len(value) - len(written))
        return value

    def _called(self, name: str, argument: str) -> str | None:
        now = self._values.now
        calls: dict[str, Callable[[str], str | None]] = {
            "random": self._choice,
            "pick": self._choice,
            "roll": self._roll,
            "reverse": lambda text: text[::-1],
            "comment": lambda text: "",
            "hidden_key": lambda text: text if self._hidden else "",
            "time": lambda text: clock.in_zone(now, text) if now else None,
            "datetimeformat": lambda text: clock.formatted(now, text) if now else None,
        }
        call = calls.get(name)
        return call(argument) if call else None

    def _said(self, macro: str) -> str | None:
        """Return what a macro gives whose argument stands behind its name without a colon."""
        name, _, argument = macro.partition(" ")
        now = self._values.now
        if name.lower() == "roll":
            return self._roll(argument)
        if now and name.lower() == "datetimeformat" and argument.strip():
            return clock.formatted(now, argument.strip())
        if now and name.lower().startswith("time_"):
            return clock.in_zone(now, name[len("time_") :])
        return None

    def _choice(self, argument: str) -> str | None:
        if "::" in argument:
            choices = argument.split("::")
        else:
            choices = [choice.replace("\\,", ",") for choice in _COMMA.split(argument)]
        if not argument.strip() or self._drawn >= _MOST_DRAWS:
            return None
        return self._draw().choice(choices).strip()

    def _roll(self, argument: str) -> str | None:
        dice = _DICE.fullmatch(argument.replace(" ", ""))
        if not dice or (dice[1] and "d" not in dice[0].lower()) or not int(dice[2]):
            return None
        if self._drawn >= _MOST_DRAWS:
            return None
        draw = self._draw()
        thrown = sum(draw.randint(1, int(dice[2])) for _ in range(int(dice[1] or 1)))
        return str(thrown + int(dice[3] or 0))

    def _draw(self) -> random.Random:
        """Return a source of chance for the next macro that draws."""
        self._drawn += 1
        return random.Random(f"{self._values.seed}/{self._sum}/{self._drawn}")

    @cached_property
    def _sum(self) -> int:
        return zlib.crc32(self._source.encode("utf-8", "replace"))


def _words(values: MacroValues) -> dict[str, str | None]:
    """Return what the macros without an argument stand for."""
    now = values.now
    return {
        **values.texts,
        **{name: now.strftime(form) if now else None for name, form in _TIMES.items()},
        "char": values.char,
        "bot": values.char,
        "user": values.user,
        "original": values.original,
        "newline": "\n",
        "noop": "",
        "group": values.char,
        "charifnotgroup": values.char,
        "input": "",
        "lastmessage": values.last_message,
        "lastusermessage": values.last_message,
        "lastcharmessage": values.last_answer,
        "idle_duration": values.idle,
    }


def _joined(parts: list[_Part]) -> str:
    if None not in parts:
        return "".join(part for part in parts if part)
    joined, trims = "", False
    for part in parts:
        if part is None:
            joined, trims = joined.rstrip("\r\n"), True
            continue
        if trims:
            part = part.lstrip("\r\n")
        trims = trims and not part
        joined += part
    return joined
