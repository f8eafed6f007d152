"""Lorebooks of other programs: the `character_book` of a card, or a book in a file of its own."""

from __future__ import annotations

from typing import Any

from localai.characters.card import Lorebook, LoreEntry
from localai.characters.formats.json_fields import Fields
from localai.errors import BadInput

# What SillyTavern's own files call the keys of the specification.
_WORLD_NAMES = {
    "key": "keys",
    "keysecondary": "secondary_keys",
    "order": "insertion_order",
    "caseSensitive": "case_sensitive",
}
_MOST = 2**31 - 1


def read_file(data: Any, source: str) -> Lorebook:
    """Return the book of a file that holds nothing else."""
    if isinstance(data, dict) and isinstance(data.get("data"), dict):
        data = data["data"]
    if not isinstance(data, dict) or "entries" not in data:
        raise BadInput(f"{source}: this is no lorebook: it has no `entries`")
    return read(Fields(data, source))


def read(book: Fields) -> Lorebook:
    """Return the book that a card's fields describe."""
    return Lorebook(
        entries=tuple(_entry(entry) for entry in book.mappings("entries")),
        name=book.line("name"),
        scan_depth=book.number("scan_depth", 2, 0, _MOST),
        token_budget=book.number("token_budget", 0, 0, _MOST) or None,
        recursive=book.flag("recursive_scanning", False),
        extra=_unused(book),
    )


def _entry(entry: Fields) -> LoreEntry:
    for name, ours in _WORLD_NAMES.items():
        if name in entry.rest and ours not in entry.rest:
            entry.rest[ours] = entry.rest.pop(name)
    if "disable" in entry.rest and "enabled" not in entry.rest:
        entry.rest["enabled"] = not entry.flag("disable", False)
    position = entry.rest.pop("position", None)
    return LoreEntry(
        keys=entry.texts("keys"),
        content=entry.text("content"),
        enabled=entry.flag("enabled", True),
        order=entry.number("insertion_order", 100, -_MOST, _MOST),
        priority=entry.number("priority", 10, -_MOST, _MOST),
        secondary=entry.texts("secondary_keys"),
        selective=entry.flag("selective", False),
        constant=entry.flag("constant", False),
        case_sensitive=entry.flag("case_sensitive", False),
        use_regex=entry.flag("use_regex", False),
        position="after" if position in ("after_char", 1) else "before",
        name=entry.line("name"),
        extra=_unused(entry),
    )


def _unused(fields: Fields) -> dict[str, Any]:
    # The specification wants `extensions` to be there; an empty one says nothing.
    return {key: value for key, value in fields.rest.items() if (key, value) != ("extensions", {})}


def write(book: Lorebook) -> dict[str, Any]:
    """Return a book as both versions of the specification have it."""
    data: dict[str, Any] = {
        **{"extensions": {}, **book.extra},
        "scan_depth": book.scan_depth,
        "recursive_scanning": book.recursive,
        "entries": [_written(entry) for entry in book.entries],
    }
    if book.name:
        data["name"] = book.name
    if book.token_budget is not None:
        data["token_budget"] = book.token_budget
    return data


def _written(entry: LoreEntry) -> dict[str, Any]:
    return {
        **{"extensions": {}, **entry.extra},
        "keys": list(entry.keys),
        "content": entry.content,
        "enabled": entry.enabled,
        "insertion_order": entry.order,
        "priority": entry.priority,
        "secondary_keys": list(entry.secondary),
        "selective": entry.selective,
        "constant": entry.constant,
        "case_sensitive": entry.case_sensitive,
        "use_regex": entry.use_regex,
        "position": f"{entry.position}_char",
        "name": entry.name,
    }
