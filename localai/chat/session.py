"""The turns of a chat: a question, the model's answer, and what may become of both."""

from __future__ import annotations

import time
from collections.abc import Iterator

from localai.chat import sampling_options
from localai.chat.slash.registry import Outcome, Refill
from localai.chat.stage import Stage
from localai.chat.transcript import INTERRUPTED
from localai.errors import BadInput, LocalaiError, TooLong
from localai.terminal.answer import Answer, Think, print_answer
from localai.terminal.tty_modes import unechoed
from localai.types import Event, Message, Text, TextRequest

_PART_SECONDS = 1.0  # of an answer, what a crash may take


class ChatSession(Stage):
    """A chat that goes on."""

    def note(self, text: str) -> None:
        """Keep a note that the model never sees."""
        self.record({"kind": "note", "text": text})

    def ask(self, text: str) -> Outcome:
        """Ask a question, with the files that wait for one, and let the model answer.

        When no word comes (Ctrl-C, an error) the question is taken back, to be edited.
        """
        if self.editing:
            self.editing = False
            self.take_back(self.transcript.since_question())
        question = "\n\n".join([*self.attached, text])
        self.record({"kind": "user", "text": question})
        try:
            answered = self.answer()
        except BaseException:
            if self.transcript.open_question:
                self.take_back(1)
            raise
        if not answered:
            self.take_back(1)
            return Refill(text)
        self.attached.clear()
        return None

    def again(self) -> None:
        """Let the model answer the last question anew; the answer before is replaced by it."""
        count = self.transcript.since_question()
        if not count:
            raise BadInput("nothing was asked yet", "ask something first")
        self.answer(instead_of=count - 1)

    def go_on(self) -> None:
        """Let the model lengthen its last answer."""
        last = self.transcript.answer
        if last is None or not self.transcript.questions:
            raise BadInput("there is no answer that could go on", "ask something first")
        self.answer(prefill=last.text)
        if self.last and self.last.finish == "stop" and not self.last.content:
            self.console.talk("[the model has nothing to add]", dim=True)

    # What the model says

    def answer(self, *, instead_of: int = 0, prefill: str = "") -> bool:
        """Take the model's answer to what is open; return whether a word came.

        Parameters
        ----------
        instead_of : int
            So many turns at the end are replaced by the answer, once its first word is there.
        prefill : str
            The last answer's text, which is lengthened by what comes; empty: a new answer.
        """
        answer = self.last = Answer(self.models.name)
        try:
            self._listen(answer, instead_of, prefill)
        except KeyboardInterrupt:
            answer.finish = INTERRUPTED
            if not self.console.stdin.terminal:
                raise
        except LocalaiError:
            answer.finish = INTERRUPTED
            raise
        finally:
            if answer.content:
                kind = "more" if prefill else "assistant"
                event = {"kind": kind, "text": answer.content, "finish": answer.finish}
                self.record(event)
        self._tell(answer)
        return bool(answer.content) or answer.finish != INTERRUPTED

    def aside(self, messages: tuple[Message, ...], max_tokens: int, *, show: bool) -> str:
        """Return what the model answers to something else; the chat does not hear of it."""
        answer = Answer(self.models.name)
        events = self.models.engine.ask(self._request(messages, 0, max_tokens))
        try:
            self._read(events, answer, show=show)
        finally:
            events.close()  # type: ignore[attr-defined]
        return answer.content.strip()

    def _listen(self, answer: Answer, instead_of: int, prefill: str) -> None:
        without = 1 if prefill else instead_of
        while True:
            request = self._request(*self.memory.messages(self, without))._replace(prefill=prefill)
            events = self._kept(self.models.engine.ask(request), instead_of)
            try:
                self._read(events, answer, show=self.show)
            except TooLong as error:
                if not self.memory.refused(request, error):
                    raise TooLong(
                        error.what, "ask it in parts; `/file none` leaves files out"
                    ) from None
            else:
                if answer.usage:
                    self.memory.learn(request, answer.usage)
                return
            finally:
                events.close()  # type: ignore[attr-defined]  # cancels what still runs

    def _read(self, events: Iterator[Event], answer: Answer, *, show: bool) -> None:
        think: Think = self.settings.get("think", "auto")
        try:
            with unechoed(self.console.stdin):
                print_answer(
                    events, self.console, answer.model, show=show, think=think, into=answer
                )
        finally:
            self.end()  # what came stays on a line of its own

    def _kept(self, events: Iterator[Event], instead_of: int) -> Iterator[Event]:
        """Yield the events; keep what came of the answer each second, for a crash."""
        begun, kept, waiting = False, time.monotonic(), ""
        try:
            for event in events:
                if isinstance(event, Text):
                    if not begun:
                        self._first_word(instead_of)
                    begun, waiting = True, waiting + event.text
                    if time.monotonic() - kept > _PART_SECONDS:
                        self.record({"kind": "part", "text": waiting})
                        kept, waiting = time.monotonic(), ""
                yield event
        finally:
            events.close()  # type: ignore[attr-defined]

    def _first_word(self, instead_of: int) -> None:
        if instead_of:
            self.take_back(instead_of)
        self.begin()

    def _tell(self, answer: Answer) -> None:
        if answer.finish == INTERRUPTED and answer.content:
            self.console.talk("[interrupted]", dim=True)
        elif answer.finish == "length":
            self.console.talk("[the answer was cut here; /continue goes on]", dim=True)
        if left := self.memory.left():
            self.console.talk(f"[{left}]", dim=True)
        if answer.usage:
            if self.stats:
                self.console.talk(answer.stats())
            if self.as_json:
                self.console.write_json(answer.as_json())

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
            think=False if settings.get("think") == "off" else None,
            context=self.models.asked_context,
        )
