"""Who has which part of the context: slots given to jobs, prefixes shared, copied and kept.

Joins a `Context` (what the library holds), `SlotTable` (what we know of it) and `StateStore` (what
is on disk), and is the only place that changes one of them together with the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from localai.engines.llama.context import Context, Run, Tokens
from localai.engines.llama.context_params import ContextParams
from localai.engines.llama.image_ids import boundary
from localai.engines.llama.job import Job
from localai.engines.llama.prompt_cache import MOST_BYTES, CachedPrompt, PromptCache
from localai.engines.llama.slots import Slot, SlotTable, TokenBuffer
from localai.engines.llama.state_store import LEAST_TOKENS, StateStore
from localai.errors import NotEnoughMemory

_WORTH_CACHING = 64  # tokens


class KVCacheManager:
    """The context of a model and what its sequences remember.

    Parameters
    ----------
    make_context : callable
        Makes a context of given `ContextParams`; may raise NotEnoughMemory.
    params : ContextParams
        What the first context is made with.
    most_cells : int
        The context may grow to this when requests need it.
    whole_prefix_only : bool
        The model cannot forget a part of a sequence: see `SlotTable`.
    """

    def __init__(
        self,
        make_context: Callable[[ContextParams], Context],
        params: ContextParams,
        most_cells: int,
        states: StateStore,
        *,
        whole_prefix_only: bool,
    ) -> None:
        self._make_context, self._most_cells = make_context, most_cells
        self._states, self._whole_prefix_only = states, whole_prefix_only
        self.context = make_context(params)
        self._slots = SlotTable(params.sequences, whole_prefix_only)
        self._prompt_cache = PromptCache()
        self._unsaved: list[Slot] = []  # slots that hold exactly a fixed prefix not yet on disk

    @property
    def batch(self) -> int:
        """Tokens that one step may evaluate."""
        return self.context.params.batch

    @property
    def cells(self) -> int:
        """How many cells of the context are in use."""
        return self._slots.cells()

    @property
    def unsaved(self) -> bool:
        """Whether there are states to be written before the process ends."""
        return bool(self._unsaved)

    @property
    def idle_tasks(self) -> bool:
        """Whether there is something to be done while nobody waits."""
        return self.unsaved or self._unparked() is not None

    def run_idle_task(self) -> None:
        """Write a state that is to be kept, or copy an idle memory out of the context."""
        if self._unsaved:
            slot = self._unsaved.pop()
            self._states.save(self.context, slot.sequence, slot.memory)
        elif idle := self._unparked():
            idle.copy = CachedPrompt(idle.memory.copy(), self.context.export(idle.sequence))
            self._prompt_cache.shrink(self._copied)

    def saved_by(self, prompt: Tokens) -> int:
        """Return how many tokens of `prompt` need no evaluation now."""
        parked = (self._slots.saving(each.tokens, prompt) for each in self._prompt_cache)
        return max(self._slots.best_match(prompt)[1], *parked, 0)

    def place(self, job: Job) -> bool:
        """Give a job a slot, with as much of its prompt as is known; False: it has to wait.

        Raises
        ------
        NotEnoughMemory
            Waiting would not help.
        """
        self._recall(job.tokens.view)
        best_match, saved = self._slots.best_match(job.tokens.view)
        slot = self._slot_for(best_match, saved)
        if slot is None or not self._make_room(job, saved, best_match):
            return False
        if best_match is slot:
            self._trim(slot, saved)
        else:
            self._trim(slot, 0)
            if best_match is not None:
                end = best_match.tokens.positions.position(saved)
                self.context.copy(best_match.sequence, slot.sequence, end)
                self._slots.share(best_match, slot, saved)
                best_match.touch()
        slot.busy, slot.tokens = True, job.tokens
        slot.touch()
        slot.copy = None
        job.slot = slot
        self._restore(job, slot)
        self._park()
        return True

    def release(self, slot: Slot, *, forget: bool = False) -> None:
        """Take a slot back; its memory stays for others unless it is to be forgotten."""
        slot.busy = False
        slot.touch()
        if forget:
            self._trim(slot, 0)

    def advance(self, job: Job, run: Run) -> None:
        """Note that a run has been evaluated; keep the state where a fixed prefix ends."""
        assert job.slot is not None
        job.slot.length += len(run.tokens)
        if job.slot.length == job.shared_prefix >= LEAST_TOKENS:
            self._keep(job.slot)

    def resync(self, slot: Slot) -> None:
        """After a step that was cut short: believe what the context says is in memory."""
        tokens = slot.tokens
        kept = boundary(tokens.view, tokens.positions.index(self.context.length(slot.sequence)))
        if self._whole_prefix_only and kept != slot.length:
            kept = 0
        self.context.trim(slot.sequence, tokens.positions.position(kept))
        self._slots.shorten(slot, min(kept, slot.length))
        slot.length = kept

    def evict_or_grow(self) -> bool:
        """Free cells in the middle of an answer: forget an idle memory, or grow."""
        if least_recently_used := self._slots.least_recently_used():
            self._trim(least_recently_used, 0)
            return True
        room = self._most_cells - self._least_cells()
        return room > 0 and self._grow(min(self.batch, room))

    def close(self) -> None:
        """Free the context."""
        self.context.close()

    @property
    def _copied(self) -> int:
        """The bytes of the copies of idle memories that are still in the context."""
        return sum(len(slot.copy.state) for slot in self._slots.slots if slot.copy)

    def _unparked(self) -> Slot | None:
        """Return an idle memory that is worth a copy and has none.

        One that shares nearly all of its cells slows nobody down, and a copy would hold what it
        shares once more.
        """
        if self._copied >= MOST_BYTES:
            return None
        idle = (slot for slot in self._slots.slots if not slot.busy and slot.copy is None)
        worth = (slot for slot in idle if slot.length - slot.shared >= _WORTH_CACHING)
        return next((slot for slot in worth if slot not in self._unsaved), None)

    def _park(self) -> None:
        """Let idle memories that have been copied leave the context; what they share stays."""
        for slot in self._slots.slots:
            if slot.copy is not None and not slot.busy:
                self._trim(slot, 0)

    def _recall(self, prompt: Tokens) -> None:
        """Take a parked memory back into the context if it saves more than all that are there."""
        best = max(
            self._prompt_cache,
            key=lambda parked: self._slots.saving(parked.tokens, prompt),
            default=None,
        )
        if best is None:
            return
        saved = self._slots.saving(best.tokens, prompt)
        slot = self._slots.free() or self._slots.least_recently_used()
        if saved < self._slots.best_match(prompt)[1] + _WORTH_CACHING or slot is None:
            return
        self._prompt_cache.take(best)  # before the slot's own memory is parked, and pushes it out
        self._trim(slot, 0)
        fits = self._slots.cells() + len(best.tokens) <= self.context.params.cells
        if fits and self.context.admit(slot.sequence, best.state):
            slot.tokens, slot.length = TokenBuffer(best.tokens), len(best.tokens)
            slot.touch()
        else:
            self._prompt_cache.park(best)

    def _slot_for(self, best_match: Slot | None, saved: int) -> Slot | None:
        """Return the donor itself where all of its memory is used, else an empty or idle slot."""
        if best_match is not None and not best_match.busy and best_match.length == saved:
            return best_match
        if free := self._slots.free():
            return free
        if least_recently_used := self._slots.least_recently_used(
            () if best_match is None else (best_match,)
        ):
            return least_recently_used
        return best_match if best_match is not None and not best_match.busy else None

    def _make_room(self, job: Job, saved: int, best_match: Slot | None) -> bool:
        needed = job.wanted_cells() - saved
        while self._slots.cells() + needed > self.context.params.cells:
            if least_recently_used := self._slots.least_recently_used(
                (best_match,) if best_match else ()
            ):
                self._trim(least_recently_used, 0)
            elif not self._grow(needed):
                if not self._slots.busy():
                    raise NotEnoughMemory(
                        f"the request needs a context of {job.wanted_cells()} tokens; there is "
                        f"memory for {self._most_cells}",
                        "use -n to limit the answer, or give a shorter input",
                    )
                return False
        return True

    def _restore(self, job: Job, slot: Slot) -> None:
        """Read a longer prefix from disk than the slot has, if there is one."""
        fixed = job.tokens.view[: job.shared_prefix]
        if slot.length < job.shared_prefix and self._states.has(fixed):
            self._trim(slot, 0)
            slot.tokens = job.tokens
            if self._states.restore(self.context, slot.sequence, fixed):
                slot.length = job.shared_prefix

    def _keep(self, slot: Slot) -> None:
        """Keep a copy of a sequence, to be written to disk when there is time."""
        spare = self._slots.free()
        if spare is None and (spare := self._slots.least_recently_used(self._unsaved)):
            self._trim(spare, 0)
        if spare is not None:
            self.context.copy(slot.sequence, spare.sequence, slot.position)
            spare.tokens = TokenBuffer(slot.memory)
            self._slots.share(slot, spare, slot.length)
            spare.touch()
            if not self._states.has(spare.memory):
                self._unsaved.append(spare)

    def _trim(self, slot: Slot, length: int) -> None:
        if slot in self._unsaved:
            self._unsaved.remove(slot)
        if slot.copy is not None and length < slot.length:
            self._prompt_cache.park(slot.copy)
        if length < slot.length:
            self.context.trim(slot.sequence, slot.tokens.positions.position(length))
        self._slots.shorten(slot, length)

    def _grow(self, needed: int) -> bool:
        """Make the context larger, keeping every memory; False where it may not grow so far."""
        old = self.context.params
        kept = [slot for slot in self._slots.in_order() if slot.length]
        least = self._least_cells() + needed
        if least > self._most_cells or old.cells >= self._most_cells:
            return False
        states = [self.context.export(slot.sequence) for slot in kept]
        self.context.close()
        try:
            wanted = min(max(2 * old.cells, least), self._most_cells)
            self.context = self._make_context(replace(old, cells=wanted))
        except NotEnoughMemory:
            self._most_cells = old.cells
            self.context = self._make_context(old)
        for slot, state in zip(kept, states, strict=True):
            self._readmit(slot, state)
        return self.context.params.cells > old.cells

    def _least_cells(self) -> int:
        """Return how many cells a context needs to take every memory from another one.

        States are copied whole, one after the other, and give back what they share.
        """
        if self._whole_prefix_only:  # which share nothing there
            return sum(slot.length for slot in self._slots.slots)
        return self._slots.cells() + max(slot.shared for slot in self._slots.slots)

    def _readmit(self, slot: Slot, state: bytes) -> None:
        """Take a memory into a new context, sharing again what it shared; its parent is there."""
        parent, shared = slot.parent, slot.shared
        slot.parent, slot.shared = None, 0
        if not self.context.admit(slot.sequence, state):
            slot.length = 0
        elif parent is not None and parent.length >= shared and not self._whole_prefix_only:
            end = slot.tokens.positions.position(shared)
            self.context.share(parent.sequence, slot.sequence, end)
            slot.parent, slot.shared = parent, shared
