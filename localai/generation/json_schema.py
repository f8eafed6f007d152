"""Which JSON schemas can be kept: every keyword is enforced, a remark, or refused by name.

The lists were made by experiment with llguidance 1.9: random answers under each keyword, judged
by an independent validator. llguidance skips keywords that it has never heard of and keeps some
others by half (`minProperties` counts a key twice); this walk lets neither through.
Keywords are those of JSON Schema 2020-12, https://json-schema.org/draft/2020-12.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from localai.errors import BadConstraint
from localai.formats.text import closest
from localai.generation.regex_syntax import problem
from localai.generation.tool_schemas import TOOL_FORMATS, is_note, standard, without_notes

JsonObject: TypeAlias = dict[str, Any]

MAX_DEPTH: Final = 64  # levels of JSON; the engine's reader ends at 128, its stack not far behind
MAX_PARTS: Final = 1_000  # subschemas in all; the engine recurses along chains of them
MAX_CHAIN: Final = 100  # schemas in a row that judge the same value
MAX_EXACT: Final = 2**53  # beyond it a number is rounded on its way through a 64-bit float
MAX_MULTIPLE: Final = 1_000_000  # steps of a multipleOf; its automaton has one state for each
MAX_DECIMALS: Final = 9  # digits after the point of a multipleOf

TYPES: Final = ("string", "integer", "number", "boolean", "null", "array", "object")
FORMATS: Final = (
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri",
)  # fmt: skip

# Where other schemas lie inside a schema.
_ONE: Final = ("items", "additionalProperties")
_LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions")
_IN_PLACE: Final = ("anyOf", "oneOf", "allOf")  # these judge the same value as their parent

_ROOT_NOTES: Final = ("$schema", "$id")
_INSTEAD: Final = {
    "uniqueItems": "List the allowed items with prefixItems, or drop it",
    "minProperties": "Name the properties under required",
    "if": "Write the cases as anyOf",
    "then": "Write the cases as anyOf",
    "else": "Write the cases as anyOf",
    "not": "Say with enum, pattern or a range what is allowed",
    "dependentRequired": "Write the cases as anyOf",
    "propertyNames": "Use patternProperties with additionalProperties false",
    "additionalItems": "Use prefixItems and items",
    "nullable": 'Use "type": ["string", "null"]',
    "$anchor": "Point with $ref to #/$defs/name",
    "$id": "Keep it at the top only",
}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _small_number(value: Any) -> bool:
    return _number(value) and abs(value) <= MAX_EXACT


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _multiple(value: Any) -> bool:
    if not _number(value) or value <= 0:
        return False
    digits, exponent = Decimal(str(value)).as_tuple()[1:]
    steps = int("".join(map(str, digits))) * 10 ** max(0, min(int(exponent), 20))
    return steps <= MAX_MULTIPLE and int(exponent) >= -MAX_DECIMALS


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _type(value: object) -> bool:
    return value in TYPES or (
        isinstance(value, list) and bool(value) and all(name in TYPES for name in value)
    )


_Rule: TypeAlias = tuple[Callable[[Any], bool], str]
_BOUND: Final[_Rule] = (_small_number, "a number of at most 2^53")
_SIZE: Final[_Rule] = (_count, "a whole number that is not negative")
_VALUES: Final[dict[str, _Rule]] = {
    "type": (_type, f"one of {', '.join(TYPES)}, or a list of them"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list that is not empty"),
    "const": (lambda value: True, "a value"),
    "required": (_names, "a list of names"),
    "pattern": (lambda value: isinstance(value, str), "a regex"),
    "format": (lambda value: value in (*FORMATS, *TOOL_FORMATS), f"one of {', '.join(FORMATS)}"),
    "multipleOf": (_multiple, f"a number above 0, of at most {MAX_MULTIPLE} steps"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _BOUND),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "maxProperties"), _SIZE),
}
ENFORCED: Final = frozenset([*_VALUES, *_ONE, *_LISTED, *_NAMED, "$ref"])


def checked_schema(schema: JsonObject) -> JsonObject:
    """Return `schema` in words that the engine keeps, without `$schema`, `$id` and remarks.

    Raises
    ------
    BadConstraint
        It cannot be kept: what, and where.
    """
    root = {key: value for key, value in schema.items() if key not in _ROOT_NOTES}
    _check_depth(root)
    root = without_notes(root)
    _check_numbers(root)
    parts = list(_subschemas(root, "#"))
    if len(parts) > MAX_PARTS:
        raise BadConstraint(f"the schema has more than {MAX_PARTS} parts", "Shorten it")
    for at, part in parts:
        _check_keywords(part, at)
    _check_references(root, parts)
    made: JsonObject = standard(root, lambda reference: _target(reference, "#", root))
    return made


def _check_depth(schema: JsonObject) -> None:
    """Refuse what the engine's reader could not hold; what follows may recurse."""
    level: list[Any] = [schema]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for _, inner in _inside(value)]
    if level:
        raise BadConstraint(f"the schema is nested deeper than {MAX_DEPTH}", "Flatten it")


def _check_numbers(value: object, at: str = "#") -> None:
    """Refuse what would be rounded on its way to the engine."""
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        what = f"the schema cannot be kept: {str(value)[:30]} at {at} is above 2^53"
        raise BadConstraint(what, "Write a smaller number, or a string")
    for key, inner in _inside(value):
        _check_numbers(inner, f"{at}/{_escaped(key)}")


def _inside(value: object) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return [(str(at), inner) for at, inner in enumerate(value)] if isinstance(value, list) else []


def _subschemas(part: Any, at: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield (JSON pointer, schema) for a schema and all inside it, but for `true` and `false`."""
    if isinstance(part, bool):
        return
    if not isinstance(part, dict):
        raise BadConstraint(f"{at} of the schema is not a schema", "Write an object, or true")
    yield at, part
    for key in part:
        yield from _children(part[key], key, f"{at}/{_escaped(key)}")


def _children(value: Any, key: str, at: str) -> Iterator[tuple[str, JsonObject]]:
    if key == "items" and isinstance(value, list):
        raise _refused(key, at, "it is a list", "Call it prefixItems")
    if key in _ONE:
        yield from _subschemas(value, at)
    elif key in _LISTED:
        if not isinstance(value, list) or not value:
            raise _refused(key, at, "it is not a list of schemas")
        for n, inner in enumerate(value):
            yield from _subschemas(inner, f"{at}/{n}")
    elif key in _NAMED:
        if not isinstance(value, dict):
            raise _refused(key, at, "it is not an object of schemas")
        for name, inner in value.items():
            if key == "patternProperties":
                _check_pattern(name, key, f"{at}/{_escaped(name)}")
            yield from _subschemas(inner, f"{at}/{_escaped(name)}")


def _check_keywords(part: JsonObject, at: str) -> None:
    for key, value in part.items():
        where = f"{at}/{_escaped(key)}"
        if key in _VALUES:
            good, meaning = _VALUES[key]
            if not good(value):
                raise _refused(key, where, f"it must be {meaning}, not {str(value)[:40]}")
            if key == "pattern":
                _check_pattern(value, key, where)
        elif key not in ENFORCED and not is_note(key, value):
            raise _refused(key, where, "it would not be enforced", _INSTEAD.get(key) or _near(key))


def _check_pattern(pattern: str, key: str, at: str) -> None:
    if found := problem(pattern):
        raise _refused(key, at, found.what, found.next_step)


def _near(key: str) -> str:
    found = closest(key, ENFORCED, 0.75)
    return f"Did you mean {found}?" if found else "Take it out"


def _refused(key: str, at: str, why: str, next_step: str = "Change it") -> BadConstraint:
    return BadConstraint(f"the schema cannot be kept: {key!r} at {at}: {why}", next_step)


def _target(reference: object, at: str, root: JsonObject) -> Any:
    """Return the schema that a local reference (`#` or `#/$defs/name`) points to."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        why = f"{str(reference)[:80]!r} is not fetched"
        raise _refused("$ref", at, why, "Copy it under $defs and write #/$defs/name")
    found: Any = root
    for step in unquote(reference[2:]).split("/") if reference != "#" else ():
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isascii() and name.isdigit():
            found = dict(enumerate(found)).get(int(name))
        else:
            found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict | bool):
        raise _refused("$ref", at, f"there is nothing at {reference!r}", "Point it to #/$defs/name")
    return found


def _check_references(root: JsonObject, parts: list[tuple[str, JsonObject]]) -> None:
    """Refuse a reference to what is no schema of `parts` (so was not checked), and every circle."""
    known = {id(part) for _, part in parts}
    for at, part in parts:
        if "$ref" in part:
            target = _target(part["$ref"], f"{at}/$ref", root)
            if isinstance(target, dict) and id(target) not in known:
                raise _refused("$ref", f"{at}/$ref", "it points to no schema", "Use $defs")
    done: set[int] = set()
    for at, part in parts:
        _follow(part, at, root, [], done)


def _follow(part: Any, at: str, root: JsonObject, path: list[int], done: set[int]) -> None:
    """Walk to the schemas that judge the same value; coming back to one of `path` is a circle."""
    if not isinstance(part, dict) or id(part) in done:
        return
    if id(part) in path:
        raise _refused("$ref", at, "it leads back to itself", "Put an array in between")
    if len(path) >= MAX_CHAIN:
        raise _refused("$ref", at, f"a chain of more than {MAX_CHAIN}")
    path.append(id(part))
    if "$ref" in part:
        _follow(_target(part["$ref"], at, root), at, root, path, done)
    for key in _IN_PLACE:
        for inner in part.get(key, ()):
            _follow(inner, at, root, path, done)
    done.add(path.pop())


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
