"""Whether an answer that another server gave keeps the constraint that was passed on to it."""

from __future__ import annotations

import json
from typing import Any

from localai.errors import ConstraintNotMet
from localai.formats.text import shown
from localai.types import Constraint

_SHOWN = 60  # characters of an answer


class ArrivalCheck:
    """Checks answers against one constraint.

    JSON is checked by the reference validator (`jsonschema`), all else by the grammar that our own
    engine would follow, byte by byte.
    """

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._validator: Any = None
        if constraint.kind == "json_schema":
            import jsonschema

            schema = json.loads(constraint.source)
            kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
            self._validator = kind(schema, format_checker=kind.FORMAT_CHECKER)

    def refuse(self, text: str) -> None:
        """Raise ConstraintNotMet where an answer does not keep the constraint."""
        if self._constraint.kind in ("json_schema", "json_object"):
            problem = self._json_problem(text)
        else:
            problem = "" if self._follows(text) else "it is another text"
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

    def _follows(self, text: str) -> bool:
        from llguidance import LLMatcher, LLTokenizer

        from localai.engines.llama.grammar import grammar

        tokenizer = LLTokenizer("byte")
        matcher = LLMatcher(tokenizer, grammar(self._constraint), log_level=0)
        tokens = tokenizer.tokenize_bytes(text.encode("utf-8", "surrogatepass"))
        return bool(matcher.consume_tokens(tokens) and matcher.is_accepting())
