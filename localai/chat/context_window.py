"""What the model keeps in mind of a chat: the messages that fit its context, and what has left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from localai.characters.prompt_parts import PromptParts, triggered_lore
from localai.chat import sampling_options
from localai.chat.participants import Participants
from localai.chat.transcript import Transcript, Turn
from localai.errors import BadInput
from localai.formats import prompt_report
from localai.formats.parts import one_part
from localai.generation.conversation import Conversation, FittedMessages, fit, fold
from localai.types import Message, Picture, TokenCount

_MOST_COUNTED = 1024  # messages whose tokens are remembered
_LEAST_ANSWER = 8  # the part of the context that is kept free for an answer
_SUMMARY_SHARE = 0.5  # of the context, what one summary may be made of
_ANY = "?"  # a question
_SAID = ("user", "assistant", "more", "part", "note")  # after which the last prompt still counts
Messages = tuple[Message, ...]

# What any template takes, and the same as `ask -c` gives: what is evaluated once serves both.
_SHAPE = partial(fold, mid_system=False, user_first=True, alternate=True)

BEFORE = "What was said before, in short:"
SUMMARIZE = (
    "Summarize the conversation above in a few sentences: who said what, names, facts, promises. "
    "Write nothing but the summary."
)


class ContextWindow:
    """Fits a chat to the context of its model, turn by turn.

    Parameters
    ----------
    measure : callable
        Takes messages, the beginning of their answer, and whether the parts are to be told;
        returns the tokens of their prompt.
    show : callable
        Paths of pictures to the pictures.
    """

    def __init__(
        self,
        measure: Callable[[tuple[Message, ...], str, bool], TokenCount],
        show: Callable[[tuple[str, ...]], tuple[Picture, ...]] = lambda _: (),
    ) -> None:
        self._measure, self._show = measure, show
        self._counted: dict[tuple[tuple[Message, ...], str], int] = {}
        self._before: FittedMessages | None = None
        self._told = (0, 0)
        self._asked: Messages | None = None  # what the model was last asked
        self._used: TokenCount | None = None  # by what was said so far

    def count(self, messages: tuple[Message, ...], prefill: str = "") -> int:
        """Return how many tokens messages have, as the model's template writes them."""
        key = (messages, prefill)
        if key not in self._counted:
            if len(self._counted) >= _MOST_COUNTED:
                self._counted.clear()
            self._counted[key] = self._measure(messages, prefill, False).tokens if messages else 0
        return self._counted[key]

    def messages(
        self,
        transcript: Transcript,
        participants: Participants,
        context: int,
        options: Mapping[str, Any],
        *,
        without: int = 0,
        nudge: str = "",
        prefill: str = "",
    ) -> tuple[tuple[Message, ...], int]:
        """Return what the model is to answer, and how many leading messages stay the same.

        Parameters
        ----------
        context : int
            Tokens of the model's context.
        options : mapping
            What was set: `max_tokens` and `memory_ratio` count here.
        without : int
            So many turns at the end are left out.
        nudge : str
            Said behind everything.
        prefill : str
            The beginning of the answer.

        Raises
        ------
        TooLong
            Everything has left that could, and it is still too long.
        """
        conversation = self._conversation(transcript, participants, without, nudge)
        reply = min(options.get("max_tokens") or context, context // _LEAST_ANSWER)
        ratio = options.get("memory_ratio", sampling_options.MEMORY_RATIO)
        count = partial(self.count, prefill=prefill)
        fitted = fit(conversation, count, context, reply, ratio, self._before, _SHAPE)
        self._before = fitted
        return fitted.messages, fitted.fixed

    def asked(self, messages: Messages) -> None:
        """Take what the model is asked: with the answer, that is what it has in mind then."""
        self._asked = messages

    def change(self, kind: str) -> None:
        """Measure anew: something has happened in the chat (`transcript`)."""
        self._used = None
        if kind not in _SAID:
            self._asked = None

    def renew(self) -> None:
        """Count and fit anew: another model has other tokens, another template."""
        self._counted.clear()
        self.forget()

    def forget(self) -> None:
        """Fit anew: turns were taken back, or the model is another one."""
        self._before, self._asked, self._used, self._told = None, None, None, (0, 0)

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

    def used(
        self,
        transcript: Transcript,
        participants: Participants,
        context: int,
        options: Mapping[str, Any],
    ) -> TokenCount:
        """Return what the model has in mind: what it was last asked, and its answer.

        Before the first question: what that will stand behind, without what it will call for.
        """
        if self._used is None:
            before, nudge = self._before, ""
            if self._asked and transcript.answer:
                shown = (*self._asked, self._message(transcript.answer))
            else:
                quiet = replace(participants, character=None)  # no knowledge is called for
                nudge = "" if transcript.spoken else _ANY  # an engine is never asked nothing
                shown, _ = self.messages(transcript, quiet, context, options, nudge=nudge)
            found = self._measure(shown, "", True)
            parts = dict(found.parts)
            unasked = parts.pop("input", 0) if nudge else 0
            self._used = TokenCount(found.tokens - unasked, context, found.text, parts)
            self._before = before
        return self._used

    def report(self, used: TokenCount, summary: str) -> str:
        """Return the state of the context, in words."""
        lines = [prompt_report.table(used)]
        if self._before:
            if examples := self._before.dropped_examples:
                lines.append(f"{_many(examples, 'example dialogue')} left the memory")
            if turns := self._before.dropped_turns:
                lines.append(f"{_many(turns, 'message')} left the memory; /summarize keeps more")
        if summary:
            lines.append(f"{BEFORE} {summary}")
        return "\n".join(lines)

    def oldest(
        self, transcript: Transcript, participants: Participants, context: int
    ) -> tuple[int, tuple[Message, ...]]:
        """Return how many turns a summary is to replace, and what asks the model for it.

        Raises
        ------
        BadInput
            The conversation is too short.
        """
        spoken = transcript.spoken
        questions = [at for at, turn in enumerate(spoken) if turn.role == "user"]
        ends = questions[1 : len(questions) // 2 + 1]  # the newer half stays
        if not ends:
            raise BadInput("there is nothing to summarize yet", "/context shows what there is")
        for end in reversed(ends):
            asked = _summary_of(transcript, participants, spoken[:end])
            if self.count(asked) <= context * _SUMMARY_SHARE:
                break
        return end, asked

    def _conversation(
        self, transcript: Transcript, participants: Participants, without: int, nudge: str
    ) -> Conversation:
        spoken = transcript.spoken
        spoken = spoken[: len(spoken) - without]
        greeting = spoken[0].text if spoken and spoken[0].role == "assistant" else ""
        turns = [self._message(turn) for turn in spoken[bool(greeting) :]]
        if nudge:
            turns.append(Message("user", nudge))
        opening = _with_summary(participants.prompt_parts, transcript.summary)
        opening = replace(opening, greeting=greeting)
        conversation = Conversation(opening, fold(turns, alternate=True))
        character = participants.character
        if character is None or character.lorebook is None:
            return conversation
        notes = triggered_lore(character, opening, conversation.said, conversation.answers)
        return replace(conversation, notes=notes)

    def _message(self, turn: Turn) -> Message:
        role: Literal["assistant", "user"] = "assistant" if turn.role == "assistant" else "user"
        return Message(role, turn.text, pictures=self._show(turn.pictures))


def _with_summary(opening: PromptParts, summary: str) -> PromptParts:
    if not summary:
        return opening
    more = f"\n\n{BEFORE}\n{summary}" if opening.system else f"{BEFORE}\n{summary}"
    parts = (*opening.system_parts, *one_part("summary", more))
    return replace(opening, system=opening.system + more, system_parts=parts)


def _summary_of(
    transcript: Transcript, participants: Participants, turns: Sequence[Turn]
) -> tuple[Message, ...]:
    names = {"user": participants.user, "assistant": participants.char}
    lines = [f"{names[turn.role]}: {turn.text}" for turn in turns]
    if transcript.summary:
        lines.insert(0, transcript.summary)
    return (Message("user", "\n".join(lines) + f"\n\n{SUMMARIZE}"),)


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def meter(used: TokenCount) -> tuple[str, float]:
    """Return `312/4096`, and how full that is, from 0 to 1."""
    return f"{_short(used.tokens)}/{_short(used.context)}", used.tokens / used.context


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number / 1000:.0f}k"
