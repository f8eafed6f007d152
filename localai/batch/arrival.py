"""Whether an answer that another server gave keeps the constraint that was passed on to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from localai.errors import ConstraintNotMet
from localai.formats.text import shown
from localai.types import Constraint

_SHOWN = 60  # characters of an answer


class ArrivalCheck:
    r"""Checks answers against one constraint.

    JSON is checked by the reference validator (`jsonschema`), its patterns and all else by the
    grammar that our own engine would follow, byte by byte: a pattern is Rust's, and Python's `re`
    does not know all of it (`\p{L}`). Of a `format` is checked what the validator knows.
    """

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._validator: Any = None
        if constraint.kind == "json_schema":
            self._validator = _validator(json.loads(constraint.source))

    def refuse(self, text: str) -> None:
        """Raise ConstraintNotMet where an answer does not keep the constraint."""
        if self._constraint.kind in ("json_schema", "json_object"):
            problem = self._json_problem(text)
        else:
            problem = "" if _follows(self._constraint, text) else "it is another text"
        if problem:
            kind = self._constraint.kind.replace("_", " ")
            raise ConstraintNotMet(
                f"the server's answer does not keep the {kind}: {shown(problem[:200])} "
                f"({shown(text[:_SHOWN])!r})",
                "the server may not know this constraint, or -n allows too few tokens",
            )

    def _json_problem(self, text: str) -> str:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"it is not JSON: {error}"
        if self._validator is None:
            return "" if isinstance(value, dict) else "it is no object"
        found = next(iter(self._validator.iter_errors(value)), None)
        return str(found.message) if found else ""


def _follows(constraint: Constraint, text: str) -> bool:
    """Whether our own engine might have written a text."""
    from llguidance import LLMatcher

    from localai.engines.llama.grammar import grammar

    tokenizer = _bytes()
    matcher = LLMatcher(tokenizer, grammar(constraint), log_level=0)
    tokens = tokenizer.tokenize_bytes(text.encode("utf-8", "surrogatepass"))
    return bool(matcher.consume_tokens(tokens) and matcher.is_accepting())


@cache
def _bytes() -> Any:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def _validator(schema: Mapping[str, Any]) -> Any:
    """Return the reference validator of a schema, with our own way to match patterns."""
    import jsonschema

    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    return jsonschema.validators.extend(kind, own)(schema, format_checker=kind.FORMAT_CHECKER)


def _found(pattern: str, text: str) -> bool:
    """Whether a pattern of a schema is found somewhere in a text."""
    schema = Constraint("json_schema", json.dumps({"type": "string", "pattern": pattern}))
    return _follows(schema, json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))


# Keywords as `jsonschema` calls them: with the validator, the keyword's value, what is validated,
# and the schema around. They yield what is wrong.


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not _found(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], value: Any, _: Any
) -> Iterator[Any]:
    for name in value if isinstance(value, dict) else ():
        for pattern, schema in patterns.items():
            if _found(pattern, name):
                yield from validator.descend(value[name], schema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, others: Any, value: Any, around: Mapping[str, Any]
) -> Iterator[Any]:
    from jsonschema import ValidationError

    named, patterns = around.get("properties", {}), around.get("patternProperties", {})
    for name in value if isinstance(value, dict) else ():
        if name in named or any(_found(pattern, name) for pattern in patterns):
            continue
        if others is False:
            yield ValidationError(f"the property {name!r} is not allowed")
        else:
            yield from validator.descend(value[name], others, path=name)
