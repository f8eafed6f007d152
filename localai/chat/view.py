"""What a chat shows: answers as they come, who speaks, what left the context, statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field

from localai.chat.painter import Painter
from localai.chat.session import ChatSession, Events
from localai.chat.transcript import INTERRUPTED
from localai.formats.answer import Answer
from localai.terminal.answer import Think, print_answer
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from localai.terminal.tty_modes import unechoed
from localai.types import Event


@dataclass
class ChatView:
    """A chat on a console.

    Parameters
    ----------
    visible : bool
        Answers are written to stdout as they come; else they are only gathered.
    named : bool
        The speaker's name stands before what is said, and a blank line after it.
    stats : bool
        Speeds and counts are told after each answer.
    as_json : bool
        Each answer is written as one JSON object.
    hold : callable
        What a terminal does with keys meanwhile.
    heard : callable
        Gives the events of an answer to whoever else listens: a voice.
    record : callable, optional
        Takes the name of a microphone (empty: the default one); returns what is said there.
    """

    console: Console
    session: ChatSession
    visible: bool = True
    named: bool = False
    stats: bool = False
    as_json: bool = False
    painter: Painter | None = None  # draws for `/sd`
    hold: Callable[[Stream], AbstractContextManager[None]] = unechoed
    heard: Callable[[Iterator[Event]], AbstractContextManager[Iterator[Event]]] = nullcontext
    record: Callable[[str], str] | None = None
    _speaking: bool = False
    _told: set[str] = field(default_factory=set)  # notices that were shown

    def greet(self) -> None:
        """Show the character's first words."""
        text = self.session.greet()
        if text and self.visible:
            self._begin()
            self.console.write(text)
            self._end()

    def show(self, events: Events) -> bool:
        """Show an answer of the session as it comes; return whether a word came.

        On a terminal Ctrl-C interrupts the answer alone.
        """
        try:
            self._print(events, visible=self.visible, begin=self._begin)
        except KeyboardInterrupt:
            if not self.console.stdin.terminal:
                raise
        answer = self.session.last
        assert answer is not None
        self._tell(answer)
        return bool(answer.content) or answer.finish != INTERRUPTED

    def aside(self, events: Events, *, visible: bool) -> str:
        """Return the text of an answer that is not the chat's, shown as it comes or not."""
        return self._print(events, visible=visible).content.strip()

    def _print(
        self, events: Events, *, visible: bool, begin: Callable[[], None] | None = None
    ) -> Answer:
        think: Think = self.session.settings.get("think", "auto")
        try:
            silent = self.hold(self.console.stdin)
            with closing(events), silent, self.heard(events) as passing:
                return print_answer(
                    passing,
                    self.console,
                    self.session.models.name,
                    show=visible,
                    think=think,
                    loaded=self.session.models.engine.ready(),
                    begin=begin,
                    told=self._told,
                )
        finally:
            self._end()  # what came stays on a line of its own

    def _begin(self) -> None:
        """Write who speaks, where names are shown."""
        self._speaking = self.named and self.visible
        if self._speaking:
            self.console.write(f"{self.session.participants.char}: ")

    def _end(self) -> None:
        """End what was said."""
        self.console.end()
        if self._speaking:
            self.console.write_line("")
        self._speaking = False

    def _tell(self, answer: Answer) -> None:
        if answer.finish == INTERRUPTED and answer.content:
            self.console.talk("[interrupted]", dim=True)
        elif answer.thinking_alone:
            self.console.talk("[all of it was thinking; /set think off does without]", dim=True)
        elif answer.finish == "repetition":
            self.console.talk("[the answer repeated itself and was stopped]", dim=True)
        elif answer.finish == "length":
            self.console.talk("[the answer was cut here; /continue goes on]", dim=True)
        for told in (self.session.window.left(), self.session.attached.missed()):
            if told:
                self.console.talk(f"[{told}]", dim=True)
        if answer.usage:
            if self.stats:
                self.console.talk(answer.stats())
            if self.as_json:
                self.console.write_json(answer.as_json())
