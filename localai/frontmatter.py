"""The front matter of a prompt file: which keys there are, and what each may hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from localai.errors import BadInput
from localai.terminal.text import nearest

_LIMIT = 64 * 1024  # characters; the YAML reader takes about a second for them
_DEPTH = 20  # levels of nesting, enough for any schema
_TAG = "tag:yaml.org,2002:"


class Node(Protocol):
    """A value as PyYAML leaves it: its kind (scalar, sequence, mapping), type, content, place."""

    id: str
    tag: str
    value: Any
    start_mark: Any


@dataclass(frozen=True)
class Front:
    """A file cut in two: the values of its keys, not yet read, and the body."""

    source: str  # names the file in errors
    nodes: Mapping[str, Node]
    body: str
    body_line: int

    def line(self, node: Node) -> int:
        """Return the line of the file that a value begins on."""
        # The front matter's first line is the file's second.
        return int(node.start_mark.line) + 2

    def error(self, line: int, what: str, hint: str = "") -> BadInput:
        """Return the error that says `what` of a line."""
        return BadInput(f"{self.source}:{line}: {what}", hint)

    def wrong(self, node: Node, what: str) -> BadInput:
        """Return the error that a value should be something else."""
        return self.error(self.line(node), f"this should be {what}")


def front_matter(text: str, source: str) -> Front:
    """Return a prompt file's text, cut in two.

    Raises
    ------
    BadInput
        There is no front matter, it is not YAML, too large or too deep, or a key is unknown.
    """
    lines = text.split("\n")
    end = next((i for i, line in enumerate(lines) if i and line.rstrip() in ("---", "...")), 0)
    if lines[0].rstrip() != "---" or not end:
        raise BadInput(
            f"{source}:1: there is no front matter",
            "begin with a line `---`, then `description: ...`, then a line `---`",
        )
    front = Front(source, {}, "\n".join(lines[end + 1 :]), end + 2)
    yaml_text = "\n".join(lines[1:end])
    if len(yaml_text) > _LIMIT:
        raise front.error(1, f"the front matter is longer than {_LIMIT // 1024} kB")
    root = _compose(front, yaml_text)
    nodes = {} if root is None else _children(front, root, tuple(KEYS))
    return Front(source, nodes, front.body, front.body_line)


def _compose(front: Front, text: str) -> Node | None:
    import yaml

    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.events.CollectionStartEvent)
            depth -= isinstance(event, yaml.events.CollectionEndEvent)
            _refuse(front, event, depth)
        root: Node | None = cast(Any, yaml.compose(text, Loader=yaml.SafeLoader))
        return root
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 2
        raise front.error(line, f"a character that YAML forbids: {error.character!r}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 2 if mark else 1
        raise front.error(line, f"the front matter is not YAML: {error.problem}") from None
    except (ValueError, OverflowError):  # PyYAML's own slip, at an escape like "\Uffffffff"
        raise front.error(1, "the front matter holds an impossible escape or number") from None


def _refuse(front: Front, event: Any, depth: int) -> None:
    """Raise BadInput at what could blow up, or makes more of a file than text and numbers."""
    line = event.start_mark.line + 2
    if depth > _DEPTH:
        raise front.error(line, f"nested more than {_DEPTH} levels deep")
    if getattr(event, "anchor", None) is not None:
        raise front.error(
            line, "anchors and aliases (`&x`, `*x`) are not allowed", "quote the text"
        )
    if getattr(event, "tag", None) is not None:
        raise front.error(line, "tags (`!x`) are not allowed", "quote the text")


def _children(front: Front, node: Node, known: tuple[str, ...] | None) -> dict[str, Node]:
    """Return a mapping's values; each key is a text, once there, and among the known."""
    if node.id != "mapping":
        raise front.wrong(node, "a mapping (`key: value`)")
    found: dict[str, Node] = {}
    for key_node, value in node.value:
        key = _text(front, key_node)
        if key in found:
            raise front.error(front.line(key_node), f"`{key}` is there twice")
        if known is not None and key not in known:
            hint = nearest(key, list(known)) or f"known are: {', '.join(known)}"
            raise front.error(front.line(key_node), f"unknown key `{key}`", hint)
        found[key] = value
    return found


# Readers of one value each. Texts are taken as they are written: `choices: [yes, no]` are the
# words, not the truth values that YAML makes of them.


def _text(front: Front, node: Node) -> str:
    if node.id != "scalar":
        raise front.wrong(node, "a text")
    text = str(node.value)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise front.wrong(node, "a text of whole letters (no half of a surrogate pair)")
    return text


def _line(front: Front, node: Node) -> str:
    text = _text(front, node).strip()
    if not text or "\n" in text:
        raise front.wrong(node, "one line of text")
    return text


def _number(front: Front, node: Node) -> float:
    try:
        number = float(_text(front, node))
    except ValueError:
        number = -1
    if not 0 <= number < math.inf:
        raise front.wrong(node, "a number, 0 or more")
    return number


def _count(front: Front, node: Node) -> int:
    text = _text(front, node)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise front.wrong(node, "a whole number, 1 or more")
    return int(text)


def _texts(front: Front, node: Node) -> tuple[str, ...]:
    items = node.value if node.id == "sequence" else [node]
    texts = tuple(_text(front, item) for item in items)
    if not texts or "" in texts:
        raise front.wrong(node, "a list of texts, none of them empty")
    return texts


def _schema(front: Front, node: Node) -> str | dict[str, Any]:
    if node.id != "mapping":
        return _line(front, node)
    plain = _plain(front, node)
    assert isinstance(plain, dict)
    return plain


def _plain(front: Front, node: Node) -> Any:
    """Return JSON data: YAML's dates stay texts, and keys are texts."""
    if node.id == "mapping":
        children = _children(front, node, None)
        return {key: _plain(front, child) for key, child in children.items()}
    if node.id == "sequence":
        return [_plain(front, child) for child in node.value]
    text = _text(front, node)
    try:
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "int":
                return int(text)
            case "float":
                return _finite(float(text))
    except ValueError:
        raise front.wrong(node, "a number as JSON writes it") from None
    return text


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _variables(front: Front, node: Node) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, child in _children(front, node, None).items():
        if name == "input" or not name.replace("-", "_").isidentifier():
            raise front.error(front.line(child), f"`{name}` cannot be a variable's name")
        found[name] = None if child.tag == f"{_TAG}null" else _text(front, child)
    return found


def _example(front: Front, node: Node) -> dict[str, Any]:
    children = _children(front, node, ("input", "variables", "answer"))
    for key in ("input", "answer"):
        if key not in children:
            raise front.error(front.line(node), f"the example has no `{key}`")
    found: dict[str, Any] = {key: _text(front, children[key]) for key in ("input", "answer")}
    if "variables" in children:
        given = _variables(front, children["variables"])
        found["variables"] = {name: text or "" for name, text in given.items()}
    return found


KEYS: dict[str, Callable[[Front, Node], Any]] = {
    "description": _line,
    "system": _text,
    "temperature": _number,
    "max_tokens": _count,
    "stop": _texts,
    "choices": _texts,
    "schema": _schema,
    "regex": _text,
    "model": _line,
    "variables": _variables,
    "example": _example,
}
