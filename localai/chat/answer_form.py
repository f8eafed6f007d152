"""What `/set` may hold the answers of a chat to: choices, a regex, a schema, a grammar, JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localai.errors import BadInput
from localai.generation import constraints
from localai.types import Constraint, TextRequest

_ON = "on"

MAKERS: dict[str, Callable[[str], Constraint]] = {
    "choices": constraints.from_choices,
    "regex": constraints.from_regex,
    "schema": constraints.from_typed_schema,
    "grammar": constraints.from_grammar,
    "json-object": lambda _: constraints.json_object(),
}
"""Name of a setting to what makes a constraint of its text."""


def checked(name: str, text: str) -> str:
    """Return what is kept of a setting: itself, and of a file what is in it.

    Raises
    ------
    BadInput
        It is no such form.
    """
    if name == "json-object" and text != _ON:
        raise BadInput(f"json-object is {_ON}, not {text[:40]!r}", "/set json-object -")
    made = MAKERS[name](text)
    return made.source if name in ("schema", "grammar") else text


def without_others(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for one to be set: an answer has one form at most."""
    forms = [each.replace("-", "_") for each in MAKERS] if name in MAKERS else []
    return {each: kept for each, kept in settings.items() if each not in forms}


def held(request: TextRequest, settings: Mapping[str, Any]) -> TextRequest:
    """Return a request whose answer is held to the form that was set, if one was."""
    for name, make in MAKERS.items():
        if text := settings.get(name.replace("-", "_")):
            return request._replace(constraint=make(str(text)), stop=(), think=False)
    return request
