"""Characters of text-generation-webui (YAML) and of Pygmalion (JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai.characters.card import Character
from localai.characters.formats.json_fields import Fields
from localai.characters.formats.yaml_reader import KEYS
from localai.formats.yaml_tree import Node

_WEBUI = {"context": "description", "greeting": "first_message", "example_dialogue": "examples"}
_PYGMALION = {
    "char_persona": "description",
    "char_greeting": "first_message",
    "example_dialogue": "examples",
    "world_scenario": "scenario",
}


def is_webui(root: Node) -> bool:
    """Whether YAML is text-generation-webui's form, and not ours with a slip."""
    ours = set(KEYS) - {"name", "tags", "creator", "version"}
    found = set(root.fields)
    return bool(found & {"context", "greeting"}) and not found & ours


def webui(root: Node, source: str) -> Character:
    """Return the character of text-generation-webui's form; `name` may be empty."""
    data = root.plain()
    for key in ("name", *_WEBUI):
        if (node := root.fields.get(key)) and node.kind in ("bool", "int", "float"):
            data[key] = node.text  # `greeting: No` is a word
    return _read(Fields(data, source), "name", _WEBUI, "text_generation_webui")


def is_pygmalion(data: Any) -> bool:
    """Whether JSON data is Pygmalion's form."""
    return isinstance(data, dict) and ("char_name" in data or "char_persona" in data)


def pygmalion(data: Mapping[str, Any], source: str) -> Character:
    """Return the character of Pygmalion's form; `name` may be empty."""
    return _read(Fields(data, source), "char_name", _PYGMALION, "pygmalion")


def _read(fields: Fields, name: str, texts: Mapping[str, str], form: str) -> Character:
    called = fields.line(name)
    found: dict[str, Any] = {ours: fields.text(theirs) for theirs, ours in texts.items()}
    # Under a key of their own: their names may mean other things in a Tavern card.
    extra = {"file": {form: fields.rest}} if fields.rest else {}
    return Character(name=called, extra=extra, **found)
