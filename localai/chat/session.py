"""A chat without a console: its turns, what the model is asked, and what is kept of it all.

Whoever shows a chat (`view`, a server, a bot) takes the events of an answer and shows them; that
they are kept, and what becomes of a question without an answer, is seen to here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from localai.chat import sampling_options
from localai.chat.attachments import ChatAttachments
from localai.chat.context_window import ContextWindow, meter
from localai.chat.model_handle import ModelHandle
from localai.chat.participants import Participants
from localai.chat.session_file import SessionFile
from localai.chat.transcript import INTERRUPTED, Transcript
from localai.chat.transcript import Event as Record
from localai.errors import BadInput, LocalaiError, TooLong
from localai.formats.answer import Answer
from localai.types import Event, Message, Text, TextRequest, TokenCount

_PART_SECONDS = 1.0  # of an answer, what a crash may take
_SHORTER = "ask it in parts; `/file none` leaves files out"

Events = Generator[Event, None, None]
"""What comes of a question. Closed early, the answer is interrupted; what has come of it stays."""


@dataclass
class ChatSession:
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
    """

    models: ModelHandle
    journal: SessionFile | None
    transcript: Transcript
    participants: Participants
    editing: bool = False  # the next question stands for the last one
    last: Answer | None = None  # the last answer, or what has come of it
    unsaid: list[Record] = field(default_factory=list)  # not worth a session by themselves
    attached: ChatAttachments = field(default_factory=ChatAttachments)
    unkept: Callable[[str], None] | None = None  # told that it cannot be; None: that is an error

    def __post_init__(self) -> None:
        self.window = ContextWindow(self._measure, self.attached.show)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.models.close()
        self.attached.close()
        if self.journal:
            self.journal.close()

    # What is kept

    def record(self, event: Record) -> None:
        """Let something happen, and keep it: from the first word of the user on."""
        self.transcript.apply(event)
        self.window.change(event["kind"])
        self.unsaid.append(event)
        if self.journal and (self.journal.begun or event["kind"] in ("user", "note")):
            self.keep()

    def keep(self) -> None:
        """Write what was not worth a session yet."""
        while self.journal and self.unsaid:
            try:
                self.journal.write(self.unsaid[0])
            except LocalaiError as error:
                if not self.unkept:
                    raise
                self.journal.close()
                self.journal = None
                self.unkept(error.what)
            else:
                del self.unsaid[0]

    def note(self, text: str) -> None:
        """Keep a note that the model never sees."""
        self.record({"kind": "note", "text": text})

    def take_back(self, turns: int) -> None:
        """Forget the last turns."""
        self.record({"kind": "back", "turns": turns})
        self.window.forget()

    # What it is held with

    @property
    def values(self) -> dict[str, Any]:
        """What the chat is held with."""
        return self.transcript.values

    @property
    def settings(self) -> dict[str, Any]:
        """The sampling options that were set."""
        return sampling_options.sound(self.values.get("settings"))

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

    def change_model(self, name: str) -> None:
        """Let another model answer; what was said stays."""
        self.models.use(name)
        self.change_participants(model=self.models.name)
        self.window.renew()

    # What is said

    def greet(self) -> str:
        """Let the character say its first words; return them, empty if it has none to say now."""
        text = self.participants.prompt_parts.greeting
        if not text or self.transcript.turns:
            return ""
        self.record({"kind": "assistant", "text": text, "finish": "stop"})
        return text

    def ask(self, text: str) -> Events:
        """Ask a question, with the files that wait for one, and yield the events of the answer.

        When no word comes (it is closed early, an error) the question is taken back.
        """
        if self.editing:
            self.editing = False
            self.take_back(self.transcript.since_question())
        self.record(self.attached.question(text))
        try:
            yield from self._answer()
        except BaseException:
            if self.transcript.open_question:
                self.take_back(1)
            raise
        self.attached.clear()

    def again(self) -> Events:
        """Let the model answer the last question anew; the answer before is replaced by it."""
        count = self.transcript.since_question()
        if not count:
            raise BadInput("nothing was asked yet", "ask something first")
        return self._answer(instead_of=count - 1)

    def go_on(self) -> Events:
        """Let the model lengthen its last answer."""
        last = self.transcript.answer
        if last is None or not self.transcript.questions:
            raise BadInput("there is no answer that could go on", "ask something first")
        return self._answer(prefill=last.text)

    def aside(self, messages: tuple[Message, ...], max_tokens: int) -> Events:
        """Let the model answer something else; the chat does not hear of it."""
        request = self._request(messages, 0, max_tokens)
        yield from self.models.engine.ask(*self.attached.sent(request))

    def _answer(self, *, instead_of: int = 0, prefill: str = "") -> Events:
        """Yield the model's answer to what is open, and keep it.

        Parameters
        ----------
        instead_of : int
            So many turns at the end are replaced by the answer, once its first word is there.
        prefill : str
            The last answer's text, which is lengthened by what comes; empty: a new answer.
        """
        answer = self.last = Answer(self.models.name)
        try:
            yield from self._kept(answer, instead_of, prefill)
        except (GeneratorExit, KeyboardInterrupt, LocalaiError):
            answer.finish = INTERRUPTED
            raise
        finally:
            if answer.content:
                kind = "more" if prefill else "assistant"
                self.record({"kind": kind, "text": answer.content, "finish": answer.finish})

    def _kept(self, answer: Answer, instead_of: int, prefill: str) -> Events:
        """Yield the events of an answer; keep what came of it each second, for a crash."""
        begun, kept, waiting = False, time.monotonic(), ""
        with closing(self._listen(1 if prefill else instead_of, prefill)) as events:
            for event in events:
                answer.take(event)
                if isinstance(event, Text):
                    if not begun and instead_of:
                        self.take_back(instead_of)
                    begun, waiting = True, waiting + event.text
                    if time.monotonic() - kept > _PART_SECONDS:
                        self.record({"kind": "part", "text": waiting})
                        kept, waiting = time.monotonic(), ""
                yield event

    def _listen(self, without: int, prefill: str) -> Events:
        try:
            messages, fixed = self.messages(without, prefill=prefill)
            self.window.asked(messages)
            request = self._request(messages, fixed)._replace(prefill=prefill)
            held = sampling_options.held(request, self.settings)
            stream = self.models.engine.ask(*self.attached.sent(held))
            try:
                for event in stream:  # noqa: UP028 (which would close it: its end is to be heard)
                    yield event
            finally:
                if (ended := stream.stop()) and self.last:
                    self.last.take(ended)  # what it has cost
        except TooLong as error:
            raise TooLong(error.what, _SHORTER, **error.data) from None

    # What the model gets

    def messages(
        self, without: int = 0, nudge: str = "", prefill: str = ""
    ) -> tuple[tuple[Message, ...], int]:
        """Return what the model is to answer, and how many leading messages stay the same.

        Parameters
        ----------
        without : int
            So many turns at the end are left out.
        nudge : str
            Said behind everything.
        prefill : str
            The beginning of the answer.
        """
        return self.window.messages(*self._about, without=without, nudge=nudge, prefill=prefill)

    @property
    def _about(self) -> tuple[Transcript, Participants, int, dict[str, Any]]:
        return self.transcript, self.participants, self.models.context, self.settings

    def meter(self) -> tuple[str, float]:
        """Return `312/4096` and how full that is, 0 to 1; empty until the model is loaded."""
        if not self.models.engine.ready():
            return "", 0.0
        with suppress(LocalaiError):  # the next question says so
            return meter(self.used())
        return " ", 0.0

    def used(self) -> TokenCount:
        """Return what the next question will stand behind; waits until the model can count."""
        return self.window.used(*self._about)

    def _measure(self, messages: tuple[Message, ...], prefill: str, itemize: bool) -> TokenCount:
        think = sampling_options.think(self.settings)
        request = TextRequest(messages, prefill=prefill, think=think, itemize=itemize)
        return self.models.engine.measure(*self.attached.sent(request))

    def _request(
        self, messages: tuple[Message, ...], fixed: int, max_tokens: int | None = None
    ) -> TextRequest:
        settings = self.settings
        return TextRequest(
            messages=messages,
            fixed=fixed,
            sampling=sampling_options.sampling(self.participants.sampling, settings),
            max_tokens=max_tokens or settings.get("max_tokens"),
            stop=tuple(settings.get("stop", ())),
            think=sampling_options.think(settings),
            context=self.models.asked_context,
        )
