"""Memories of idle sequences outside of the context, where they slow nobody down.

Attention runs over every cell that some sequence uses, so a talk that only waits to be gone on
with makes the tokens of others dearer: six talks of 512 tokens cost a small model a quarter of its
speed (`tests/bench/one_stream.py`).
So the state of an idle sequence is copied out when there is nothing to do, and leaves the context
when another request comes that does not use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localai.engines.llama.context import Tokens

MOST_BYTES = 512 << 20


@dataclass(frozen=True, eq=False)
class CachedPrompt:
    """The state of a sequence (`Context.export`) and the tokens that it is the memory of."""

    tokens: Tokens
    state: bytes


class PromptCache:
    """States by age, kept under a size: the oldest leave first."""

    def __init__(self) -> None:
        self._places: list[CachedPrompt] = []  # the oldest first

    def __iter__(self) -> Iterator[CachedPrompt]:
        return iter(self._places)

    def park(self, parked: CachedPrompt) -> None:
        """Keep a state; one of which it is a continuation is no longer needed."""
        length = len(parked.tokens)
        self._places = [
            other
            for other in self._places
            if not (
                len(other.tokens) <= length
                and (parked.tokens[: len(other.tokens)] == other.tokens).all()
            )
        ]
        self._places.append(parked)
        self.shrink()

    def shrink(self, others: int = 0) -> None:
        """Let the oldest leave until all states, and so many bytes of others, are small enough."""
        while self._places and sum(len(each.state) for each in self._places) + others > MOST_BYTES:
            del self._places[0]

    def take(self, parked: CachedPrompt) -> None:
        """Forget a state that is in the context again."""
        self._places.remove(parked)
