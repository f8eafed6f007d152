"""What decides of a lorebook's entries besides their keys: chance, groups, time. Pure.

A draw hangs on the seed of the conversation, on the entry and on how much was said, so that the
same conversation always gets the same pieces, however often its prompt is made.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Literal

from localai.characters.card import LoreEntry

_EXCHANGE = 2  # messages between two answers
_MOST_ANSWERS = 256  # the last ones, after which entries are looked for to know how they stand

Wanted = Callable[[int], bool]
"""Whether an entry was called for when so many messages had been said."""


class Draws:
    """The chances of a book's entries in one conversation."""

    def __init__(self, seed: int, entries: Sequence[LoreEntry]) -> None:
        self._seed = seed
        self._places = {id(entry): at for at, entry in enumerate(entries)}

    def happens(self, entry: LoreEntry, said: int) -> bool:
        """Whether an entry that is called for after so many messages enters, by its chance."""
        if not 0 < entry.probability < 100:
            return entry.probability > 0
        draw = random.Random(f"{self._seed}/{self._places[id(entry)]}/{said}")
        return draw.random() * 100 < entry.probability

    def winners(self, entries: Sequence[LoreEntry], said: int) -> set[int]:
        """Return the `id` of the entries that are left when each group has sent one."""
        left = {id(entry): entry for entry in entries}
        for name in sorted({name for entry in entries for name in entry.group}):
            group = [entry for entry in left.values() if name in entry.group]
            if len(group) > 1:
                best = self._winner(group, f"{self._seed}/{name}/{said}")
                left = {at: e for at, e in left.items() if e is best or name not in e.group}
        return set(left)

    def _winner(self, group: list[LoreEntry], source: str) -> LoreEntry:
        first = [entry for entry in group if entry.group_override]
        if first:
            return max(first, key=lambda entry: entry.order)
        weights = [entry.group_weight for entry in group]
        return random.Random(source).choices(group, weights if any(weights) else None)[0]


State = Literal["free", "active", "barred"]


def state(entry: LoreEntry, said: int, wanted: Wanted) -> State:
    """Return whether an entry stays from before, may not come again yet, or neither.

    The conversation tells: it is gone through from the first answer on, or from the 256th last.
    """
    if not entry.sticky and not entry.cooldown:
        return "free"
    stays = barred = 0  # until so many messages have been said
    first = said - min(said // _EXCHANGE, _MOST_ANSWERS) * _EXCHANGE
    for until in range(first, said, _EXCHANGE):
        if until >= max(stays, barred) and wanted(until):
            stays = until + entry.sticky
            barred = stays + entry.cooldown if entry.cooldown else 0
    return "active" if said < stays else "barred" if said < barred else "free"
