"""A conversation as messages for an engine, fitted to a context length. Pure.

What an engine has evaluated once it keeps, as long as the messages begin as they did. So all that
stays stands first: system text, example dialogue, greeting, turns. When the context is full, the
oldest leave in chunks, and between two chunks nothing moves but the end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, takewhile

from localai.characters.card import DepthNote
from localai.characters.prompt_parts import ExampleTurn, PromptParts
from localai.errors import TooLong
from localai.generation.labels import asked, labelled, merged, noted
from localai.types import Message

Messages = tuple[Message, ...]
Count = Callable[[Messages], int]
"""Tokens of messages: asked a few times a turn, often for the same, so that a cache pays."""

START = "[Start a new Chat]"
"""Stands between example dialogue and what is really said."""
FIRST = "[Start]"
"""A user turn without meaning, before a greeting, for templates that begin with the user."""

_CHUNK = 4  # a chunk is this part of the context


@dataclass(frozen=True)
class Conversation:
    """What a card opens and two have said since.

    Parameters
    ----------
    turns : tuple of Message
        What was typed and answered, oldest first, without the greeting. The last is what is to be
        answered.
    notes : tuple of DepthNote
        For this answer: knowledge that was called for, notes of the user. Notes at a depth of d
        move with every turn, so that the last d messages are new to the engine each time; at 4,
        the usual depth, two exchanges. The same goes for the card's own notes. Text after the
        history costs the evaluation of the last answer and of itself.
    """

    opening: PromptParts
    turns: tuple[Message, ...] = ()
    notes: tuple[DepthNote, ...] = ()

    @property
    def said(self) -> tuple[str, ...]:
        """All that was said, the greeting first."""
        greeting = (self.opening.greeting,) if self.opening.greeting else ()
        return (*greeting, *(turn.content for turn in self.turns))

    @property
    def answers(self) -> int:
        """How many messages the character has said, the greeting counted."""
        return bool(self.opening.greeting) + sum(t.role == "assistant" for t in self.turns)


@dataclass(frozen=True)
class FittedMessages:
    """A conversation that fits, and what had to leave for that.

    `fixed` leading messages are the same whenever the card is used: the system text and the
    examples that are left.
    """

    messages: tuple[Message, ...]
    fixed: int
    dropped_examples: int = 0  # blocks, the last ones of the card
    dropped_turns: int = 0  # messages, the oldest
    dropped_greeting: bool = False  # the last to leave


@dataclass(frozen=True)
class _Droppable:
    """What leaves together: a block of examples, an exchange, or the greeting."""

    messages: tuple[ExampleTurn | Message, ...]
    kind: str

    def weight(self, count: Count) -> int:
        """Return about how many tokens it has; as one user message, which any template takes."""
        return count((Message("user", "\n".join(each.content for each in self.messages)),))


def fit(
    conversation: Conversation,
    count: Count,
    context: int,
    reply_tokens: int,
    ratio: float = 0.25,
    before: FittedMessages | None = None,
    shape: Callable[[Messages], Messages] = tuple,
) -> FittedMessages:
    """Return the messages of a conversation, shortened until they fit.

    Example dialogue leaves first, the last block first; then the oldest exchanges, then the
    greeting. Never the system text, the notes or the present question.

    A chunk is about a quarter of the context, or half of what the history may take if that is
    less. Where the chunks end depends on what stands before them alone. So the messages of the
    next turn begin as these do, unless a chunk leaves.

    Parameters
    ----------
    context : int
        Tokens of the context, the answer included.
    reply_tokens : int
        Tokens that are kept free for the answer.
    ratio : float
        Share of the context, beside the system text, that the history leaves to the present
        question and its answer. A longer question takes what else there is.
    before : FittedMessages or None
        The last fit of this conversation: what has left stays away, even if there is room again as
        this turn has fewer notes. None after turns were taken back.
    shape : callable
        `fold` with what the model's template asks for; `count` gets what it gives.

    Raises
    ------
    TooLong
        The system text, the notes and the present question alone do not fit.
    """
    if before and before.dropped_greeting:
        rest = replace(conversation, opening=replace(conversation.opening, greeting=""))
        last = replace(before, dropped_greeting=False)
        fitted = fit(rest, count, context, reply_tokens, ratio, last, shape)
        return replace(fitted, dropped_greeting=True)
    units = _units(conversation)
    limits = _Limits(conversation, count, context, reply_tokens, ratio)
    start = _gone(units, before) if before else 0

    def without(cut: int) -> FittedMessages:
        return _without(conversation, units[:cut], shape)

    def tokens(cut: int) -> int:
        return count(without(cut).messages)

    if tokens(start) <= limits.history:
        return without(start)
    cuts = _cuts(units, count, limits.chunk)
    at = bisect_left(cuts, True, key=lambda cut: tokens(cut) <= limits.history)
    if at == len(cuts) and tokens(cuts[-1]) > limits.all:
        raise _too_long(tokens(cuts[-1]), reply_tokens, context)
    return without(cuts[min(at, len(cuts) - 1)])


def _too_long(least: int, reply_tokens: int, context: int) -> TooLong:
    return TooLong(
        f"the system text and the present message have {least} tokens; the model's context holds "
        f"{context}, and {reply_tokens} of them are for the answer",
        "shorten the message, or ask for more with --ctx",
        tokens=least,
        limit=context,
    )


class _Limits:
    """Tokens: of all messages, of all messages for the ratio's sake, and of a chunk."""

    def __init__(
        self, conversation: Conversation, count: Count, context: int, reply: int, ratio: float
    ) -> None:
        system = count((Message("user", conversation.opening.system),))
        present = conversation.turns[-1].content if conversation.turns else ""
        history = context - int(ratio * max(0, context - system))
        self.all = context - reply
        self.history = min(self.all, history + count((Message("user", present),)))
        self.chunk = max(1, min(context // _CHUNK, (min(self.all, history) - system) // 2))


def _units(conversation: Conversation) -> list[_Droppable]:
    """Return what may leave, in the order in which it leaves."""
    opening = conversation.opening
    examples = [_Droppable(block, "example") for block in reversed(opening.examples)]
    greeting = [ExampleTurn("assistant", opening.greeting)] if opening.greeting else []
    exchanges = [_Droppable(each, "exchange") for each in _exchanges(conversation.turns)[:-1]]
    return [*examples, *exchanges, *(_Droppable((turn,), "greeting") for turn in greeting)]


def _exchanges(turns: tuple[Message, ...]) -> list[tuple[Message, ...]]:
    """Return turns in groups that begin with what the user has said."""
    starts = [at for at, turn in enumerate(turns) if turn.role == "user" or not at]
    return [turns[at:end] for at, end in pairwise([*starts, len(turns)])]


def _cuts(units: list[_Droppable], count: Count, chunk: int) -> list[int]:
    """Return how many units may leave at once, ascending; the last cut takes all of them."""
    weights = [unit.weight(count) for unit in units]
    examples = sum(unit.kind == "example" for unit in units)
    exchanges = sum(unit.kind == "exchange" for unit in units)
    full = [
        *_full_chunks(weights[:examples], chunk),
        examples,
        *(examples + at for at in _full_chunks(weights[examples : examples + exchanges], chunk)),
    ]
    # Less than a chunk is left behind the last one: it leaves one by one.
    return [*full, *range(full[-1] + 1, len(units) + 1)]


def _full_chunks(weights: Iterable[int], chunk: int) -> list[int]:
    """Return after how many units each chunk is full: `[3, 3, 3], 5` gives `[2]`."""
    ends, last = [], 0
    for at, total in enumerate(accumulate(weights), 1):
        if total - last >= chunk:
            ends.append(at)
            last = total
    return ends


def _gone(units: list[_Droppable], before: FittedMessages) -> int:
    """Return how many units had left before."""
    examples = sum(unit.kind == "example" for unit in units)
    exchanges = (len(unit.messages) for unit in units if unit.kind == "exchange")
    gone = sum(end <= before.dropped_turns for end in accumulate(exchanges))
    return min(before.dropped_examples, examples) + gone


def _without(
    conversation: Conversation, gone: Sequence[_Droppable], shape: Callable[[Messages], Messages]
) -> FittedMessages:
    """Return a conversation without some units."""
    kinds = [unit.kind for unit in gone]
    turns = sum(len(unit.messages) for unit in gone if unit.kind == "exchange")
    opening = conversation.opening
    blocks = opening.examples[: len(opening.examples) - kinds.count("example")]
    says = opening.system or opening.says_nothing
    head = [Message("system", opening.system, opening.system_parts)] if says else []
    head += [labelled("examples", turn.role, turn.content) for each in blocks for turn in each]
    mark = [labelled("examples", "system", START)] if blocks else []
    greets = opening.greeting and "greeting" not in kinds
    history = [Message("assistant", opening.greeting)] if greets else []
    history += asked(conversation.turns[turns:])
    body = noted(history, (*opening.notes, *conversation.notes))
    last = [labelled("card", "system", opening.post_history)] if opening.post_history else []
    messages = shape((*head, *mark, *body, *last))
    # Where the head meets what follows it, a shape may have made one message of two.
    same = takewhile(
        lambda pair: pair[0] == pair[1], zip(shape(tuple(head)), messages, strict=False)
    )
    return FittedMessages(
        messages, len(list(same)), kinds.count("example"), turns, "greeting" in kinds
    )


def fold(
    messages: Sequence[Message],
    *,
    mid_system: bool = True,
    user_first: bool = False,
    alternate: bool = False,
) -> tuple[Message, ...]:
    """Return messages as strict chat templates take them; contents are joined by blank lines.

    With `mid_system=False, user_first=True, alternate=True` any template takes them.

    Parameters
    ----------
    mid_system : bool
        Whether system messages may stand behind the first message. Otherwise each becomes text of
        the user turns beside it, or a user turn of its own.
    user_first : bool
        Whether the first turn has to be the user's.
    alternate : bool
        Whether two messages in a row may not have one role.
    """
    folded = [
        each._replace(role="user") if at and each.role == "system" and not mid_system else each
        for at, each in enumerate(messages)
    ]
    head = next((at for at, each in enumerate(folded) if each.role != "system"), len(folded))
    if user_first and folded[head:] and folded[head].role == "assistant":
        folded.insert(head, labelled("template", "user", FIRST))
    if alternate:
        return merged(folded, ("system", "user", "assistant"))
    return merged(folded, () if mid_system else ("user",))
