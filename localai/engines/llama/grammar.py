"""A `Constraint` -> a grammar for llguidance: the style of JSON, real dates, choices, GBNF."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

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
            made = LLMatcher.grammar_from_lark(_lark(source))
    return str(made)


def _json_grammar(schema: dict[str, Any]) -> str:
    return str(LLMatcher.grammar_from_json_schema(_real_days(schema), overrides=_JSON_STYLE))


def _real_days(part: Any) -> Any:
    """Return the schema with `_REAL_DAY` asked of every date."""
    if isinstance(part, list):
        return [_real_days(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    changed = dict(part)
    for key, value in part.items():
        if key in _MAPS:
            changed[key] = {name: _real_days(inner) for name, inner in value.items()}
        elif key not in _DATA:
            changed[key] = _real_days(value)
    if part.get("format") in _DATED:
        changed["allOf"] = [*changed.get("allOf", []), {"pattern": _REAL_DAY}]
    return changed


# The pieces of a GBNF grammar, https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md
_GBNF: Final = re.compile(
    r'(?P<literal>"(?:\\.|[^"\\])*")|(?P<chars>\[(?:\\.|[^\]\\])*\])|(?P<comment>\#[^\n]*)'
    r"|(?P<times>\{[^}]*\})|(?P<rule>[A-Za-z0-9_-]+(?=[ \t]*::=))|(?P<name>[A-Za-z0-9_-]+)|(?s:.)"
)
_HEX: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)")


def _lark(source: str) -> str:
    r"""GBNF -> Lark, by llguidance's converter; what that one gets wrong is rewritten before.

    It stumbles over \u escapes and over rules whose names differ in case alone, and takes `&&`,
    `~~` and `--` in a class for set operators. Lines stay lines, for the sake of its messages.
    """
    names: dict[str, str] = {}
    try:
        _check_rules(source)
        return str(gbnf_to_lark(_GBNF.sub(lambda piece: _rewritten(piece, names), source)))
    except BadConstraint:
        raise
    except Exception as error:  # the converter raises Exception itself, and RecursionError
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise BadConstraint(f"the gbnf grammar is not valid: {why}", "Correct it") from None


def _check_rules(source: str) -> None:
    defined: set[str] = set()
    for piece in _GBNF.finditer(source):
        if piece.lastgroup == "rule" and piece[0] in defined:
            raise _gbnf_error(f"the rule {piece[0]!r} is there twice", piece)
        if piece.lastgroup == "rule":
            defined.add(piece[0])
    for piece in _GBNF.finditer(source):
        if piece.lastgroup == "name" and piece[0] not in defined:
            raise _gbnf_error(f"there is no rule {piece[0]!r}", piece)
        if piece[0] in ('"', "["):
            raise _gbnf_error(f"this {piece[0]} is never closed", piece)
    if "root" not in defined:
        raise BadConstraint("the gbnf grammar has no rule 'root'", "Name the first rule root")


def _gbnf_error(what: str, piece: re.Match[str]) -> BadConstraint:
    line = piece.string.count("\n", 0, piece.start()) + 1
    return BadConstraint(f"the gbnf grammar is not valid: {what} (line {line})", "Correct it")


def _rewritten(piece: re.Match[str], names: dict[str, str]) -> str:
    text = piece[0]
    match piece.lastgroup:
        case "rule" | "name":
            return "root" if text == "root" else names.setdefault(text, f"r{len(names)}")
        case "literal":
            return _HEX.sub(_character, text)
        case "chars":
            text = _HEX.sub(_character, text).replace("&", r"\x26").replace("~", r"\x7E")
            return text.replace("--", r"-\x2D")
        case "comment":
            return ""
    return text


def _character(escape: re.Match[str]) -> str:
    r"""`\u00e9` -> é; what could be mistaken for syntax stays an escape, `\u0022` -> `\x22`."""
    digits = escape[1] or escape[2] or escape[3]
    if digits is None:
        return escape[0]
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ValueError(f"{escape[0]} is no character")
    return chr(code) if code > 0x9F else f"\\x{code:02x}"
