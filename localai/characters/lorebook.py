"""Lorebooks: which pieces of knowledge a conversation calls for, within a budget. Pure.

Some entries stand in the prompt always; they hang on nothing that is said, so that the text before
the conversation stays the same. The others are called by their keys, anew for each answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from localai.characters.card import Lorebook, LoreEntry, Position, Role
from localai.characters.decorators import Decorators, rule_of
from localai.characters.lore_chance import Draws, state
from localai.characters.lore_keys import Scan
from localai.characters.macros import MacroValues, expand

Size = Callable[[str], int]
"""Tokens of a text."""

_ROUNDS = 3  # of entries that call others
_MOST_TEXT = 1 << 20  # characters of all entries that are measured for the budget


@dataclass(frozen=True)
class LoreText:
    """Knowledge for the prompt, macros replaced; `position` counts where there is no depth."""

    text: str
    position: Position = "before"
    depth: int | None = None
    role: Role = "system"
    unpaid: bool = False  # beside the budget


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

    The same conversation calls for the same pieces: what is drawn hangs on its seed and length.

    Parameters
    ----------
    said : sequence of str
        What was said, oldest first, the greeting and the present question included.
    answers : int
        Messages of the character among them.
    values : MacroValues
        What macros stand for, in keys, too; `texts` are what entries may look through besides.
    budget : int
        Tokens that the standing pieces have left.
    """
    return _within_budget(_Calls(book, said, answers, values).found(), values, size, budget)


_Live = tuple[LoreEntry, Decorators]


def _live(book: Lorebook) -> list[_Live]:
    pairs = [(e, rule_of(e.content)) for e in book.entries if e.enabled and e.position != "nowhere"]
    live = [(e, rule) for e, rule in pairs if rule.activate or not rule.dont_activate]
    return [(e, _placed(e, rule)) for e, rule in live]


def _placed(entry: LoreEntry, rule: Decorators) -> Decorators:
    """Return what an entry says of itself: its decorators go before its fields."""
    return replace(
        rule,
        depth=entry.depth if rule.depth is None else rule.depth,
        role=entry.role if rule.role == "system" else rule.role,
        scan_depth=entry.scan_depth if rule.scan_depth is None else rule.scan_depth,
    )


def _always(entry: LoreEntry, rule: Decorators) -> bool:
    return entry.constant or rule.activate


def _stands(entry: LoreEntry, rule: Decorators) -> bool:
    """Whether an entry is there from the first message to the last."""
    counts = rule.activate_only_after > 0 or rule.activate_only_every > 1
    waits = entry.delay or entry.cooldown or entry.delay_until_recursion
    chance = entry.probability < 100 or entry.group
    return _always(entry, rule) and not (counts or waits or chance)


def _may(rule: Decorators, answers: int) -> bool:
    return answers >= rule.activate_only_after and answers % rule.activate_only_every == 0


class _Calls:
    """What a conversation calls for."""

    def __init__(
        self, book: Lorebook, said: Sequence[str], answers: int, values: MacroValues
    ) -> None:
        self._book, self._now = book, len(said)
        self._live = _live(book)
        self._scan = Scan(said, book.scan_depth, values)
        self._draws = Draws(values.seed, book.entries)
        self._waiting = [e for e in self._live if not _stands(*e) and _may(e[1], answers)]

    def found(self) -> list[_Live]:
        """Return the entries that are called for, each group reduced to one."""
        found: list[_Live] = []
        later: list[_Live] = []
        for each in self._waiting:
            state_now = state(each[0], self._now, partial(self._wanted, each))
            comes = not each[0].delay_until_recursion and self._wanted(each, self._now)
            if state_now == "active" or (state_now == "free" and comes):
                found.append(each)
            elif state_now == "free" and self._allowed(each[0], self._now):
                later.append(each)
        if self._book.recursive:
            found += self._recalled(later, [*(e for e in self._live if _stands(*e)), *found])
        left = self._draws.winners([entry for entry, _ in found], self._now)
        return [each for each in found if id(each[0]) in left]

    def _allowed(self, entry: LoreEntry, said: int) -> bool:
        return said >= entry.delay and self._draws.happens(entry, said)

    def _wanted(self, each: _Live, said: int) -> bool:
        entry, rule = each
        called_for = _always(*each) or self._scan.calls(entry, rule.scan_depth, said)
        return called_for and self._allowed(entry, said)

    def _recalled(self, waiting: list[_Live], new: list[_Live]) -> list[_Live]:
        """Return the entries that the texts of others call for, some rounds deep.

        Those that wait for this come in by their levels: the next when the last gives no more.
        """
        left = [each for each in waiting if not each[0].exclude_recursion]
        levels = sorted({entry.delay_until_recursion for entry, _ in left} | {1})
        more: list[_Live] = []
        rounds = 0
        while rounds < _ROUNDS and levels:
            self._scan.read(rule.text for entry, rule in new if not entry.prevent_recursion)
            new = [each for each in left if self._recalls(each, levels[0])]
            taken = {id(entry) for entry, _ in new}
            left = [each for each in left if id(each[0]) not in taken]
            more += new
            rounds += bool(new)
            if not new:
                del levels[0]
        return more

    def _recalls(self, each: _Live, level: int) -> bool:
        entry, rule = each
        if entry.delay_until_recursion > level:
            return False
        return _always(*each) or self._scan.calls(entry, rule.scan_depth)


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
        if not text or (cost > budget and not entry.ignore_budget):
            continue
        if not entry.ignore_budget:
            left = left - cost if cost <= left else -1  # from here on nothing enters
            if left < 0:
                continue
        place = (entry.position, rule.depth, rule.role)
        kept.append((entry, LoreText(text, *place, unpaid=entry.ignore_budget)))
    kept.sort(key=lambda each: (each[0].order, places[id(each[0])]))
    return tuple(piece for _, piece in kept)
