"""Lorebooks of other programs: the `character_book` of a card, or a book in a file of its own."""

from __future__ import annotations

from typing import Any

from localai.characters.card import Lorebook, LoreEntry
from localai.characters.formats import world_info
from localai.characters.formats.json_fields import Fields
from localai.errors import BadInput

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
    for name, ours in world_info.KEYS_OF_BOOKS.items():
        if name in entry.rest and ours not in entry.rest:
            entry.rest[ours] = entry.rest.pop(name)
    world_info.extensions_of_book(entry.rest)
    if "disable" in entry.rest and "enabled" not in entry.rest:
        entry.rest["enabled"] = not entry.flag("disable", False)
    position = entry.rest.pop("position", None)
    extensions = entry.rest.get("extensions")
    found: dict[str, Any] = {
        "keys": entry.texts("keys"),
        "content": entry.text("content"),
        "enabled": entry.flag("enabled", True),
        "order": entry.number("insertion_order", 100, -_MOST, _MOST),
        "priority": entry.number("priority", 10, -_MOST, _MOST),
        "secondary": entry.texts("secondary_keys"),
        "selective": entry.flag("selective", False),
        "constant": entry.flag("constant", False),
        "case_sensitive": entry.flag("case_sensitive", False),
        "use_regex": entry.flag("use_regex", False),
        "position": "after" if position in ("after_char", 1) else "before",
        "name": entry.line("name"),
    }
    if isinstance(extensions, dict):
        found |= world_info.fields(extensions)
        entry.rest["extensions"] = world_info.left(LoreEntry(**found), extensions)
    return LoreEntry(**found, extra=_unused(entry))


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
        **entry.extra,
        "extensions": world_info.extensions(entry),
        "keys": list(entry.keys),
        "content": entry.content,
        "enabled": entry.enabled,
        "insertion_order": entry.order,
        "priority": entry.priority,
        "secondary_keys": list(entry.secondary),
        "selective": entry.selective,
        "constant": entry.constant,
        "case_sensitive": entry.case_sensitive,
        "use_regex": world_info.wants_regex(entry),
        "position": "before_char" if entry.position == "before" else "after_char",
        "name": entry.name,
    }
