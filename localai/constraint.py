"""What an answer must look like, as it travels to the engine; `constraints` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["choices", "regex", "json_schema", "json_object", "lark", "gbnf"]


@dataclass(frozen=True)
class Constraint:
    """What the answer must be; two strings, so that it travels over the wire as it is.

    `source` by kind: choices, a JSON list of strings; json_schema, JSON text; json_object, empty;
    regex, lark and gbnf, what the user wrote.
    """

    kind: Kind
    source: str
