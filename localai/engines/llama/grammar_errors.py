"""What llguidance says of a constraint that it refuses, in one line and with the user's place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from localai.types import Constraint

_LARK_TEXT: Final = re.compile(r'"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])+/')
_LONGEST: Final = 200  # characters of a report

# The reports of its parser of Lark -> what they mean to somebody who wrote the grammar.
_MEANING: Final[tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]] = (
    (r"lexer error.*", 'this cannot be read: a " without an end, an escape or a sign that is none'),
    (r"Expected token '?(.+?)'?, found '?(.+?)'? \(at .*", lambda m: _missing(m[1], m[2])),
    (r"expecting rule, token or statement \(at \"(.+?)\".*", r"nothing can begin with \1 here"),
    (r"Unexpected expression.*", "nothing can follow here"),
    (r'unknown name: "(.*)"', r"there is no rule or token '\1'"),
    (r'duplicate (?:rule|token): "(.*)"', r"'\1' is there twice"),
    (r"no start rule found", "there is no start rule; name the first one start"),
    (r"range end must be >= start, got \((\d+), (\d+)\)", r"\1 to \2 times runs backwards"),
    (r"unknown special token: \"(.*?)\".*", r"the model has no token \1; write text in quotes"),
    (r".*oneOf constraints.*", "the cases of a oneOf may overlap; write anyOf"),
    (r"lookarounds not supported yet; (?:Start|End).*",
     "lookarounds are not known: ^ and $ stand at the ends alone"),
    (r"lookarounds not supported yet.*", "lookarounds are not known, and no word boundaries"),
)  # fmt: skip


def first_line(error: str) -> str:
    """Return the beginning of a report."""
    return error.strip().split("\n")[0][:_LONGEST]


def reason(error: str, constraint: Constraint) -> str:
    """Return the library's report in one line, with its place where it is one of the user's.

    That is line and column of a grammar in Lark, and the JSON pointer of a schema.
    """
    line = first_line(error)
    place = re.match(r"(?:at )?(\d+)\((\d+)\): (.*)", line)
    inner = re.findall(r"(?m)^error: (.*)$", error)  # the report of the regex parser inside
    said = str(inner[-1] if inner else place[3] if place else line)
    why = _meaning(said)
    if constraint.kind == "json_schema":
        return why + _pointer(error, json.loads(constraint.source))
    if place and constraint.kind == "lark":
        row, column = int(place[1]), int(place[2])
        return f"{why} (line {row}, column {_column(constraint.source, row, column, said)})"
    return why


def _meaning(said: str) -> str:
    for pattern, meaning in _MEANING:
        if found := re.fullmatch(pattern, said, re.S):
            return meaning(found) if callable(meaning) else found.expand(meaning)
    return said


def _missing(wanted: str, found: str) -> str:
    there = "the line ends" if found == r"\n" else f"there is a {found.removesuffix('...')}"
    return f"{wanted} is missing: {there}"


def _column(source: str, row: int, column: int, said: str) -> int:
    """Return where the name stands that is meant; the library gives the body of its rule."""
    lines = source.split("\n")
    if said.startswith("lexer error") and row <= len(lines):
        at = _odd_sign(lines[row - 1])
        return column if at is None else at + 1
    name = re.search(r'(?:unknown name|duplicate \w+): "(.*)"', said)
    if name and row <= len(lines):
        word = re.compile(rf"(?<![\w-]){re.escape(name[1])}(?![\w-])")
        at = 0 if said.startswith("duplicate") else max(0, column - 1)
        found = word.search(lines[row - 1], at)
        return found.start() + 1 if found else column
    return column


def _odd_sign(line: str) -> int | None:
    """Return where a line of Lark has an escape, a quote or a sign that is none; None: nowhere."""
    for text in _LARK_TEXT.finditer(line):
        if text[0][0] == '"' and (wrong := re.search(r'(?<!\\)(?:\\\\)*\\[^"\\/bfnrtux]', text[0])):
            return text.start() + wrong.start()
    rest = _LARK_TEXT.sub(lambda text: "_" * len(text[0]), line)
    sign = re.search(r"[^\w\s|():*+?\[\]{}.,~&<>%!=#/-]", rest)
    return sign.start() if sign else None


def _pointer(error: str, schema: Any) -> str:
    """Return ` at #/...` for the part of a schema that an error is about, where that is plain."""
    guilty = [
        at
        for at, key, value in _parts(schema, "#")
        if (key == "oneOf" and "oneOf" in error)
        or (key == "pattern" and isinstance(value, str) and value in error)
    ]
    return f", at {guilty[0]}" if guilty else ""


def _parts(value: Any, at: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _parts(inner, f"{at}/{number}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            place = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
            yield place, key, inner
            yield from _parts(inner, place)
