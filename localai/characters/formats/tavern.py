"""Character cards V1, V2 and V3 as JSON, read and written; unknown keys survive.

What V3 has no key for stands in `extensions.localai`. Keys that we do not use are kept in the
character's `extra`: those of the card under `data`, those around it under `file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from localai.characters.card import Character, DepthNote, Role
from localai.characters.formats import lorebook_json
from localai.characters.formats.json_fields import Fields
from localai.errors import BadInput
from localai.formats.text import one_line
from localai.types import SAMPLING_BOUNDS, number_of, sampling_bounds, sampling_value

TEXTS = {  # the specification's name: ours
    "description": "description",
    "personality": "personality",
    "scenario": "scenario",
    "first_mes": "first_message",
    "mes_example": "examples",
    "system_prompt": "system",
    "post_history_instructions": "post_history",
    "creator_notes": "creator_notes",
}
_LINES = {"creator": "creator", "character_version": "version", "nickname": "nickname"}
_OWN_TEXTS = ("persona", "genre", "model")
_V1 = ("name", "description", "personality", "scenario", "first_mes", "mes_example")
# What every card of the version must hold, if only to say nothing.
_REQUIRED: dict[int, dict[str, Any]] = {2: {"extensions": {}}, 3: {"group_only_greetings": []}}
KEYS = (*TEXTS, *_LINES, "name", "tags", "alternate_greetings", "character_book", "extensions")
_MOST_DEPTH = 10_000


def version(data: Any, source: str) -> int:
    """Return the version of a card, 1 to 3; BadInput if this is none."""
    if not isinstance(data, dict):
        raise BadInput(f"{source}: a card is a mapping (`{{...}}`), and this is none")
    spec = data.get("spec")
    if isinstance(spec, str) and spec.startswith("lorebook"):
        raise BadInput(
            f"{source}: this is a lorebook, not a character",
            "name it in a card of your own: `lorebook: FILE`",
        )
    if spec is not None and not (isinstance(spec, str) and spec.startswith("chara_card_v")):
        raise BadInput(f"{source}: `spec` is {one_line(repr(spec))[:40]}, no character card")
    if spec is not None or isinstance(data.get("data"), dict):
        if not isinstance(data.get("data"), dict):
            raise BadInput(f"{source}: `data` should be a mapping")
        return 2 if spec in (None, "chara_card_v2") else 3
    if not any(isinstance(data.get(key), str) for key in _V1):
        raise BadInput(f"{source}: this is no character card: it has neither `spec` nor `name`")
    return 1


def too_new(data: Mapping[str, Any]) -> str:
    """Return a card's version if it is newer than all that we know, else an empty text."""
    number = number_of(data.get("spec_version"), whole=False)
    return str(data["spec_version"])[:20] if number is not None and number > 3 else ""


def read(data: Mapping[str, Any], source: str) -> Character:
    """Return the character of a card's JSON data; `name` may be empty.

    Raises
    ------
    BadInput
        This is no card, or a field holds what it cannot hold; with file and field.
    """
    if version(data, source) == 1:
        return _read(Fields(data, source), {})
    known = ("spec", "spec_version", "data", *_V1)
    around = {key: value for key, value in data.items() if key not in known}
    return _read(Fields(data["data"], source, "data."), around)


def _read(fields: Fields, around: Mapping[str, Any]) -> Character:
    texts = {ours: fields.text(name) for name, ours in TEXTS.items()}
    lines = {ours: fields.line(name) for name, ours in _LINES.items()}
    extensions = fields.mapping("extensions")
    own = extensions.mapping("localai")
    book = fields.rest.get("character_book")
    return Character(
        name=fields.line("name"),
        alternate_greetings=fields.texts("alternate_greetings"),
        tags=fields.texts("tags"),
        note=_note(extensions),
        lorebook=None if not book else lorebook_json.read(fields.mapping("character_book")),
        **texts,
        **lines,
        **{name: own.text(name) for name in _OWN_TEXTS},
        sampling=_sampling(own),
        picture=own.mapping("picture").rest,
        voice=own.mapping("voice").rest,
        extra=_extra(fields, extensions, own, around),
    )


def _note(extensions: Fields) -> DepthNote | None:
    note = extensions.mapping("depth_prompt")
    text = note.text("prompt")
    depth = note.number("depth", 4, 0, _MOST_DEPTH)
    role = note.rest.pop("role", None)
    if note.rest:  # whatever else other programs keep there
        extensions.rest["depth_prompt"] = note.rest
    known = role in ("system", "user", "assistant")
    return DepthNote(text, depth, cast(Role, role) if known else "system") if text else None


def _sampling(own: Fields) -> dict[str, float]:
    found = {}
    given = own.mapping("sampling")
    for name in SAMPLING_BOUNDS:
        if (asked := given.rest.pop(name, None)) is not None:
            if (number := sampling_value(name, asked)) is None:
                raise given.wrong(name, sampling_bounds(name))
            found[name] = number
    if given.rest:
        own.rest["sampling"] = given.rest
    return found


def _extra(
    fields: Fields, extensions: Fields, own: Fields, around: Mapping[str, Any]
) -> dict[str, Any]:
    rest = dict(fields.rest)
    if not rest.get("character_book", True):
        del rest["character_book"]
    if rest.get("group_only_greetings") == []:
        del rest["group_only_greetings"]
    unused = extensions.rest | ({"localai": own.rest} if own.rest else {})
    if unused:
        rest["extensions"] = unused
    return ({"data": rest} if rest else {}) | ({"file": dict(around)} if around else {})


def write(character: Character, spec: int = 3) -> dict[str, Any]:
    """Return a character as a card of version 2 or 3.

    Parameters
    ----------
    spec : int
        2 or 3; both hold the same, each in the form that its readers ask for.
    """
    data: dict[str, Any] = {**_REQUIRED[spec], **character.extra.get("data", {})}
    data["name"] = character.name
    data |= {name: getattr(character, ours) for name, ours in (TEXTS | _LINES).items()}
    if not character.nickname:
        del data["nickname"]
    data["alternate_greetings"] = list(character.alternate_greetings)
    data["tags"] = list(character.tags)
    if character.lorebook is not None:
        data["character_book"] = lorebook_json.write(character.lorebook)
    data["extensions"] = _extensions(character, data.get("extensions") or {})
    head = {"spec": f"chara_card_v{spec}", "spec_version": f"{spec}.0"}
    return {**head, **character.extra.get("file", {}), "data": data}


def _extensions(character: Character, unused: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(unused)
    if note := character.note:
        values = {"prompt": note.text, "depth": note.depth, "role": note.role}
        found["depth_prompt"] = found.get("depth_prompt", {}) | values
    own: dict[str, Any] = {name: getattr(character, name) for name in _OWN_TEXTS}
    for name in ("sampling", "picture", "voice"):
        own[name] = {**unused.get("localai", {}).get(name, {}), **getattr(character, name)}
    own = {**unused.get("localai", {}), **{key: value for key, value in own.items() if value}}
    return found | ({"localai": own} if own else {})
