"""What was said in a chat, as events: applied as they happen, and read again the same way.

A `set` says what the chat is held with (`values`); `user`, `assistant`, `note` are turns (`text`;
of an answer also `finish`); a `part` is of an answer that still comes; `more` lengthens the last
answer; `back` takes so many `turns` back; a `summary` (`text`) stands for so many of the oldest
`turns`; `reset` forgets all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Event = Mapping[str, Any]
Role = Literal["user", "assistant", "note"]
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Turn:
    """One thing that was said."""

    role: Role
    text: str
    finish: str = ""  # of an answer: "stop", "length", "repetition" or "interrupted"
    pictures: tuple[str, ...] = ()  # their paths


def _paths(value: object) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


@dataclass
class Transcript:
    """All turns of a chat, and what it is held with."""

    turns: list[Turn] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    summary: str = ""  # of turns that are gone
    strange: int = 0  # events that were not understood
    _parts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, events: Iterable[Event]) -> Transcript:
        """Return the transcript of a chat that was broken off after these events."""
        transcript = cls()
        for event in events:
            transcript.apply(event)
        transcript._keep_parts()
        return transcript

    def apply(self, event: Event) -> None:
        """Let an event happen; one that makes no sense is counted and changes nothing."""
        if event.get("kind") not in ("part", "begin"):
            if event.get("kind") in ("assistant", "more"):  # which holds them all
                self._parts.clear()
            self._keep_parts()
        match event:
            case {"kind": "user" | "note" as role, "text": str(text), **more}:
                self.turns.append(Turn(role, text, pictures=_paths(more.get("pictures"))))
            case {"kind": "assistant", "text": str(text), **more}:
                finish = str(more.get("finish", "stop"))
                self.turns.append(Turn("assistant", text, finish))
            case {"kind": "part", "text": str(text)}:
                self._parts.append(text)
            case {"kind": "more", "text": str(text), **more} if self.answer:
                self._lengthen(text, str(more.get("finish", "stop")))
            case _:
                self._change(event)

    def _keep_parts(self) -> None:
        """Keep what came of an answer that broke off; behind an answer, it lengthened that."""
        if text := "".join(self._parts):
            if self.answer:
                self._lengthen(text, INTERRUPTED)
            else:
                self.turns.append(Turn("assistant", text, INTERRUPTED))
        self._parts.clear()

    def _change(self, event: Event) -> None:
        match event:
            case {"kind": "back", "turns": int(count)}:
                self._take_back(count)
            case {"kind": "summary", "turns": int(count), "text": str(text)}:
                self._replace_oldest(count, text)
            case {"kind": "set", "values": dict(values)}:
                merged = {**self.values, **values}
                self.values = {key: each for key, each in merged.items() if each is not None}
            case {"kind": "reset"}:
                self.turns, self.summary = [], ""
            case {"kind": "begin"}:
                pass
            case _:
                self.strange += 1

    @property
    def has_pictures(self) -> bool:
        """Whether a picture was shown."""
        return any(turn.pictures for turn in self.turns)

    @property
    def spoken(self) -> list[Turn]:
        """The turns that the model knows of: all but notes."""
        return [turn for turn in self.turns if turn.role != "note"]

    @property
    def answer(self) -> Turn | None:
        """The last answer, if nothing was asked since."""
        spoken = self.spoken
        return spoken[-1] if spoken and spoken[-1].role == "assistant" else None

    @property
    def open_question(self) -> Turn | None:
        """The last question, if it has no answer."""
        spoken = self.spoken
        return spoken[-1] if spoken and spoken[-1].role == "user" else None

    @property
    def questions(self) -> list[Turn]:
        """All that was asked."""
        return [turn for turn in self.turns if turn.role == "user"]

    def since_question(self) -> int:
        """Return how many turns there are from the last question on; 0 if there is none."""
        spoken = self.spoken
        places = [at for at, turn in enumerate(spoken) if turn.role == "user"]
        return len(spoken) - places[-1] if places else 0

    def events(self) -> list[Event]:
        """Return events that make this transcript."""
        found: list[Event] = [{"kind": "set", "values": self.values}] if self.values else []
        if self.summary:
            found.append({"kind": "summary", "turns": 0, "text": self.summary})
        for turn in self.turns:
            more: dict[str, Any] = {"finish": turn.finish} if turn.role == "assistant" else {}
            more |= {"pictures": list(turn.pictures)} if turn.pictures else {}
            found.append({"kind": turn.role, "text": turn.text, **more})
        return found

    def reminder(self) -> str:
        """Return where the chat stands, for somebody who comes back to it."""
        count = len(self.questions)
        lines = [f"{count} question{'s' * (count != 1)} so far"]
        if question := self.open_question:
            lines.append(f"the last one has no answer, /retry asks for one: {question.text}")
        elif answer := self.answer:
            lines.append(f"the last answer was: {answer.text}")
        return "\n".join(lines)

    def _lengthen(self, text: str, finish: str) -> None:
        at = max(place for place, turn in enumerate(self.turns) if turn.role == "assistant")
        last = self.turns[at]
        self.turns[at] = replace(last, text=last.text + text, finish=finish)

    def _take_back(self, count: int) -> None:
        for at in reversed(range(len(self.turns))):
            if count > 0 and self.turns[at].role != "note":
                del self.turns[at]
                count -= 1

    def _replace_oldest(self, count: int, text: str) -> None:
        self.summary = text
        for turn in self.spoken[: max(0, count)]:
            self.turns.remove(turn)
