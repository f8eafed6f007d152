"""What a seance tells: records that a view shows, a log keeps and a replay reads."""

from __future__ import annotations

from typing import NamedTuple


class QuestionAsked(NamedTuple):
    """A question has been taken; what was said before it counts no more."""

    text: str
    language: str  # code
    number: int  # of the question, from 1
    translated: str = ""  # as the model is asked it, where it knows another language


class AnswerGiven(NamedTuple):
    """The voice has said something.

    Attributes
    ----------
    text : str
        What is spoken: one sentence of `line`, drawn by the seed; `...` where the model said
        nothing.
    line : str
        All that the model said, which the monologue goes on from; may be empty.
    number : int
        Of the question that it follows, from 1; 0: nobody has asked yet.
    turn : int
        0: the answer itself; above: the monologue behind it.
    original : str
        `text` as the model said it, where it was translated.
    """

    text: str
    line: str
    language: str
    number: int
    turn: int
    original: str = ""


class WordPlaced(NamedTuple):
    """A word has been heard on the sweep: it begins at this time and on this frequency."""

    text: str
    time: float  # seconds since the box was switched on
    frequency: float  # MHz or kHz, as the band has it


SILENCE = "..."
"""What is shown of an answer without words."""
