"""The seance: a question, an answer out of a base model, its monologue until the next question.

The flow is that of a spirit box of a museum: the question stands in a text that a model continues
which was never taught to chat; of what it says the first line counts, and one sentence of it,
drawn by the seed, is spoken; from then on the model goes on from what it has said, and the question
is forgotten. Knows no console, no sound and no clock.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple, Protocol

from localai.errors import TooLong
from localai.formats.sentences import sentences
from localai.seance.events import SILENCE, AnswerGiven, QuestionAsked
from localai.seance.persona import SpiritPersona
from localai.seance.prompts import SpiritPrompts
from localai.seance.translation import translation
from localai.types import Event, Finished, Sampling, Text, TextRequest

SAMPLING = Sampling(temperature=1.1, top_k=50, top_p=1.0, min_p=0.0)
"""How a spirit chooses its words unless it is told otherwise."""

_CONTEXT = 2048  # tokens that a seance makes do with
_BLANK_LINES = 3  # that may come before the first word
# Something said four times on end. Small models loop so, and would go on with nothing else.
_LOOP = re.compile(r"(.{2,60}?)\1{3,}")


class TextEngine(Protocol):
    """What a seance needs of a text engine: `pool.engine_client.EngineClient` has it."""

    def ask(self, request: TextRequest) -> Iterator[Event]:
        """Send a request; yield its events. Leaving them early cancels it."""

    def count_tokens(self, request: TextRequest) -> int:
        """Return how many tokens the prompt of a request has."""


class SeanceOptions(NamedTuple):
    """What a seance is held with."""

    seed: int
    language: str  # of a question that does not tell its own, and of the model with `translate`
    languages: tuple[str, ...]  # that may be spoken
    sampling: Sampling = SAMPLING  # its seed does not count: each answer has one of its own
    max_tokens: int = 128
    stop: tuple[str, ...] = ()  # an answer ends before these, too
    context: int = _CONTEXT  # tokens that prompt and answer take at most
    translate: bool = False  # the model knows `language` alone
    personas: Mapping[str, SpiritPersona] = {}  # by language: what stands before the prompts


class Seance:
    """A seance with one model.

    The same seed and the same questions give the same answers, at any pace: the seed of each answer
    is made of that of the seance and of the answer's place in it.
    """

    def __init__(
        self, engine: TextEngine, prompts: Mapping[str, SpiritPrompts], options: SeanceOptions
    ) -> None:
        self._engine, self._prompts, self.options = engine, prompts, options
        self._number = 0

    def ask(
        self, question: str, language: str, interrupted: Callable[[], bool] = lambda: False
    ) -> Iterator[QuestionAsked | AnswerGiven]:
        """Yield the question, its answer, and then the monologue, without end.

        Parameters
        ----------
        language : str
            Code of the question's language.
        interrupted : callable
            Whether nobody listens any more: looked at while the model speaks. What it was about to
            say is thrown away, and the iterator ends.

        Raises
        ------
        TooLong
            Not even the question alone fits into the context.
        """
        self._number += 1
        number, heard = self._number, " ".join(question.split())
        spoken = self.options.language if self.options.translate else language
        foreign = spoken != language
        asked = heard
        if foreign:
            asked = self._translated(heard, language, spoken, (number, -1), interrupted)
        yield QuestionAsked(heard, language, number, asked if foreign else "")
        said: list[str] = []
        turn = 0
        while not interrupted():
            line = self._line(asked, spoken, said, (number, turn), interrupted)
            if line is None:
                return
            original = self._sentence(line, (number, turn))
            text = original
            if foreign and line:
                text = self._translated(original, spoken, language, (number, turn), interrupted)
                if interrupted():
                    return
            if line:
                said.append(line)
            yield AnswerGiven(text, line, language, number, turn, original if foreign else "")
            turn += 1

    def _line(
        self,
        question: str,
        language: str,
        said: list[str],
        place: tuple[int, int],
        interrupted: Callable[[], bool],
    ) -> str | None:
        """Return the first line of what the model says next; None: it was interrupted."""
        prompts = self._prompts[language]
        who = self.options.personas.get(language, SpiritPersona())
        while True:
            # Without a word so far there is nothing to go on from: the question is asked again.
            raw = prompts.going_on(said) if said else who.examples + prompts.asked(question)
            raw = who.about + raw
            request = self._request(raw, place, stop=self.options.stop)
            try:
                self._refuse_long(request, raw)
                return self._first_line(request, interrupted)
            except TooLong:
                if len(said) <= 1:
                    raise
                # Half of it, so that what is left stays the same for long and is read only once.
                del said[: (len(said) + 1) // 2]

    def _refuse_long(self, request: TextRequest, raw: str) -> None:
        """Refuse a prompt that leaves no room for an answer; counted only where it is near that."""
        room = self.options.context - self.options.max_tokens
        if len(raw.encode()) < room:  # no token is shorter than a byte
            return
        if (tokens := self._engine.count_tokens(request)) > room:
            raise TooLong(
                f"the spirit's prompt has {tokens} tokens; there is room for {room}",
                "shorten the question or the card, or give more room with --ctx",
                tokens=tokens,
                limit=room,
            )

    def _request(self, raw: str, place: tuple[int, int], **more: object) -> TextRequest:
        sampling = self.options.sampling._replace(seed=self._chance("words", place).getrandbits(31))
        request = TextRequest(
            raw=raw,
            sampling=sampling,
            max_tokens=self.options.max_tokens,
            context=self.options.context,
        )
        return request._replace(**more)  # type: ignore[arg-type]  # fields of the record

    def _first_line(self, request: TextRequest, interrupted: Callable[[], bool]) -> str | None:
        """Return the first line that is not blank: there a model begins to make up questions.

        The engine stops at the line's end by itself. An answer that is left early would be in its
        memory as far as chance had it, and what is evaluated beside that rounds differently: the
        same seed would not say the same.
        """
        request = request._replace(stop=(*request.stop, "\n"))
        for _ in range(_BLANK_LINES):
            text, tokens = "", 0
            with closing(self._engine.ask(request)) as events:  # type: ignore[type-var]
                for event in events:
                    if interrupted():
                        return None
                    if isinstance(event, Text):
                        text += event.text
                    elif isinstance(event, Finished) and event.usage:
                        tokens = event.usage.answer_tokens
            if text.strip():
                return _without_loop(" ".join(text.split()))
            if not tokens:  # it has nothing to say; else it began with a blank line, and goes on
                break
            request = request._replace(raw=f"{request.raw}\n")
        return ""

    def _sentence(self, line: str, place: tuple[int, int]) -> str:
        """Return one sentence of a line at random."""
        found = sentences(line)
        return self._chance("sentence", place).choice(found) if found else SILENCE

    def _chance(self, what: str, place: tuple[int, int]) -> random.Random:
        return random.Random(f"{self.options.seed}/{what}/{place[0]}/{place[1]}")

    def _translated(
        self,
        text: str,
        source: str,
        target: str,
        place: tuple[int, int],
        interrupted: Callable[[], bool],
    ) -> str:
        """Return a text in another language, by the same model; as it was where it says nothing."""
        raw, stop = translation(text, self._prompts[source], self._prompts[target])
        careful = self.options.sampling._replace(temperature=0.0)
        request = self._request(raw, place, sampling=careful, stop=(stop,))
        return self._first_line(request, interrupted) or text


def _without_loop(line: str) -> str:
    """Return a line in which what goes round is said once, and then falters."""
    return " ".join(_LOOP.sub(r"\1 ... ", line).split())
