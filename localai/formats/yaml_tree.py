"""YAML from strangers as a tree of values, each of which knows its file and line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from localai.errors import BadInput
from localai.formats.text import nearest

_NODES = 20_000  # values in a file: a large lorebook has some thousands
_DEPTH = 20  # levels of nesting
_TAG = "tag:yaml.org,2002:"

Kind = Literal["text", "null", "bool", "int", "float", "list", "map"]
_KINDS: dict[str, Kind] = {"null": "null", "bool": "bool", "int": "int", "float": "float"}


@dataclass(frozen=True)
class Node:
    """A value: what it is, and where it stands."""

    source: str  # names the file in errors
    line: int
    kind: Kind
    text: str = ""  # of a scalar, as it is written
    items: tuple[Node, ...] = ()
    fields: Mapping[str, Node] = field(default_factory=dict)

    def wrong(self, what: str, hint: str = "") -> BadInput:
        """Return the error that this value should be something else."""
        return self.error(f"this should be {what}", hint)

    def error(self, what: str, hint: str = "") -> BadInput:
        """Return the error that says `what` of this value's line."""
        return BadInput(f"{self.source}:{self.line}: {what}", hint)

    def children(self, known: Sequence[str] = ()) -> dict[str, Node]:
        """Return a mapping's values; BadInput, with a guess, at a key not `known`, if any are."""
        if self.kind != "map":
            raise self.wrong("a mapping (`key: value`)")
        for key, value in self.fields.items():
            if known and key not in known:
                hint = nearest(key, known) or f"known are: {', '.join(known)}"
                raise value.error(f"unknown key `{key}`", hint)
        return dict(self.fields)

    def plain(self) -> Any:
        """Return JSON data; what JSON has no number for (a date, `16:9`) stays text."""
        if self.kind == "map":
            return {key: node.plain() for key, node in self.fields.items()}
        if self.kind == "list":
            return [node.plain() for node in self.items]
        if self.kind == "null":
            return None
        if self.kind == "bool":
            return self.text.lower() in ("true", "yes", "on")
        return self.text if self.kind == "text" else self._number()

    def _number(self) -> int | float | str:
        if self.text.lstrip("+-").lower() in (".nan", ".inf"):
            raise self.wrong("a finite number")
        try:
            number = int(self.text) if self.kind == "int" else float(self.text.replace("_", ""))
        except ValueError:
            return self.text
        return number if math.isfinite(number) else self.text


def load(text: str, source: str, first_line: int = 1) -> Node:
    """Return the tree of a file's text.

    Parameters
    ----------
    source : str
        Names the file in errors.
    first_line : int
        Of the file, that the text begins on.

    Raises
    ------
    BadInput
        It is no YAML, holds anchors or tags, is too large or too deep, or has a key twice; with
        file and line.
    """
    import yaml

    try:
        return _Reader(text, source, first_line).document()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + first_line
        what = f"a character that YAML forbids: {error.character!r}"
        raise BadInput(f"{source}:{line}: {what}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + first_line if mark else first_line
        raise BadInput(f"{source}:{line}: this is not YAML: {error.problem}") from None
    except (ValueError, OverflowError):  # PyYAML's own slip, at an escape like "\Uffffffff"
        raise BadInput(
            f"{source}:{first_line}: an impossible escape or number in the YAML"
        ) from None


class _Reader:
    """Makes the tree while the file is read, so that a bomb is refused before it has grown."""

    def __init__(self, text: str, source: str, first_line: int) -> None:
        import yaml

        self._loader: Any = cast(Any, yaml.SafeLoader)(text)
        self._scalar = yaml.ScalarNode
        self._source = source
        self._first_line = first_line
        self._count = 0

    def document(self) -> Node:
        self._next()  # the stream begins
        if self._kind(self._next()) == "StreamEnd":
            return Node(self._source, self._first_line, "null")
        root = self._node(self._next(), 1)
        self._next()  # the document ends
        if self._kind(event := self._next()) != "StreamEnd":
            raise self._error(event, "a second document begins here")
        return root

    def _next(self) -> Any:
        event = self._loader.get_event()
        self._count += 1
        if self._count > _NODES:
            raise self._error(event, f"the file holds more than {_NODES} values")
        if getattr(event, "anchor", None) is not None:
            hint = "quote the text"
            raise self._error(event, "anchors and aliases (`&x`, `*x`) are not allowed", hint)
        if getattr(event, "tag", None) is not None:
            raise self._error(event, "tags (`!x`) are not allowed", "quote the text")
        return event

    def _node(self, event: Any, depth: int) -> Node:
        if depth > _DEPTH:
            raise self._error(event, f"nested more than {_DEPTH} levels deep")
        line = event.start_mark.line + self._first_line
        match self._kind(event):
            case "SequenceStart":
                return Node(self._source, line, "list", items=self._items(depth))
            case "MappingStart":
                return Node(self._source, line, "map", fields=self._fields(depth))
        tag = self._loader.resolve(self._scalar, event.value, event.implicit)
        kind = _KINDS.get(tag.removeprefix(_TAG), "text")
        node = Node(self._source, line, kind, _without_cr(event.value))
        if any("\ud800" <= char <= "\udfff" for char in node.text):
            raise node.wrong("a text of whole letters (no half of a surrogate pair)")
        return node

    def _items(self, depth: int) -> tuple[Node, ...]:
        found = []
        while self._kind(event := self._next()) != "SequenceEnd":
            found.append(self._node(event, depth + 1))
        return tuple(found)

    def _fields(self, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while self._kind(event := self._next()) != "MappingEnd":
            key = self._node(event, depth + 1)
            if key.items or key.fields or key.kind in ("list", "map"):
                hint = "quote a text that begins with `{{`" if key.kind == "map" else ""
                raise key.wrong("a key, which is a text", hint)
            if key.text in found:
                raise key.error(f"`{key.text}` is there twice")
            found[key.text] = self._node(self._next(), depth + 1)
        return found

    def _error(self, event: Any, what: str, hint: str = "") -> BadInput:
        line = event.start_mark.line + self._first_line
        return BadInput(f"{self._source}:{line}: {what}", hint)

    @staticmethod
    def _kind(event: Any) -> str:
        return type(event).__name__.removesuffix("Event")


def _without_cr(text: str) -> str:
    return text.replace("\r\n", "\n")
