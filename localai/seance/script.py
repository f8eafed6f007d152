"""A seance for scripts: questions in, one line for each answer out, then the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice

from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.hearing import Question
from localai.seance.session import Seance


def answers(
    seance: Seance, questions: Iterable[Question], count: int
) -> Iterator[QuestionAsked | AnswerGiven]:
    """Yield each question with its answer and what follows, `count` lines in all for each."""
    for question in questions:
        with closing(seance.ask(question.text, question.language)) as events:  # type: ignore[type-var]
            yield from islice(events, count + 1)


def typed(lines: Iterable[str], language_of: Callable[[str], str]) -> Iterator[Question]:
    """Yield the questions of a text, one a line; empty lines are none."""
    for line in lines:
        if text := line.strip():
            yield Question(text, language_of(text))
