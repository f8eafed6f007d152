"""Lorebooks: which pieces of knowledge a conversation calls for, within a budget. Pure.

Some entries stand in the prompt always; they hang on nothing that is said, so that the text before
the conversation stays the same. The others are called by their keys, anew for each answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from localai.characters.card import Lorebook, LoreEntry, Role
from localai.characters.macros import MacroValues, expand
from localai.characters.safe_regex import LOOK, safe

Size = Callable[[str], int]
"""Tokens of a text."""

_ROUNDS = 3  # of entries that call others
_MOST_SCANNED = 1 << 16  # characters, the newest; keys are looked for in no more
_MOST_WORK = 1 << 30  # steps for all keys of a book; some seconds if it comes to the worst
_MOST_TEXT = 1 << 20  # characters of all entries that are measured for the budget


@dataclass(frozen=True)
class Decorators:
    """What the decorators of an entry say, and the text that they leave."""

    text: str
    depth: int | None = None
    role: Role = "system"
    scan_depth: int | None = None
    activate: bool = False
    dont_activate: bool = False
    activate_only_after: int = 0  # answers, the greeting counted
    activate_only_every: int = 1


@dataclass(frozen=True)
class LoreText:
    """Knowledge for the prompt, macros replaced; `position` counts where there is no depth."""

    text: str
    position: Literal["before", "after"] = "before"
    depth: int | None = None
    role: Role = "system"


def room(book: Lorebook, context: int) -> int:
    """Return how many tokens a book may take: its own budget, or a quarter of the context."""
    own = book.token_budget or 0
    return min(own, context) if own > 0 else context // 4


def standing(book: Lorebook, values: MacroValues, size: Size, budget: int) -> tuple[LoreText, ...]:
    """Return the pieces that are always there, as far as the budget goes."""
    return _within_budget([each for each in _live(book) if _stands(*each)], values, size, budget)


def called(
    book: Lorebook,
    said: Sequence[str],
    answers: int,
    values: MacroValues,
    size: Size,
    budget: int,
) -> tuple[LoreText, ...]:
    """Return the pieces that a conversation calls for, besides those that are always there.

    Parameters
    ----------
    said : sequence of str
        What was said, oldest first, the greeting and the present question included.
    answers : int
        Messages of the character among them.
    budget : int
        Tokens that the standing pieces have left.
    """
    live = _live(book)
    waiting = [each for each in live if not _stands(*each) and _may(each[1], answers)]
    scan = _Scan(said, book.scan_depth)
    found = [each for each in waiting if _always(*each) or scan.calls(*each)]
    if book.recursive:
        found += _recalled(waiting, found, [e for e in live if _stands(*e)], values, scan)
    return _within_budget(found, values, size, budget)


_Live = tuple[LoreEntry, Decorators]


def _live(book: Lorebook) -> list[_Live]:
    pairs = [(entry, rule_of(entry.content)) for entry in book.entries if entry.enabled]
    return [(e, rule) for e, rule in pairs if rule.activate or not rule.dont_activate]


def _always(entry: LoreEntry, rule: Decorators) -> bool:
    return entry.constant or rule.activate


def _stands(entry: LoreEntry, rule: Decorators) -> bool:
    """Whether an entry is there from the first message to the last."""
    counts = rule.activate_only_after > 0 or rule.activate_only_every > 1
    return _always(entry, rule) and not counts


def _may(rule: Decorators, answers: int) -> bool:
    return answers >= rule.activate_only_after and answers % rule.activate_only_every == 0


def _recalled(
    waiting: list[_Live], found: list[_Live], stand: list[_Live], values: MacroValues, scan: _Scan
) -> list[_Live]:
    """Return the entries that the texts of others call for, some rounds deep."""
    have = {id(entry) for entry, _ in found}
    more: list[_Live] = []
    new = [*stand, *found]
    for _ in range(_ROUNDS):
        scan.read([rule.text for _, rule in new], values)
        new = [e for e in waiting if id(e[0]) not in have and scan.calls_in_lore(e[0])]
        if not new:
            break
        have |= {id(entry) for entry, _ in new}
        more += new
    return more


class _Scan:
    """Looks for keys in the last messages, until that has taken too long."""

    def __init__(self, said: Sequence[str], depth: int) -> None:
        self._said, self._depth = said, depth
        self._work = _MOST_WORK
        self._lore = _Text("")
        self._texts: dict[int, _Text] = {}

    def calls(self, entry: LoreEntry, rule: Decorators) -> bool:
        """Whether the conversation calls for an entry."""
        depth = self._depth if rule.scan_depth is None else rule.scan_depth
        depth = max(0, min(depth, len(self._said)))
        if depth not in self._texts:
            self._texts[depth] = _Text("\n".join(self._said[len(self._said) - depth :]))
        return self._hit(entry, self._texts[depth])

    def read(self, texts: Iterable[str], values: MacroValues) -> None:
        """Take texts of entries as what `calls_in_lore` looks through."""
        left, found = _MOST_SCANNED, []
        for text in texts:
            found.append(expand(text[:left], values, hidden=True))
            left -= len(text[:left])
        self._lore = _Text("\n".join(found))

    def calls_in_lore(self, entry: LoreEntry) -> bool:
        """Whether the texts that were read call for an entry."""
        return self._hit(entry, self._lore)

    def _hit(self, entry: LoreEntry, text: _Text) -> bool:
        if not any(self._occurs(key, entry, text) for key in entry.keys):
            return False
        secondary = entry.secondary if entry.selective else ()
        return not secondary or any(self._occurs(key, entry, text) for key in secondary)

    def _occurs(self, key: str, entry: LoreEntry, text: _Text) -> bool:
        if self._work <= 0 or not key.strip():
            return False
        if not entry.use_regex:
            self._work -= len(key) + len(text.plain) // 8
            return key in text.plain if entry.case_sensitive else key.lower() in text.lower
        pattern = safe(key, entry.case_sensitive)
        self._work -= pattern.cost(text.plain) if pattern else LOOK
        return pattern is not None and self._work > 0 and pattern.found_in(text.plain)


class _Text:
    """A text to look for keys in, its newest part."""

    def __init__(self, text: str) -> None:
        self.plain = text[-_MOST_SCANNED:]
        self.lower = self.plain.lower()


def _within_budget(
    live: list[_Live], values: MacroValues, size: Size, budget: int
) -> tuple[LoreText, ...]:
    """Return the pieces that fit, in the order of the prompt.

    What has the lowest priority leaves first, and among equals what stands earlier, as other
    programs do. An entry that alone is larger than the budget keeps no other from entering.
    """
    places = {id(entry): at for at, (entry, _) in enumerate(live)}
    kept: list[tuple[LoreEntry, LoreText]] = []
    left, measured = budget, 0
    for entry, rule in sorted(live, key=lambda e: (-e[0].priority, -e[0].order)):
        measured += len(rule.text)
        if measured > _MOST_TEXT:
            break
        text = expand(rule.text, values).strip()
        measured += len(text)
        cost = size(text) if text else 0
        if cost > budget or not text:
            continue
        if cost > left:
            break
        left -= cost
        kept.append((entry, LoreText(text, entry.position, rule.depth, rule.role)))
    kept.sort(key=lambda each: (each[0].order, places[id(each[0])]))
    return tuple(piece for _, piece in kept)


def _number(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if (number := int(value)) < least:
            raise ValueError(value)
        return number

    return read


def _role(value: str) -> str:
    if value.lower() not in ("system", "user", "assistant"):
        raise ValueError(value)
    return value.lower()


_DECORATORS: dict[str, Callable[[str], Any]] = {
    "depth": lambda value: max(0, int(value)),
    "role": _role,
    "scan_depth": _number(0),
    "activate": lambda value: True,
    "dont_activate": lambda value: True,
    "activate_only_after": _number(0),
    "activate_only_every": _number(1),
}


def rule_of(content: str) -> Decorators:
    """Return what an entry's text says in the `@@` lines at its head, and the text below them.

    A `@@@` line counts only if the line above it says nothing to us; of two lines of one name the
    first counts. Names that we do not know are taken out with the others.
    """
    lines = content.lstrip().splitlines(keepends=True)
    said: dict[str, Any] = {}
    known = True
    at = 0
    while at < len(lines) and (lines[at].startswith("@@") or not lines[at].strip()):
        line = lines[at].strip()
        at += 1
        if line and not (line.startswith("@@@") and known):
            known = _read(line.lstrip("@"), said)
    return Decorators("".join(lines[at:]), **said)


def _read(line: str, said: dict[str, Any]) -> bool:
    """Take one decorator into `said`; tell whether it means something to us."""
    name, _, value = line.partition(" ")
    reader = _DECORATORS.get(name.strip().lower())
    if not reader:
        return False
    try:
        said.setdefault(name.strip().lower(), reader(value.strip()))
    except ValueError:
        return False
    return True
