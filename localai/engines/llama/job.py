"""One request on its way: its tokens, where it stands, and what it has cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from localai.engines.llama.output_parser import OutputParser, Piece
from localai.engines.llama.repetition import Repetition
from localai.engines.llama.sampler import Sampler
from localai.engines.llama.slots import Slot, TokenBuffer
from localai.types import Events, Finished, FinishReason, TextRequest, Usage

if TYPE_CHECKING:
    from localai.engines.llama.projector import ImageChunk
    from localai.engines.llama.structured_output import (
        TokenMatcher,  # imports a library that few jobs need
    )


class PictureCounts(NamedTuple):
    """How many pictures a request shows, and what they have cost."""

    shown: int = 0
    encoded: int = 0  # the others were known
    seconds: float = 0.0


@dataclass(eq=False)
class Job:
    """A request between its arrival and its last event.

    `tokens` holds prompt and answer; what of it is in memory is its slot's length, and what is
    not is pending. A job in its prompt has many pending tokens, a job in its answer one, or some
    more where a constraint forces them: the scheduler treats all alike.
    """

    id: str
    client: str  # whom it is for
    request: TextRequest
    tokens: TokenBuffer
    sampler: Sampler
    parser: OutputParser
    limit: int  # tokens, prompt and answer together
    seed: int
    arrived: float  # by `time.perf_counter`
    matcher: TokenMatcher | None = None
    shared_prefix: int = 0  # leading tokens that the next use will share
    marks: Mapping[int, bytes] = field(default_factory=dict)  # control tokens that mark thinking
    cut: int = 0  # tokens that were cut away from the prompt
    images: Mapping[int, ImageChunk] = field(default_factory=dict)  # by the place of their first id
    pictures: PictureCounts = field(default_factory=PictureCounts)
    slot: Slot | None = None
    cancelled: bool = False
    prefill_boundaries: set[int] = field(
        default_factory=set
    )  # where a step over the prompt has to end
    started: float = 0.0
    first: float = 0.0
    last: float = 0.0
    reused: int = 0
    answered: int = 0
    closed: bool = False  # its form was completed before the model had done so

    def __post_init__(self) -> None:
        self.prompt_length = len(self.tokens)
        self._repetition = Repetition(4 if self.request.constraint else 1)

    @property
    def repeats(self) -> bool:
        """Whether the answer says the same over and over."""
        return self._repetition.found

    @property
    def pending(self) -> int:
        """How many tokens are still to be evaluated."""
        return len(self.tokens) - (self.slot.length if self.slot else 0)

    @property
    def full(self) -> bool:
        """Whether the answer may not grow further."""
        return self.left <= 0

    @property
    def left(self) -> int:
        """How many tokens the answer may still have."""
        room = self.limit - len(self.tokens)
        most = self.request.max_tokens
        return room if most is None else min(room, most - self.answered)

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts interactive requests first, then by arrival."""
        return (not self.request.interactive, self.arrived)

    def way_to_end(self) -> list[int]:
        """Return tokens that complete an answer of a form; none where there is none, or no room."""
        if self.matcher is None or self.parser.thinking or self.matcher.complete:
            return []
        way = self.matcher.way_to_end(self.left)
        self.closed = bool(way)
        return way

    def instead(self, token: int) -> list[int] | None:
        """Return what completes an answer of a form where a token leaves too few; else None."""
        if self.matcher is None:
            return None
        way = self.matcher.instead(token, self.left)
        self.closed = way is not None
        return way

    def wanted_cells(self) -> int:
        """Return how many tokens to make room for at first; more comes as it grows."""
        answer = min(self.request.max_tokens or _FIRST_ANSWER, _FIRST_ANSWER)
        return min(self.limit, len(self.tokens) + answer)

    def events(self, pieces: list[Piece]) -> Events:
        """Return pieces of text as events of this job."""
        for piece in pieces:
            self._repetition.feed(piece.text)
        return [(self.id, piece) for piece in pieces]

    def finish(self, reason: FinishReason) -> Events:
        """Return the last events of the job."""
        pieces = self.events(self.parser.close())
        return [*pieces, (self.id, Finished(reason, self.usage()))]

    def usage(self) -> Usage:
        """Return what the job has cost up to now."""
        now = time.perf_counter()
        started = self.started or now
        first = self.first or now
        return Usage(
            prompt_tokens=self.prompt_length,
            reused_tokens=self.reused,
            answer_tokens=self.answered,
            truncated_tokens=self.cut,
            queue_seconds=started - self.arrived,
            prompt_seconds=first - started,
            answer_seconds=max(0.0, self.last - first),
            first_token_seconds=first - self.arrived,
            seed=self.seed,
            most_tokens=self.request.max_tokens,
            pictures=self.pictures.shown,
            encoded_pictures=self.pictures.encoded,
            encode_seconds=self.pictures.seconds,
            closed=self.closed,
        )


_FIRST_ANSWER = 256  # tokens
ENDS: dict[FinishReason, str] = {
    "length": "reached the limit of tokens",
    "stop": "reached the end of the text",
    "repetition": "said the same over and over",
}
"""What an answer did that has ended, in words."""


def step_order(active: Sequence[Job]) -> Sequence[Job]:
    """Return whose tokens a step evaluates: interactive jobs alone if there are any.

    Answers stand before prompts: a prompt takes what room they leave.
    """
    if len(active) < 2:
        return active
    interactive = [job for job in active if job.request.interactive]
    return sorted(interactive or active, key=lambda job: job.pending > 1)


def fair_order(waiting: Iterable[Job], active: Iterable[Job]) -> list[Job]:
    """Return waiting jobs in their turn: interactive ones first, then fairly among clients.

    A client's next job stands behind as many turns as it has jobs running or waiting before it.
    """
    shares = Counter(job.client for job in active)
    keyed = []
    for job in sorted(waiting, key=lambda job: job.rank):
        keyed.append((not job.request.interactive, shares[job.client], job.arrived, job))
        shares[job.client] += 1
    return [job for *_, job in sorted(keyed, key=lambda key: key[:3])]
