"""What a chat is held with: its model, who speaks, what was said, where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from localai.chat import sampling_options
from localai.chat.context_window import ContextWindow
from localai.chat.model_handle import ModelHandle
from localai.chat.participants import Participants
from localai.chat.session_file import SessionFile
from localai.chat.transcript import Event, Transcript
from localai.terminal.answer import Answer
from localai.terminal.console import Console


@dataclass
class Stage:
    """A chat.

    Parameters
    ----------
    models : ModelHandle
        The model that answers, and how to get another.
    journal : SessionFile or None
        Where the chat is kept; None: nowhere.
    transcript : Transcript
        What was said so far.
    participants : Participants
        Who speaks.
    show : bool
        Answers are written to stdout as they come; else they are only gathered.
    named : bool
        The speaker's name stands before what is said, and a blank line after it.
    stats : bool
        Speeds and counts are told after each answer.
    as_json : bool
        Each answer is written as one JSON object.
    """

    console: Console
    models: ModelHandle
    journal: SessionFile | None
    transcript: Transcript
    memory: ContextWindow
    participants: Participants
    show: bool = True
    named: bool = False
    stats: bool = False
    as_json: bool = False
    editing: bool = False  # the next question stands for the last one
    _speaking: bool = False
    unsaid: list[Event] = field(default_factory=list)  # not worth a session by themselves
    last: Answer | None = None
    attached: list[str] = field(default_factory=list)  # texts that go with the next question

    def record(self, event: Event) -> None:
        """Let something happen, and keep it: from the first word of the user on."""
        self.transcript.apply(event)
        self.unsaid.append(event)
        if self.journal and (self.journal.begun or event["kind"] in ("user", "note")):
            self.keep()

    def keep(self) -> None:
        """Write what was not worth a session yet."""
        while self.journal and self.unsaid:
            self.journal.write(self.unsaid[0])
            del self.unsaid[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.models.close()
        if self.journal:
            self.journal.close()

    def change(self, **values: Any) -> None:
        """Change what the chat is held with; None takes a value away."""
        self.record({"kind": "set", "values": values})

    def change_participants(self, **values: Any) -> None:
        """Change who speaks; nothing is changed where that fails.

        Raises
        ------
        BadInput
            There is no such character.
        """
        merged = {**self.values, **values}
        participants = Participants.of(merged, self.models.name, self.models.context)
        self.change(**values)
        self.participants = participants

    def take_up(self, journal: SessionFile, transcript: Transcript) -> None:
        """Go on with another session; the model stays."""
        participants = Participants.of(transcript.values, self.models.name, self.models.context)
        if self.journal:
            self.journal.close()
        self.journal, self.transcript, self.participants = journal, transcript, participants
        self.memory.forget()

    @property
    def values(self) -> dict[str, Any]:
        """What the chat is held with."""
        return self.transcript.values

    @property
    def settings(self) -> dict[str, Any]:
        """What was set of the knobs."""
        return sampling_options.sound(self.values.get("settings"))

    def take_back(self, turns: int) -> None:
        """Forget the last turns."""
        self.record({"kind": "back", "turns": turns})
        self.memory.forget()

    def greet(self) -> None:
        """Let the character say its first words."""
        text = self.participants.prompt_parts.greeting
        if not text or self.transcript.turns:
            return
        self.record({"kind": "assistant", "text": text, "finish": "stop"})
        if self.show:
            self.begin()
            self.console.write(text)
            self.end()

    def begin(self) -> None:
        """Write who speaks, where names are shown."""
        self._speaking = self.named and self.show
        if self._speaking:
            self.console.write(f"{self.participants.char}: ")

    def end(self) -> None:
        """End what was said."""
        self.console.end()
        if self._speaking:
            self.console.write_line("")
        self._speaking = False

    def reminder(self) -> str:
        """Return where the chat stands, for somebody who comes back to it."""
        count = len(self.transcript.questions)
        lines = [f"{count} question{'s' * (count != 1)} so far"]
        if question := self.transcript.open_question:
            lines.append(f"the last one has no answer, /retry asks for one: {question.text}")
        elif answer := self.transcript.answer:
            lines.append(f"the last answer was: {answer.text}")
        return "\n".join(lines)
