"""What an answer must look like: the user's words become a frozen `Constraint`.

Five ways to say it: choices (`yes,no`), a regex, a JSON schema (a file, inline JSON, or the
concise language `name, age int`), a grammar file (Lark or GBNF), or just "a JSON object". A maker
checks what can be checked without a model; `engines.llama.constraint` does the rest. Whatever
would not be kept to the letter is refused by name, so that a schema is never obeyed by half.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.errors import BadConstraint
from localai.formats.text import closest
from localai.system.files import read_text
from localai.types import Constraint, ConstraintKind

if TYPE_CHECKING:
    from localai.generation.json_schema import JsonObject


MAX_SOURCE: Final = 1_000_000  # bytes of UTF-8 in a file or a source
MAX_REGEX: Final = 10_000  # characters; compiling takes time that grows with the square
MAX_RULES: Final = 1_000  # rules of a grammar: the engine recurses along them, on an 8 MB stack

# What a rule begins with.
_RULES: Final[dict[str, str]] = {"gbnf": r"::=", "lark": r"(?m)^\s*[?!]?[\w-]+[^:\n\"/]*:"}

# The concise language, as `llm --schema` has it, and `list` besides.
_FIELD_TYPES: Final[dict[str, JsonObject]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
}
_OTHER_NAMES: Final = {
    "string": "str", "text": "str", "integer": "int", "number": "float", "double": "float",
    "boolean": "bool", "array": "list",
}  # fmt: skip
_SCHEMA_HELP: Final = "Give a .json file, inline JSON, or fields: 'name, age int, tags list'"


def from_choices(choices: str | Sequence[object]) -> Constraint:
    """Return "exactly one of these": `'yes, no'` or `['yes', 'no']`; blanks around are dropped."""
    given = choices.split(",") if isinstance(choices, str) else list(choices)
    names = [_choice(item) for item in given]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if not names or "" in names:
        raise BadConstraint("a choice is empty", "Give at least one word for each: yes,no")
    if twice is not None:
        raise BadConstraint(f"the choice {twice!r} is there twice", "Name each choice once")
    return _made("choices", json.dumps(names, ensure_ascii=False))


def from_regex(pattern: str) -> Constraint:
    """Return "the whole answer matches `pattern`" (Rust's syntax, without look-around)."""
    if not pattern:
        raise BadConstraint("the regex is empty", r"Give a pattern, such as '\d{4}-\d\d-\d\d'")
    if len(pattern) > MAX_REGEX:
        raise BadConstraint(f"the regex is longer than {MAX_REGEX} characters", "Use a grammar")
    from localai.generation.regex_syntax import problem

    if found := problem(pattern):
        raise BadConstraint(found.what, found.next_step)
    return _made("regex", pattern)


def from_typed_schema(typed: str) -> Constraint:
    """Return "JSON that fits this schema": the path of a JSON file, or as in `from_schema`."""
    text = typed.strip()
    is_path = text.endswith(".json") or os.path.lexists(text)
    if is_path and not text.startswith("{"):
        return from_schema_file(Path(text))
    return from_schema(text)


def from_schema_file(path: Path) -> Constraint:
    """Return "JSON that fits the schema in this file"."""
    return _schema(_parse_json(read_text(path, MAX_SOURCE), str(path)), str(path))


def from_schema(schema: str | Mapping[str, object]) -> Constraint:
    """Return "JSON that fits this schema".

    `schema` is inline JSON, the concise language (`name, age int: in years`), or a mapping that
    came out of YAML. The order of the properties is kept.
    """
    if not isinstance(schema, str):
        return _schema(_plain_json(schema), "the schema")
    text = schema.strip()
    if text.startswith("{"):
        return _schema(_parse_json(text, "the schema"), "the schema")
    return _schema(_from_fields(text), "the schema")


def from_grammar(typed: str | Path) -> Constraint:
    """Return "text of this grammar": a file, or the grammar itself.

    A file that is not `.lark` or `.gbnf`, and a text, are told by their `::=`.
    """
    if isinstance(typed, str) and _is_grammar(typed):
        return from_grammar_text(typed)
    file = Path(typed)
    return _grammar(read_text(file, MAX_SOURCE), file.suffix.lower(), str(file))


def from_grammar_text(text: str) -> Constraint:
    """Return "text of this grammar", which is told by its `::=`."""
    return _grammar(text, "", "the grammar")


def _is_grammar(typed: str) -> bool:
    """Whether a text is a grammar and not the path of one."""
    is_name = typed.lower().endswith((".gbnf", ".lark")) and "\n" not in typed
    try:
        if is_name or os.path.lexists(typed):
            return False
    except ValueError:  # a NUL
        return False
    return any(re.search(pattern, typed) for pattern in _RULES.values()) or "\n" in typed


def _grammar(text: str, suffix: str, name: str) -> Constraint:
    by_suffix: dict[str, ConstraintKind] = {".lark": "lark", ".gbnf": "gbnf"}
    kind = by_suffix.get(suffix, "gbnf" if "::=" in text else "lark")
    rules = re.findall(_RULES[kind], text)
    if not rules:
        example = 'root ::= "yes" | "no"' if kind == "gbnf" else 'start: "yes" | "no"'
        raise BadConstraint(f"{name} has no rule of a {kind} grammar", f"Write one: {example}")
    if len(rules) > MAX_RULES:
        raise BadConstraint(f"{name} has {len(rules)} rules, more than {MAX_RULES}", "Shorten it")
    return _made(kind, text)


def json_object() -> Constraint:
    """Return "a JSON object, whatever is in it"."""
    return Constraint("json_object", "")


def _made(kind: ConstraintKind, source: str) -> Constraint:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise BadConstraint("the constraint is not valid UTF-8", "Save it as UTF-8") from None
    if size > MAX_SOURCE:
        raise BadConstraint(f"the constraint is larger than {MAX_SOURCE} bytes", "Shorten it")
    return Constraint(kind, source)


def _choice(item: object) -> str:
    if isinstance(item, str):
        return item.strip()
    # YAML reads a bare yes, no, on, off as a truth value; nobody who writes choices means that.
    raise BadConstraint(f"the choice {item!r} is not text", f'Quote it in YAML: "{item}"')


def _schema(value: object, name: str) -> Constraint:
    if not isinstance(value, dict):
        raise BadConstraint(f"{name} is not a JSON object", _SCHEMA_HELP)
    from localai.generation.json_schema import (
        checked_schema,  # with its imports 5 ms that few commands need
    )

    schema = checked_schema(value)
    return _made("json_schema", json.dumps(schema, ensure_ascii=False, separators=(",", ":")))


def _plain_json(value: Mapping[str, object]) -> object:
    try:
        parsed: object = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadConstraint(f"the schema is not plain JSON: {error}", _SCHEMA_HELP) from None
    return parsed


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _parse_json(text: str, name: str) -> object:
    try:
        parsed: object = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadConstraint(f"{name} is not valid JSON: {error.msg} ({where})", "Fix it") from None
    except RecursionError:
        raise BadConstraint(f"{name} is nested too deep", "Flatten it with $defs") from None
    except ValueError as error:
        raise BadConstraint(f"{name} is not valid JSON: {error}", "Correct the number") from None
    return parsed


def _from_fields(text: str) -> JsonObject:
    """`'name, age int: in years'` -> an object schema with both, required, and nothing else."""
    lines = text.split("\n") if "\n" in text else text.split(",")
    properties: JsonObject = {}
    for line in filter(None, (line.strip().rstrip(",") for line in lines)):
        name, field = _field(line)
        if name in properties:
            raise BadConstraint(f"the field {name!r} is there twice", "Name each field once")
        properties[name] = field
    if not properties:
        raise BadConstraint("the schema is empty", _SCHEMA_HELP)
    required = list(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field(line: str) -> tuple[str, JsonObject]:
    head, colon, description = line.partition(":")
    words = head.split()
    if not 1 <= len(words) <= 2 or not re.fullmatch(r"\w[\w-]*", words[0]):
        raise BadConstraint(f"{line!r} is not a field of a schema", _SCHEMA_HELP)
    kind = words[1] if len(words) == 2 else "str"
    if kind not in _FIELD_TYPES:
        raise BadConstraint(f"{kind!r} is not a type, in the field {line!r}", _type_hint(kind))
    note: JsonObject = {"description": description.strip()} if colon else {}
    return words[0], {**_FIELD_TYPES[kind], **note}


def _type_hint(kind: str) -> str:
    near = closest(kind.lower(), [*_FIELD_TYPES, *_OTHER_NAMES])
    known = ", ".join(_FIELD_TYPES)
    if not near:
        return f"Types are {known}"
    return f"Did you mean {_OTHER_NAMES.get(near, near)}? Types are {known}"
