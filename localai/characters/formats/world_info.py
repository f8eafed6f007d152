"""The lorebook entries of SillyTavern: what its fields mean here, and which of them mean nothing.

In a card they stand in an entry's `extensions`; in a book of its own beside the others, in camel
case. Both are read into an entry; what says nothing to us is kept for whoever exports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localai.characters.card import SOURCES, LoreEntry
from localai.formats.text import one_line
from localai.types import number_of

_LOGIC = ("any", "not_all", "not_any", "all")
_ROLES = ("system", "user", "assistant")
_MOST = 2**31 - 1
_NOTE_DEPTH = 4  # where the author's note stands, whose neighbours entries may be
_AT_DEPTH, _EXAMPLES, _OUTLET = 4, (5, 6), 7  # positions
_BEFORE, _AFTER, _NOTE = 0, 1, (2, 3)

# A book of its own: SillyTavern's name there, and what an entry of a card calls the same.
KEYS_OF_BOOKS = {
    "key": "keys",
    "keysecondary": "secondary_keys",
    "order": "insertion_order",
}
_EXTENSIONS_OF_BOOKS = {
    "position": "position",
    "depth": "depth",
    "role": "role",
    "selectiveLogic": "selectiveLogic",
    "matchWholeWords": "match_whole_words",
    "caseSensitive": "case_sensitive",
    "probability": "probability",
    "useProbability": "useProbability",
    "scanDepth": "scan_depth",
    "group": "group",
    "groupOverride": "group_override",
    "groupWeight": "group_weight",
    "useGroupScoring": "use_group_scoring",
    "sticky": "sticky",
    "cooldown": "cooldown",
    "delay": "delay",
    "excludeRecursion": "exclude_recursion",
    "preventRecursion": "prevent_recursion",
    "delayUntilRecursion": "delay_until_recursion",
    "ignoreBudget": "ignore_budget",
    "automationId": "automation_id",
    "outletName": "outlet_name",
    "vectorized": "vectorized",
    "displayIndex": "display_index",
    "triggers": "triggers",
    "characterFilter": "character_filter",
    "matchPersonaDescription": "match_persona_description",
    "matchCharacterDescription": "match_character_description",
    "matchCharacterPersonality": "match_character_personality",
    "matchCharacterDepthPrompt": "match_character_depth_prompt",
    "matchScenario": "match_scenario",
    "matchCreatorNotes": "match_creator_notes",
}
_SOURCES = {
    "match_persona_description": "persona",
    "match_character_description": "description",
    "match_character_personality": "personality",
    "match_scenario": "scenario",
    "match_creator_notes": "creator_notes",
    "match_character_depth_prompt": "note",
}
# Its own marks: what these stand in was written by SillyTavern, which sets `use_regex` everywhere.
_MARKS = ("selectiveLogic", "useProbability", "display_index", "exclude_recursion")
# Keys that change nothing in a prompt.
_SILENT = ("id", "uid", "comment", "addMemo", "display_index", "displayIndex", "localai")


def extensions_of_book(entry: dict[str, Any]) -> None:
    """Move what an entry of a book of its own says beside its texts to where a card has it."""
    moved = {
        theirs: entry.pop(name)
        for name, theirs in _EXTENSIONS_OF_BOOKS.items()
        if name in entry and not (name == "position" and not _whole(entry[name], 0, -1) > _AFTER)
    }
    if moved:
        given = entry.get("extensions")
        entry["extensions"] = moved | (given if isinstance(given, dict) else {})


def written_there(extensions: Mapping[str, Any]) -> bool:
    """Whether SillyTavern has written an entry with these extensions."""
    return any(mark in extensions for mark in _MARKS)


def fields(extensions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a `LoreEntry` that an entry's extensions set; nonsense sets nothing."""
    found: dict[str, Any] = {}
    for key, (name, read) in _READERS.items():
        if (value := read(extensions.get(key))) is not None:
            found[name] = value
    if not _flag(extensions.get("useProbability", True)):
        found.pop("probability", None)
    sources = [name for key, name in _SOURCES.items() if _flag(extensions.get(key))]
    if sources:
        found["also_match"] = tuple(sources)
    found |= _place(extensions)
    own = extensions.get("localai")
    if written_there(extensions) and not (isinstance(own, Mapping) and own.get("use_regex")):
        found["use_regex"] = False
    return found


def _place(extensions: Mapping[str, Any]) -> dict[str, Any]:
    """Return where an entry stands; around the author's note is at that note's depth."""
    position = _whole(extensions.get("position"), 0, -1)
    if position == _AT_DEPTH:
        depth = _whole(extensions.get("depth"), 0, _NOTE_DEPTH)
        return {"depth": depth, "role": _role(extensions.get("role"))}
    if position in _NOTE:
        return {"depth": _NOTE_DEPTH}
    if position in (_BEFORE, _OUTLET):
        return {"position": "before" if position == _BEFORE else "nowhere"}
    return {"position": "after"} if position > _BEFORE else {}


def extensions(entry: LoreEntry) -> Any:
    """Return what the extensions of an entry in a card say, those of other programs included.

    A mapping, unless the file that the entry came from has something else there.
    """
    blank = LoreEntry((), "")
    found: dict[str, Any] = {}
    for key, (name, _) in _READERS.items():
        if key not in _ONLY_READ and (value := getattr(entry, name)) != getattr(blank, name):
            found[key] = _LOGIC.index(value) if name == "logic" else value
    if entry.probability < 100:
        found["useProbability"] = True
    if entry.group:
        found["group"] = ", ".join(entry.group)
    found |= {key: True for key, name in _SOURCES.items() if name in entry.also_match}
    if entry.depth is not None:
        found |= {"position": _AT_DEPTH, "depth": entry.depth, "role": _ROLES.index(entry.role)}
    elif entry.position == "nowhere":
        found["position"] = _OUTLET
    if found and entry.use_regex:
        found["localai"] = {"use_regex": True}
    given = entry.extra.get("extensions", {})
    return {**found, **given} if isinstance(given, Mapping) else found or given


def left(entry: LoreEntry, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry's extensions say beside what `extensions` would write again."""
    told = extensions(entry)
    return {key: value for key, value in given.items() if key not in told or told[key] != value}


def wants_regex(entry: LoreEntry) -> bool:
    """Whether `use_regex` is said of an entry: by its author, or by SillyTavern as of all."""
    given = entry.extra.get("extensions")
    return entry.use_regex or (isinstance(given, Mapping) and written_there(given))


def unkept(entry: LoreEntry) -> Iterator[str]:
    """Yield what an entry asks for and does not get, in words that end a sentence."""
    given = entry.extra.get("extensions")
    known = given if isinstance(given, Mapping) else {}
    for key, what in _UNKEPT.items():
        if _says(known.get(key)) or _says(entry.extra.get(key)):
            yield f"`{key}` is not kept: {what}"
    position = _whole(known.get("position"), 0, -1)
    if position in _EXAMPLES:
        yield "it asks to stand beside the example dialogue: it stands after the description"
    elif entry.position == "nowhere":
        yield "it asks for an outlet, which there is none of: it never enters"
    elif position > _OUTLET:
        yield f"position {position} is unknown: it stands after the description"
    if known.get("use_group_scoring") and entry.group:
        yield "`use_group_scoring` is not kept: the draw of its group does not count keys"
    handled = {*_READERS, *_UNKEPT, *_SOURCES, *_OTHERS, *_SILENT}
    others = [*entry.extra.items(), *known.items()]
    for key in dict.fromkeys(key for key, value in others if _says(value) and key not in handled):
        yield f"`{one_line(str(key))[:40]}` is not used"


def _says(value: Any) -> bool:
    """Whether a value says more than nothing: `{"names": [], "isExclude": false}` does not."""
    if isinstance(value, Mapping):
        return any(map(_says, value.values()))
    return bool(value)


def _whole(value: Any, low: int, default: int) -> int:
    number = number_of(value, whole=False)
    return default if number is None or number < low else int(min(number, _MOST))


def _flag(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.lower() == "true")


def _truth(value: Any) -> bool | None:
    return None if value is None else _flag(value)


def _least(low: int, high: int = _MOST) -> Callable[[Any], int | None]:
    def read(value: Any) -> int | None:
        number = number_of(value, whole=False)
        return None if number is None else int(min(max(number, low), high))

    return read


def _logic(value: Any) -> str | None:
    if isinstance(value, str) and value.lower().removeprefix("and_") in _LOGIC:
        return value.lower().removeprefix("and_")
    number = number_of(value, whole=True)
    return _LOGIC[int(number)] if number is not None and 0 <= number < len(_LOGIC) else None


def _role(value: Any) -> str:
    if isinstance(value, str) and value.lower() in _ROLES:
        return value.lower()
    number = number_of(value, whole=True)
    return _ROLES[int(number)] if number is not None and 0 <= number < len(_ROLES) else "system"


def _groups(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, str):
        return None
    return tuple(filter(None, (name.strip() for name in value.split(","))))


def _level(value: Any) -> int | None:
    return int(_flag(value)) if isinstance(value, (bool, str)) else _least(0)(value)


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "selectiveLogic": ("logic", _logic),
    "match_whole_words": ("whole_words", _truth),
    "case_sensitive": ("case_sensitive", _truth),
    "probability": ("probability", _least(0, 100)),
    "scan_depth": ("scan_depth", _least(0)),
    "group": ("group", _groups),
    "group_override": ("group_override", _truth),
    "group_weight": ("group_weight", _least(0)),
    "sticky": ("sticky", _least(0)),
    "cooldown": ("cooldown", _least(0)),
    "delay": ("delay", _least(0)),
    "exclude_recursion": ("exclude_recursion", _truth),
    "prevent_recursion": ("prevent_recursion", _truth),
    "delay_until_recursion": ("delay_until_recursion", _level),
    "ignore_budget": ("ignore_budget", _truth),
}
_ONLY_READ = ("case_sensitive", "group")  # written in other ways
_OTHERS = ("position", "depth", "role", "useProbability", "use_group_scoring", "extensions")
_UNKEPT = {
    "vectorized": "keys alone call it, not what is like it in meaning",
    "automation_id": "there are no scripts",
    "triggers": "it enters whatever kind of answer is asked for",
    "outlet_name": "there are no outlets",
    "character_filter": "it enters whoever the character is",
}
assert set(_SOURCES.values()) == set(SOURCES)
