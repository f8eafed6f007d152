"""What each sequence of a context remembers, and who may reuse it. Pure bookkeeping."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from localai.engines.llama.context import Tokens
from localai.engines.llama.image_ids import PositionMap, boundary
from localai.engines.llama.prompt_cache import CachedPrompt

_clock = itertools.count(1)


def common_prefix(a: Tokens, b: Tokens) -> int:
    """Return how many leading tokens `a` and `b` share; never a part of a picture."""
    length = min(len(a), len(b))
    differs = a[:length] != b[:length]
    first = int(differs.argmax()) if length else 0
    common = first if length and differs[first] else length
    return boundary(a, boundary(b, common))


class TokenBuffer:
    """Token ids that grow at the end; `view` is their array, without a copy."""

    def __init__(self, tokens: Sequence[int] | Tokens = ()) -> None:
        self._length = len(tokens)
        self._array = np.empty(max(64, 2 * self._length), np.int32)
        self._array[: self._length] = tokens
        self.positions = PositionMap(self.view)  # what is appended is text

    def __len__(self) -> int:
        return self._length

    @property
    def view(self) -> Tokens:
        """The ids: int32[length]."""
        return self._array[: self._length]

    def append(self, token: int) -> None:
        """Add one id at the end."""
        if self._length == len(self._array):
            self._array = np.resize(self._array, 2 * self._length)
        self._array[self._length] = token
        self._length += 1


@dataclass
class Slot:
    """A sequence of the context: the first `length` of `tokens` are in its memory."""

    sequence: int
    tokens: TokenBuffer = field(default_factory=TokenBuffer)
    length: int = 0
    busy: bool = False
    parent: Slot | None = None  # whose cells the first `shared` tokens are
    shared: int = 0
    used: int = 0  # a clock's reading, for the least recently used
    copy: CachedPrompt | None = None  # of an idle memory, ready to leave the context

    @property
    def position(self) -> int:
        """Where the next token stands."""
        return self.tokens.positions.position(self.length)

    @property
    def memory(self) -> Tokens:
        """The tokens in memory: int32[length]."""
        return self.tokens.view[: self.length]

    def touch(self) -> None:
        """Note a use."""
        self.used = next(_clock)


class SlotTable:
    """The slots of a context.

    Parameters
    ----------
    sequences : int
        How many slots there are.
    whole_prefix_only : bool
        The model cannot forget a part of a sequence (recurrent layers): a memory is of use only
        as a whole.
    """

    def __init__(self, sequences: int, whole_prefix_only: bool) -> None:
        self.slots = [Slot(sequence) for sequence in range(sequences)]
        self.whole_prefix_only = whole_prefix_only

    def cells(self) -> int:
        """Return how many cells are in use; a shared prefix counts once."""
        return sum(slot.length - slot.shared for slot in self.slots)

    def in_order(self) -> list[Slot]:
        """Return all slots, each behind the one whose prefix it shares."""

        def depth(slot: Slot) -> int:
            return 0 if slot.parent is None else 1 + depth(slot.parent)

        return sorted(self.slots, key=depth)

    def busy(self) -> bool:
        """Whether some slot is in use."""
        return any(slot.busy for slot in self.slots)

    def usable(self, slot: Slot, prompt: Tokens) -> int:
        """Return how many tokens of `prompt` the memory of `slot` saves.

        The last token of a prompt is always evaluated: its logits choose the next one.
        """
        return self.saving(slot.memory, prompt)

    def saving(self, memory: Tokens, prompt: Tokens) -> int:
        """Return how many tokens of `prompt` a memory of these tokens saves."""
        common = common_prefix(memory, prompt[: len(prompt) - 1])
        return 0 if self.whole_prefix_only and common != len(memory) else common

    def best_match(self, prompt: Tokens) -> tuple[Slot | None, int]:
        """Return the slot that saves most of `prompt`, an idle one if two save the same."""
        best = max(
            self.slots,
            key=lambda slot: (self.usable(slot, prompt), not slot.busy, -slot.length),
        )
        saved = self.usable(best, prompt)
        return (best, saved) if saved else (None, 0)

    def free(self) -> Slot | None:
        """Return an empty slot, or None."""
        return next((slot for slot in self.slots if not slot.busy and not slot.length), None)

    def least_recently_used(self, keep: Iterable[Slot] = ()) -> Slot | None:
        """Return the idle slot with a memory that was used longest ago, or None."""
        kept = {slot.sequence for slot in keep}
        idle = [s for s in self.slots if not s.busy and s.length and s.sequence not in kept]
        return min(idle, key=lambda slot: slot.used, default=None)

    def share(self, source: Slot, target: Slot, length: int) -> None:
        """Note that `target`, which was empty, now shares a prefix of `source`."""
        target.parent, target.shared = source, length
        target.length = length

    def shorten(self, slot: Slot, length: int) -> None:
        """Note that `slot` has forgotten all but `length` tokens (0: everything).

        Cells that its children share stay in use, so one child inherits them.
        """
        children = [child for child in self.slots if child.parent is slot and child.shared > length]
        if children:
            heir = max(children, key=lambda child: child.shared)
            inherited = heir.shared
            for child in children:
                child.parent, child.shared = heir, min(child.shared, inherited)
            owner = (slot, length) if length else (slot.parent, min(inherited, slot.shared))
            heir.parent, heir.shared = owner
        slot.length = length
        slot.copy = None
        slot.shared = min(slot.shared, length)
        if not slot.shared:
            slot.parent = None
        if not length:
            slot.tokens = TokenBuffer()
