"""Whether the cases of a `oneOf` exclude each other, so that it says no more than `anyOf`.

Pydantic, OpenAPI and others write tagged unions so: each case demands a property with a constant
of its own. The engine cannot count cases that hold, but cases that exclude each other need no
counting. What cannot be proved here is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from typing import Any, Final, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
Resolve: TypeAlias = Callable[[str], Any]  # a local reference to the schema that it means

_DEEPEST: Final = 8  # properties within properties that are compared
_MOST_STEPS: Final = 2_000  # of one comparison: references can double its work again and again
_TYPES: Final = frozenset(("integer", "fraction", "string", "boolean", "null", "array", "object"))

_Parts: TypeAlias = list[JsonObject]  # schemas that all judge the same value


def exclude_each_other(parent: JsonObject, resolve: Resolve) -> bool:
    """Whether no value fits two cases of the `oneOf` of a schema, whose other words hold too.

    Parameters
    ----------
    parent : dict
        A schema that was checked, with a `oneOf`.
    resolve : callable
        A local reference to the schema that it means.
    """
    base = {key: value for key, value in parent.items() if key != "oneOf"}
    comparison = _Comparison(resolve)
    try:
        cases = [comparison.ways([base, case]) for case in parent["oneOf"]]
        return all(comparison.exclusive(one, other) for one, other in combinations(cases, 2))
    except _TooMuchError:
        return False


class _TooMuchError(Exception):
    """A comparison would take too long."""


class _Comparison:
    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._steps = 0

    def ways(self, parts: list[Any]) -> list[_Parts]:
        """Return the ways to fulfil schemas together, each without references and cases."""
        found: list[_Parts] = [[]]
        for part in parts:
            inner = self._ways_of(part)
            self._count(len(found) * len(inner))
            found = [[*way, *more] for way in found for more in inner]
        return found

    def _ways_of(self, part: Any) -> list[_Parts]:
        self._count(1)
        if not isinstance(part, dict):
            return [] if part is False else [[]]
        beside: list[Any] = list(part.get("allOf", ()))
        if "$ref" in part:
            beside.append(self._resolve(part["$ref"]))
        found = self.ways(beside)
        for key in ("anyOf", "oneOf"):
            if key in part:
                cases = [way for case in part[key] for way in self.ways([case])]
                self._count(len(found) * len(cases))
                found = [[*way, *more] for way in found for more in cases]
        return [[part, *way] for way in found]

    def exclusive(self, ones: list[_Parts], others: list[_Parts], depth: int = _DEEPEST) -> bool:
        """Whether no value fits a way of each."""
        return all(self._exclusive(one, other, depth) for one in ones for other in others)

    def _exclusive(self, one: _Parts, other: _Parts, depth: int) -> bool:
        self._count(1)
        both = [*one, *other]
        values = _values(both)
        types = frozenset.intersection(_TYPES, *map(_types, both))
        if values is not None:
            return not any(_type_of(value) in types for value in values)
        if types != {"object"} or depth == 0:
            return not types
        names = {name for part in both for name in part.get("required", ())}
        return any(self._apart(name, one, other, depth) for name in names)

    def _apart(self, name: str, one: _Parts, other: _Parts, depth: int) -> bool:
        """Whether a property that must be there fits no way of both, or may not be there in one."""
        if any(_forbids(part, name) for part in (*one, *other)):
            return True
        first, second = (
            self.ways([_names(part)[name] for part in parts if name in _names(part)])
            for parts in (one, other)
        )
        return self.exclusive(first, second, depth - 1)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise _TooMuchError


def _names(part: JsonObject) -> JsonObject:
    found = part.get("properties", {})
    return found if isinstance(found, dict) else {}


def _forbids(part: JsonObject, name: str) -> bool:
    closed = part.get("additionalProperties") is False and not part.get("patternProperties")
    return (closed and name not in _names(part)) or _names(part).get(name) is False


def _values(parts: _Parts) -> list[Any] | None:
    """Return the values that all `const` and `enum` leave; None: there are no such words."""
    found: dict[str, Any] | None = None
    for part in parts:
        for values in (part.get("enum"), [part["const"]] if "const" in part else None):
            if values is not None:
                these = {_canonical(value): value for value in values}
                found = these if found is None else {k: v for k, v in found.items() if k in these}
    return None if found is None else list(found.values())


def _canonical(value: Any) -> str:
    """Return a text that is equal for values that JSON holds for equal: 1 and 1.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _types(part: JsonObject) -> frozenset[str]:
    given = part.get("type", list(_TYPES))
    names = {given} if isinstance(given, str) else set(given)
    if "number" in names:
        names |= {"integer", "fraction"}
    return frozenset(names) & _TYPES


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "fraction"
    kinds = ((int, "integer"), (str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")
