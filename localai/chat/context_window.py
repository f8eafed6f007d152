"""What the model keeps in mind of a chat: the messages that fit its context, and what has left.

The client has no tokenizer: it estimates, and learns from what the engine counts. Where that was
too low the engine refuses, more leaves, and the question is asked again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from localai.characters.prompt_parts import PromptParts, triggered_lore
from localai.chat import sampling_options
from localai.chat.transcript import Turn
from localai.errors import BadInput, TooLong
from localai.generation.conversation import Conversation, FittedMessages, fit, fold
from localai.types import Message, TextRequest, Usage

if TYPE_CHECKING:
    from localai.chat.stage import Stage

_RATE = 0.33  # tokens a byte, before anything is learned
_FRAME = 12  # bytes that a message counts more than its text: what the template puts around it
_DRIFT = 0.1  # what the rate may be wrong by: much less than what is kept free
_BUMP = 1.05  # what the rate grows by at least when the engine refuses
_COUNTED = re.compile(r"prompt has (?:at least )?(\d+) tokens")
_LEAST_ANSWER = 8  # the part of the context that is kept free for an answer
_SUMMARY_SHARE = 0.5  # of the context, what one summary may be made of

# What any template takes, and the same as `ask -c` gives: what is evaluated once serves both.
_SHAPE = partial(fold, mid_system=False, user_first=True, alternate=True)

BEFORE = "What was said before, in short:"
SUMMARIZE = (
    "Summarize the conversation above in a few sentences: who said what, names, facts, promises. "
    "Write nothing but the summary."
)


class ContextWindow:
    """Fits a chat to the context of its model, turn by turn."""

    def __init__(self) -> None:
        self._rate = _RATE
        self._before: FittedMessages | None = None
        self._told = (0, 0)
        self._used: int | None = None
        self._bare = False  # nothing is left that could leave

    def count(self, messages: tuple[Message, ...]) -> int:
        """Return about how many tokens messages have."""
        return int(_weight(messages) * self._rate) + 1

    def messages(
        self, chat: Stage, without: int = 0, nudge: str = ""
    ) -> tuple[tuple[Message, ...], int]:
        """Return what the model is to answer, and how many leading messages stay the same.

        Parameters
        ----------
        without : int
            So many turns at the end are left out.
        nudge : str
            Said behind everything.
        """
        conversation = self._conversation(chat, without, nudge)
        context = chat.models.context
        reply = min(chat.settings.get("max_tokens") or context, context // _LEAST_ANSWER)
        ratio = chat.settings.get("memory_ratio", sampling_options.MEMORY_RATIO)
        try:
            fitted = fit(conversation, self.count, context, reply, ratio, self._before, _SHAPE)
            self._bare = False
        except TooLong:  # by our estimate; the engine knows
            fitted = _barest(conversation)
            self._bare = True
        self._before = fitted
        return fitted.messages, fitted.fixed

    def learn(self, request: TextRequest, usage: Usage) -> None:
        """Take what the engine has counted."""
        rate = usage.prompt_tokens / _weight_of(request)
        if abs(rate / self._rate - 1) > _DRIFT:  # chunks end at the same places as long as it stays
            self._rate = rate
        self._used = usage.prompt_tokens + usage.answer_tokens

    def refused(self, request: TextRequest, error: TooLong) -> bool:
        """Let more leave at the next fit, as the engine found it too long; False: there is none."""
        counted = _COUNTED.search(error.what)
        tokens = int(counted[1]) if counted else 0
        self._rate = max(tokens / _weight_of(request), self._rate * _BUMP)
        return not self._bare

    def forget(self) -> None:
        """Fit anew: turns were taken back, or the model is another one."""
        self._before, self._used, self._told = None, None, (0, 0)

    def left(self) -> str:
        """Return what has left since this was last asked, in words; empty: nothing."""
        if self._before is None:
            return ""
        now = (self._before.dropped_examples, self._before.dropped_turns)
        before, self._told = self._told, now
        examples, turns = now[0] - before[0], now[1] - before[1]
        parts = [_many(examples, "example dialogue")] * (examples > 0)
        parts += [_many(turns, "old message")] * (turns > 0)
        return f"{' and '.join(parts)} left the model's memory" if parts else ""

    def meter(self, chat: Stage) -> tuple[str, float]:
        """Return `312/4096`, and how full that is, from 0 to 1."""
        if self._used is None:
            before = self._before
            nudge = "" if chat.transcript.spoken else "?"  # an engine is never asked nothing
            self._used = self.count(self.messages(chat, nudge=nudge)[0])
            self._before = before
        context = chat.models.context
        return f"{_short(self._used)}/{_short(context)}", self._used / context

    def report(self, chat: Stage) -> str:
        """Return the state of the memory, in words."""
        meter, full = self.meter(chat)
        lines = [f"{meter} tokens, {full:.0%} of the context"]
        if self._before:
            if examples := self._before.dropped_examples:
                lines.append(f"{_many(examples, 'example dialogue')} left the memory")
            if turns := self._before.dropped_turns:
                lines.append(f"{_many(turns, 'message')} left the memory; /summarize keeps more")
        if chat.transcript.summary:
            lines.append(f"{BEFORE} {chat.transcript.summary}")
        return "\n".join(lines)

    def oldest(self, chat: Stage) -> tuple[int, tuple[Message, ...]]:
        """Return how many turns a summary is to replace, and what asks the model for it.

        Raises
        ------
        BadInput
            The conversation is too short.
        """
        spoken = chat.transcript.spoken
        questions = [at for at, turn in enumerate(spoken) if turn.role == "user"]
        ends = questions[1 : len(questions) // 2 + 1]  # the newer half stays
        if not ends:
            raise BadInput("there is nothing to summarize yet", "/context shows what there is")
        for end in reversed(ends):
            asked = _summary_of(chat, spoken[:end])
            if self.count(asked) <= chat.models.context * _SUMMARY_SHARE:
                break
        return end, asked

    def _conversation(self, chat: Stage, without: int, nudge: str) -> Conversation:
        spoken = chat.transcript.spoken
        spoken = spoken[: len(spoken) - without]
        greeting = spoken[0].text if spoken and spoken[0].role == "assistant" else ""
        turns = [_message(turn) for turn in spoken[bool(greeting) :]]
        if nudge:
            turns.append(Message("user", nudge))
        opening = _with_summary(chat.participants.prompt_parts, chat.transcript.summary)
        opening = replace(opening, greeting=greeting)
        conversation = Conversation(opening, fold(turns, alternate=True))
        character = chat.participants.character
        if character is None or character.lorebook is None:
            return conversation
        notes = triggered_lore(character, opening, conversation.said, conversation.answers)
        return replace(conversation, notes=notes)


def _weight(messages: Sequence[Message]) -> int:
    return sum(len(each.content.encode("utf-8", "replace")) + _FRAME for each in messages)


def _weight_of(request: TextRequest) -> int:
    prefill = Message("assistant", request.prefill)
    return _weight((*request.messages, prefill) if request.prefill else request.messages)


def _message(turn: Turn) -> Message:
    return Message("assistant" if turn.role == "assistant" else "user", turn.text)


def _with_summary(opening: PromptParts, summary: str) -> PromptParts:
    if not summary:
        return opening
    return replace(opening, system=f"{opening.system}\n\n{BEFORE}\n{summary}".strip())


def _barest(conversation: Conversation) -> FittedMessages:
    """Return a conversation of which everything has left that can."""
    opening = replace(conversation.opening, examples=(), greeting="")
    last = replace(conversation, opening=opening, turns=conversation.turns[-1:])
    fitted = fit(last, lambda _: 0, 1, 0, shape=_SHAPE)
    return replace(
        fitted,
        dropped_examples=len(conversation.opening.examples),
        dropped_turns=len(conversation.turns) - 1,
        dropped_greeting=bool(conversation.opening.greeting),
    )


def _summary_of(chat: Stage, turns: Sequence[Turn]) -> tuple[Message, ...]:
    names = {"user": chat.participants.user, "assistant": chat.participants.char}
    lines = [f"{names[turn.role]}: {turn.text}" for turn in turns]
    if chat.transcript.summary:
        lines.insert(0, chat.transcript.summary)
    return (Message("user", "\n".join(lines) + f"\n\n{SUMMARIZE}"),)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"
