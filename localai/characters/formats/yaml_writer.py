"""A character as a YAML file of our own form, and the skeleton of a new one."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from localai.characters.card import Character, DepthNote, Lorebook, LoreEntry
from localai.characters.formats.yaml_reader import KEYS

_BREAKS = re.compile("[\x85\u2028\u2029]")
_LONG = 80  # characters from which a text is folded
SKELETON = """\
# {{{{char}}}} stands for the character's name, {{{{user}}}} for the person who talks to it.
name: {name}
# One line for `localai characters`.
creator_notes: What this character is for
description: |
  {{{{char}}}} is a lighthouse keeper who has all the time in the world for {{{{user}}}}.
personality: calm, dry, curious
scenario: "{{{{user}}}} has climbed the stairs of the lighthouse."
first_message: You came up all those stairs? Sit down.
# The rest is optional: remove the # in front of what you need.
# examples: |
#   <START>
#   {{{{user}}}}: Is it lonely here?
#   {{{{char}}}}: The gulls do not think so.
# alternate_greetings:
#   - Mind the step. Everybody stumbles over that step.
# note: "{{{{char}}}} never speaks of the storm."
# tags: [sea, calm]
# sampling: {{temperature: 0.9}}
# lorebook:
#   entries:
#     - keys: [storm]
#       content: The storm of last winter took the old boat.
"""
PATCH = """\
# All that is not said here is as in the other card.
extends: {base}
name: {name}
# sampling: {{temperature: 0.5}}
"""


def skeleton(name: str) -> str:
    """Return the text of a new card."""
    return SKELETON.format(name=_quoted(name))


def patch(name: str, base: str) -> str:
    """Return the text of a new card that changes another."""
    return PATCH.format(name=_quoted(name), base=_quoted(base))


def write(character: Character) -> str:
    """Return a character in our own form; keys that we do not use (`extra`) are left out."""
    found: dict[str, Any] = {}
    empty = Character(name="")
    for key in KEYS:
        value = getattr(character, key, None)
        if value is not None and value != getattr(empty, key, None):
            found[key] = _plain(value)
    return _dump({"name": character.name, **found})


def _plain(value: Any) -> Any:
    if isinstance(value, DepthNote):
        return value.text if value == DepthNote(value.text) else _said(value)
    if isinstance(value, (Lorebook, LoreEntry)):
        return _said(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _said(record: Any) -> dict[str, Any]:
    """Return the fields of a part of a card that do not hold their default."""
    found = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name != "extra" and value != field.default:
            found[field.name] = _plain(value)
    return found


def _quoted(text: str) -> str:
    return _dump(text).removesuffix("...\n").rstrip("\n")


def _dump(value: Any) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks, and no aliases."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> Any:
        # What a block cannot hold (a space at a line's end) PyYAML quotes all the same.
        folds = len(value) > _LONG and "\n " not in value and "\n\t" not in value
        style = ">" if folds else "|" if "\n" in value else None
        if _BREAKS.search(value):  # which YAML takes for line breaks of its own
            style = '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    made = yaml.dump(value, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=100)
    return str(made)
