"""The front matter of a prompt file: which keys there are, and what each may hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localai.errors import BadInput
from localai.formats import yaml_tree
from localai.formats.yaml_tree import Node
from localai.types import sampling_bounds, sampling_value

_LIMIT = 64 * 1024  # characters; the YAML reader takes about a second for them


@dataclass(frozen=True)
class Front:
    """A file cut in two: the values of its keys, not yet read, and the body."""

    nodes: Mapping[str, Node]
    body: str
    body_line: int


def front_matter(text: str, source: str) -> Front:
    """Return a prompt file's text, cut in two.

    Raises
    ------
    BadInput
        There is no front matter, it is not YAML, too large or too deep, or a key is unknown.
    """
    lines = text.split("\n")
    top = int(lines[0].startswith("#!"))  # a prompt file may be executable
    marks = (i for i, line in enumerate(lines) if i > top and line.rstrip() in ("---", "..."))
    end = next(marks, 0)
    if lines[top : top + 1] == [] or lines[top].rstrip() != "---" or not end:
        raise BadInput(
            f"{source}:{top + 1}: there is no front matter",
            "begin with a line `---`, then `description: ...`, then a line `---`",
        )
    yaml_text = "\n".join(lines[top + 1 : end])
    if len(yaml_text) > _LIMIT:
        raise BadInput(f"{source}:1: the front matter is longer than {_LIMIT // 1024} kB")
    root = yaml_tree.load(yaml_text, source, first_line=top + 2)
    nodes = {} if root.kind == "null" and not root.text else root.children(tuple(KEYS))
    return Front(nodes, "\n".join(lines[end + 1 :]), end + 2)


# Readers of one value each. Texts are taken as they are written: `choices: [yes, no]` are the
# words, not the truth values that YAML makes of them.


def _text(node: Node) -> str:
    if node.kind in ("list", "map"):
        raise node.wrong("a text")
    return node.text


def _line(node: Node) -> str:
    text = _text(node).strip()
    if not text or "\n" in text:
        raise node.wrong("one line of text")
    return text


def _temperature(node: Node) -> float:
    number = sampling_value("temperature", _text(node))
    if number is None:
        raise node.wrong(sampling_bounds("temperature"))
    return number


def _count(node: Node) -> int:
    text = _text(node)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise node.wrong("a whole number, 1 or more")
    return int(text)


def _texts(node: Node) -> tuple[str, ...]:
    items = node.items if node.kind == "list" else [node]
    texts = tuple(_text(item) for item in items)
    if not texts or "" in texts:
        raise node.wrong("a list of texts, none of them empty")
    return texts


def _schema(node: Node) -> str | dict[str, Any]:
    return node.plain() if node.kind == "map" else _line(node)


def _variables(node: Node) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, child in node.children().items():
        if name == "input" or not name.replace("-", "_").isidentifier():
            raise child.error(f"`{name}` cannot be a variable's name")
        found[name] = None if child.kind == "null" else _text(child)
    return found


def _example(node: Node) -> dict[str, Any]:
    children = node.children(("input", "variables", "answer"))
    for key in ("input", "answer"):
        if key not in children:
            raise node.error(f"the example has no `{key}`")
    found: dict[str, Any] = {key: _text(children[key]) for key in ("input", "answer")}
    if "variables" in children:
        given = _variables(children["variables"])
        found["variables"] = {name: text or "" for name, text in given.items()}
    return found


KEYS: dict[str, Callable[[Node], Any]] = {
    "description": _line,
    "system": _text,
    "temperature": _temperature,
    "max_tokens": _count,
    "stop": _texts,
    "choices": _texts,
    "schema": _schema,
    "regex": _text,
    "grammar": _text,
    "model": _line,
    "variables": _variables,
    "example": _example,
}
