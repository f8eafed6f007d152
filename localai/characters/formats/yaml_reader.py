"""Our own form of a card: YAML that people write by hand, and that may patch another card.

    name: Mara
    description: |
      {{char}} is a lighthouse keeper. She knows {{user}} from school.
    first_message: You came up all those stairs?

Unknown keys are refused with file, line and a guess. With `extends: librarian` all that is not
said here is as in that card: mappings are merged key by key, other values replaced, and `null`
takes a value away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from localai.characters.card import SOURCES, Character, DepthNote, Lorebook, LoreEntry
from localai.formats.yaml_tree import Node
from localai.types import SAMPLING_BOUNDS, number_of, sampling_bounds, sampling_value

_LONGEST_LINE = 1000  # characters of a name or a tag
_MOST = 2**31 - 1
_MOST_DEPTH = 10_000


@dataclass(frozen=True)
class Given:
    """What a file says: only the keys that it has."""

    values: Mapping[str, Any]
    lines: Mapping[str, int]  # of each key's value
    extends: Node | None = None
    lore_file: Node | None = None  # `lorebook: FILE`


def read(root: Node) -> Given:
    """Return what a file says.

    Raises
    ------
    BadInput
        A key is unknown, or a value is not what it should be; with file and line.
    """
    found = root.children(tuple(KEYS))
    lines = {key: node.line for key, node in found.items()}
    extends = found.pop("extends", None)
    book = found.get("lorebook")
    lore_file = found.pop("lorebook") if book is not None and book.kind == "text" else None
    values = {key: KEYS[key](node) for key, node in found.items()}
    if extends is None:
        if not values.get("name"):
            raise root.error("`name` is missing", "say who the character is: `name: Mara`")
        if values.get("note") and not values["note"].get("text"):
            raise found["note"].error("the note has no `text`")
    elif not _line(extends):
        raise extends.wrong("the name of a card, or of a file beside this one")
    return Given(values, lines, extends, lore_file)


def values_of(character: Character) -> dict[str, Any]:
    """Return what a file would say of a character, as `build` takes it."""
    found = {field.name: getattr(character, field.name) for field in fields(Character)}
    for key, kind in (("note", DepthNote), ("lorebook", Lorebook)):
        if (part := found[key]) is not None:
            found[key] = {field.name: getattr(part, field.name) for field in fields(kind)}
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one, at every depth; None in `over` takes a value away."""
    found = dict(base)
    for key, value in over.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            below = found.get(key)
            found[key] = merged(below if isinstance(below, Mapping) else {}, value)
        else:
            found[key] = value
    return found


def build(values: Mapping[str, Any]) -> Character:
    """Return the character of merged values; `name` is among them."""
    found = {key: value for key, value in values.items() if value is not None}
    note = found.pop("note", None)
    if note and note.get("text"):
        found["note"] = DepthNote(**note)
    if "lorebook" in found:
        found["lorebook"] = Lorebook(**found["lorebook"])
    return Character(**found)


# Readers of one value each. Texts are taken as they are written: `name: No` is a name.


def _text(node: Node) -> str:
    if node.kind in ("list", "map"):
        raise node.wrong("a text")
    return "" if node.kind == "null" else node.text.strip("\n")


def _line(node: Node) -> str:
    text = _text(node).strip()
    if "\n" in text or len(text) > _LONGEST_LINE:
        raise node.wrong("one line of text")
    return text


def _name(node: Node) -> str:
    return _line(node) or _refused(node, "a name, one line of text")


def _texts(node: Node) -> tuple[str, ...]:
    if node.kind == "null":
        return ()
    texts = tuple(_text(item) for item in (node.items if node.kind == "list" else [node]))
    return texts if all(texts) else _refused(node, "a list of texts, none of them empty")


def _sources(node: Node) -> tuple[str, ...]:
    names = _texts(node)
    return names if set(names) <= set(SOURCES) else _refused(node, f"of: {', '.join(SOURCES)}")


def _flag(node: Node) -> bool:
    return bool(node.plain()) if node.kind == "bool" else _refused(node, "`true` or `false`")


def _number(low: int, high: int = _MOST) -> Callable[[Node], int]:
    def read_number(node: Node) -> int:
        number = number_of(_text(node), whole=True)
        if number is None or not low <= number <= high:
            raise node.wrong(f"a whole number from {low} to {high}")
        return int(number)

    return read_number


def _one_of(*words: str) -> Callable[[Node], str]:
    def read_word(node: Node) -> str:
        word = _text(node)
        return word if word in words else _refused(node, f"one of: {', '.join(words)}")

    return read_word


def _settings(node: Node) -> dict[str, Any]:
    plain = {} if node.kind == "null" else node.plain()
    return plain if isinstance(plain, dict) else _refused(node, "a mapping (`key: value`)")


def _sampling(node: Node) -> dict[str, float | None] | None:
    if node.kind == "null":
        return None
    found: dict[str, float | None] = {}
    for key, value in node.children(tuple(SAMPLING_BOUNDS)).items():
        found[key] = sampling_value(key, _text(value))
        if found[key] is None and value.kind != "null":
            raise value.wrong(sampling_bounds(key))
    return found


def _note(node: Node) -> dict[str, Any] | None:
    if node.kind == "map":
        return {key: _NOTE[key](value) for key, value in node.children(tuple(_NOTE)).items()}
    return {"text": text} if (text := _text(node)) else None


def _book(node: Node) -> dict[str, Any] | None:
    if node.kind == "null":
        return None
    return {key: _BOOK[key](value) for key, value in node.children(tuple(_BOOK)).items()}


def _entries(node: Node) -> tuple[LoreEntry, ...]:
    if node.kind != "list":
        raise node.wrong("a list of entries, each with `keys` and `content`")
    return tuple(_entry(item) for item in node.items)


def _entry(node: Node) -> LoreEntry:
    found = {key: _ENTRY[key](value) for key, value in node.children(tuple(_ENTRY)).items()}
    if not found.get("content"):
        raise node.error("the entry has no `content`")
    if not found.get("keys") and not found.get("constant"):
        raise node.error("the entry has no `keys`", "or should it always be there? constant: true")
    return LoreEntry(**{"keys": (), **found})


def _refused(node: Node, what: str) -> Any:
    raise node.wrong(what)


_NOTE: dict[str, Callable[[Node], Any]] = {
    "text": _text,
    "depth": _number(0, _MOST_DEPTH),
    "role": _one_of("system", "user", "assistant"),
}
_BOOK: dict[str, Callable[[Node], Any]] = {
    "entries": _entries,
    "name": _line,
    "scan_depth": _number(0),
    "token_budget": _number(1),
    "recursive": _flag,
}
_ENTRY: dict[str, Callable[[Node], Any]] = {
    "keys": _texts,
    "content": _text,
    "enabled": _flag,
    "order": _number(-_MOST),
    "priority": _number(-_MOST),
    "secondary": _texts,
    "selective": _flag,
    "constant": _flag,
    "case_sensitive": _flag,
    "use_regex": _flag,
    "position": _one_of("before", "after", "nowhere"),
    "name": _line,
    "logic": _one_of("any", "not_all", "not_any", "all"),
    "whole_words": _flag,
    "scan_depth": _number(0),
    "also_match": _sources,
    "probability": _number(0, 100),
    "depth": _number(0, _MOST_DEPTH),
    "role": _one_of("system", "user", "assistant"),
    "group": _texts,
    "group_weight": _number(0),
    "group_override": _flag,
    "delay": _number(0),
    "sticky": _number(0),
    "cooldown": _number(0),
    "exclude_recursion": _flag,
    "prevent_recursion": _flag,
    "delay_until_recursion": _number(0),
    "ignore_budget": _flag,
}
KEYS: dict[str, Callable[[Node], Any]] = {
    "name": _name,
    "extends": _line,
    "nickname": _line,
    "description": _text,
    "personality": _text,
    "scenario": _text,
    "first_message": _text,
    "alternate_greetings": _texts,
    "examples": _text,
    "system": _text,
    "post_history": _text,
    "note": _note,
    "persona": _text,
    "genre": _line,
    "tags": _texts,
    "creator": _line,
    "version": _line,
    "creator_notes": _text,
    "lorebook": _book,
    "model": _line,
    "sampling": _sampling,
    "picture": _settings,
    "voice": _settings,
}
