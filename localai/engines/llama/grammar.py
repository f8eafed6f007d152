"""A `Constraint` -> a grammar for llguidance: the style of JSON, real dates, ends, choices."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from llguidance import LLMatcher

from localai.engines.llama.gbnf import lark_of_gbnf
from localai.errors import BadConstraint
from localai.types import Constraint

# One line as `json.dumps` writes it. Free blanks would let a bored model write them for ever, and
# \uXXXX would let it spell the name of a property a second time.
_JSON_STYLE: Final[dict[str, Any]] = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "json_allowed_escapes": 'nrbtf\\"',
}

# llguidance's dates know 29 February in every year; this begins every date but the false ones.
_REAL_DAY: Final = (
    r"^(?:[0-9]{4}-(?:0[13-9]|1[0-2])|[0-9]{4}-02-(?:[01]|2[0-8])"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_MOST: Final = 2**63 - 1024  # the largest bound below 2^63 that is a float as well
_BOUNDS: Final = (("minimum", "exclusiveMinimum", -_MOST), ("maximum", "exclusiveMaximum", _MOST))
_MOST_MULTIPLE: Final = 1000  # of larger ones the library's automaton grows too slow to bound
_DATED: Final = ("date", "date-time")
_DATA: Final = ("enum", "const", "default", "examples")  # keywords whose value is no schema
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions")  # name to schema


def grammar(constraint: Constraint) -> str:
    """Return the grammar in llguidance's own JSON; BadConstraint where a GBNF file is not valid."""
    source = constraint.source
    match constraint.kind:
        case "choices":
            # One regex, because thousands of rules are too many for one row of the parser.
            choices = json.loads(source)
            if not choices or not all(isinstance(choice, str) and choice for choice in choices):
                raise BadConstraint("there are no choices", "Give some: yes,no")
            made = LLMatcher.grammar_from_regex("|".join(map(re.escape, choices)))
        case "regex":
            made = LLMatcher.grammar_from_regex(source)
        case "json_schema":
            made = _json_grammar(json.loads(source))
        case "json_object":
            made = _json_grammar({"type": "object"})
        case "lark":
            made = LLMatcher.grammar_from_lark(source)
        case "gbnf":
            made = LLMatcher.grammar_from_lark(lark_of_gbnf(source))
    return str(made)


def _json_grammar(schema: dict[str, Any]) -> str:
    return str(LLMatcher.grammar_from_json_schema(_completed(schema), overrides=_JSON_STYLE))


def _completed(part: Any) -> Any:
    """Return the schema with `_REAL_DAY` asked of every date, and an end to all multiples.

    A multiple is not always there when a number has digits enough (`number_limit`): bounds show
    the library the way to one.
    """
    if isinstance(part, list):
        return [_completed(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    changed = dict(part)
    for key, value in part.items():
        if key in _MAPS:
            changed[key] = {name: _completed(inner) for name, inner in value.items()}
        elif key not in _DATA:
            changed[key] = _completed(value)
    multiple = part.get("multipleOf")
    if isinstance(multiple, int | float) and multiple <= _MOST_MULTIPLE:
        for own, exclusive, most in _BOUNDS:
            if exclusive not in part:
                changed.setdefault(own, most)
    if part.get("format") in _DATED:
        changed["allOf"] = [*changed.get("allOf", []), {"pattern": _REAL_DAY}]
    return changed
