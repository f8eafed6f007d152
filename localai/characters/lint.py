"""What is probably wrong with a card although it can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from localai.characters.card import Character, Lorebook, LoreEntry
from localai.characters.decorators import strangers
from localai.characters.formats import tavern
from localai.characters.formats.world_info import unkept
from localai.characters.load import LoadedCard
from localai.characters.macros import NAMES
from localai.characters.safe_regex import WRITTEN, safe
from localai.formats.text import closest, one_line, sanitise

_SILENT = ("description", "extensions")  # of a lorebook: for people
_LONG = 6500  # letters, some 1,600 tokens: 40 % of a context of 4,096, never to leave it
_LONG_LINE = 100  # letters of a name
_ARTICLES = ("the", "der", "die", "das", "les", "los", "las", "una", "ein", "eine")
_MACRO = re.compile(r"\{\{\s*([a-zA-Z_]{2,30})(?=[\s:}+-])")
_USER = re.compile(r"\{\{\s*user\s*\}\}|<user>", re.I)
_CHAR = re.compile(r"\{\{\s*char\s*\}\}|<char>|<bot>", re.I)
_SPEAKER = re.compile(r"^[^\S\n]*(\{\{(char|user)\}\}|<(user|char|bot)>)\s*:", re.I | re.M)
_TOKEN = re.compile(r"<\|\w{2,30}\|>|\[/?INST\]|<</?SYS>>")
# Where other programs keep a key of ours.
_THEIRS = {**{ours: name for name, ours in tavern.TEXTS.items()}, "lorebook": "character_book"}


@dataclass(frozen=True)
class LintWarning:
    """One warning: the line is 0 where none is known."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Return `file:line: warning`, as compilers write it."""
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def check(card: LoadedCard) -> list[LintWarning]:
    """Return what a person should look at, in the file's order as far as lines are known."""
    found = [(key, text) for rule in _RULES for key, text in rule(card.character)]
    found += [("", remark) for remark in card.remarks]
    found += [("extra", text) for text in _unknown(card.character)]
    found += _inherited(card)
    warned = [LintWarning(card.path, _line(card, key), text) for key, text in found]
    return sorted(warned, key=lambda warning: warning.line)


def _line(card: LoadedCard, key: str) -> int:
    if key in card.lines:
        return card.lines[key]
    name = _THEIRS.get(key, key)
    at = card.text.find(f'"{name}"') if name and card.form.endswith("JSON") else -1
    return card.text.count("\n", 0, at) + 1 if at >= 0 else 0


def _texts(who: Character) -> Iterator[tuple[str, str]]:
    """Yield all texts of a card that reach a model, after their keys."""
    for field in fields(Character):
        value = getattr(who, field.name)
        if isinstance(value, str):
            yield field.name, value
    yield from (("alternate_greetings", text) for text in who.alternate_greetings)
    if who.note:
        yield "note", who.note.text
    yield from (("lorebook", entry.content) for entry in (who.lorebook or Lorebook()).entries)


def _description(who: Character) -> Iterator[tuple[str, str]]:
    if not who.description.strip():
        yield "description", "the description is empty: the model will not know who it is"
    if len(who.name) > _LONG_LINE:
        yield "name", f"the name is {len(who.name)} letters long"


def _length(who: Character) -> Iterator[tuple[str, str]]:
    constant = [entry.content for entry in (who.lorebook or Lorebook()).entries if entry.constant]
    parts = [who.description, who.personality, who.scenario, who.system, who.post_history]
    size = sum(map(len, parts + constant))
    if size > _LONG:
        what = f"what never leaves the prompt is long, about {size // 4} tokens"
        yield "description", f"{what}: 40 % of a context of {size * 5 // 8}"


def _macros(who: Character) -> Iterator[tuple[str, str]]:
    everything = [text for key, text in _texts(who) if key != "creator_notes"]
    if not any(map(_USER.search, everything)):
        yield "description", "`{{user}}` stands nowhere: the character does not speak of the user"
    names = [name.casefold() for name in (who.name, who.nickname) if name]
    parts = [who.description, who.personality, who.scenario, who.system]
    if any(parts) and not any(
        _CHAR.search(text) or any(name in text.casefold() for name in names) for text in parts
    ):
        yield "description", "neither `{{char}}` nor the name stands in what describes it"
    for key, text in _texts(who):
        for word in {match[1].lower(): match[1] for match in _MACRO.finditer(text)}.values():
            if word.lower() in NAMES:
                continue
            if guess := closest(word.lower(), NAMES, 0.7):
                yield key, f"`{{{{{word}}}}}` is no macro: did you mean `{{{{{guess}}}}}`?"
            else:
                yield key, f"`{{{{{word}}}}}` is not filled: the model reads it as it stands"


def _examples(who: Character) -> Iterator[tuple[str, str]]:
    names = [f"{name}:" for name in (who.name, who.nickname) if name]
    lines = [line.strip() for line in who.examples.splitlines()]
    by_name = any(line.startswith(name) for line in lines for name in names)
    if who.examples.strip() and not by_name and not _SPEAKER.search(who.examples):
        yield "examples", "no line of the examples begins with `{{char}}:` or `{{user}}:`"


def _letters(who: Character) -> Iterator[tuple[str, str]]:
    for key, text in _texts(who):
        if (shown := sanitise(text)) != text:
            at = next(i for i, (a, b) in enumerate(zip(shown, text, strict=False)) if a != b)
            yield key, f"`{key}` holds control characters: {one_line(shown[at : at + 20])!r}"
        if match := _TOKEN.search(text):
            yield key, f"`{match[0]}` in `{key}` is plain text here, never a control token"


def _lore(who: Character) -> Iterator[tuple[str, str]]:
    book = who.lorebook or Lorebook()
    for at, entry in enumerate(book.entries, 1):
        title = entry.name or str(entry.extra.get("comment") or "")
        name = f"entry {at} of the lorebook" + (f" ({one_line(title)[:60]})" if title else "")
        for text in (*_keys(entry), *unkept(entry), *strangers(entry.content)):
            yield "lorebook", f"{name}: {text}"
        if not entry.content.strip():
            yield "lorebook", f"{name} has no content"
        if not entry.keys and not entry.constant:
            yield "lorebook", f"{name} has no keys: it is never spoken of"
        if entry.selective and not entry.secondary:
            yield "lorebook", f"{name} is selective and has no secondary keys"
        if entry.delay_until_recursion and not book.recursive:
            yield "lorebook", f"{name} waits to be called by others, which this book does not do"
        if not entry.probability:
            yield "lorebook", f"{name} has a probability of 0: it never enters"
    for key in sorted(
        str(key) for key, value in book.extra.items() if value and key not in _SILENT
    ):
        yield "lorebook", f"`{one_line(key)[:40]}` of the lorebook is not used"


def _keys(entry: LoreEntry) -> Iterator[str]:
    for key in (*entry.keys, *entry.secondary):
        written = WRITTEN.fullmatch(key)
        if not entry.use_regex and not written:
            continue
        if safe(key) is None:
            what = f"{one_line(key)[:40]!r} is no regex, or one that could run for ever"
            yield f"{what}: it never matches"
        elif "\\x01" in key or "\x01" in key:
            yield f"{one_line(key)[:40]!r} looks for speakers: their names are not looked through"


def _inherited(card: LoadedCard) -> Iterator[tuple[str, str]]:
    """Yield the texts of other cards that call the character by a name that is not its own."""
    who = card.character
    called = {name for base in card.bases for name in _names(base.character)} - _names(who)
    before = {text for base in card.bases for _, text in _inheritable(base.character)}
    for name in sorted(called):
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        keys = [key for key, text in _inheritable(who) if text in before and word.search(text)]
        for key in dict.fromkeys(keys):
            what = f"`{key}` says {one_line(name)!r}, and this is {one_line(who.name)!r}"
            yield "extends", f"{what}: it was taken over from the card that this one extends"


def _names(who: Character) -> set[str]:
    """Return what a character is called: by its names, and by the first word of several."""
    names = {name for name in (who.name, who.nickname) if name}
    firsts = {name.split()[0] for name in names if len(name.split()) > 1}
    return names | {word for word in firsts if len(word) > 2 and word.lower() not in _ARTICLES}


def _inheritable(who: Character) -> Iterator[tuple[str, str]]:
    """Yield all texts that a card takes over from another, after their keys."""
    yield from (pair for pair in _texts(who) if pair[0] not in ("name", "nickname"))
    yield from (("tags", tag) for tag in who.tags)
    for key in ("picture", "voice"):
        yield from ((key, text) for text in getattr(who, key).values() if isinstance(text, str))
    if who.lorebook:
        yield "lorebook", who.lorebook.name


def _unknown(who: Character) -> Iterator[str]:
    """Yield the keys of another program's card that look like a slip of a known one."""
    for key in who.extra.get("data", {}):
        known = [name for name in tavern.KEYS if name != key]
        if guess := closest(str(key), known, 0.8):
            yield f"unknown key `{one_line(str(key))}`: did you mean `{guess}`?"


_RULES = (_description, _length, _macros, _examples, _letters, _lore)
