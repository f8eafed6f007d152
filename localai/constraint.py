"""What an answer must look like, as it travels to the engine; `constraints` makes it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["choices", "regex", "json_schema", "json_object", "lark", "gbnf"]


class Constraint(NamedTuple):
    """What the answer must be; two strings, so that it travels over the wire as it is.

    `source` by kind: choices, a JSON list of strings; json_schema, JSON text; json_object, empty;
    regex, lark and gbnf, what the user wrote.
    """

    kind: Kind
    source: str
