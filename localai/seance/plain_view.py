"""A seance as lines of text: what is said on stdout, all else on stderr."""

from __future__ import annotations

from localai.formats.serialization import to_plain
from localai.formats.text import one_line
from localai.seance.box import BoxStep
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.opening import MACHINE_MADE, SeancePlan
from localai.terminal.console import Console


class PlainView:
    """Shows a seance without any movement: on a plain terminal, and in a pipe.

    Parameters
    ----------
    as_json : bool
        One JSON object for each question and each answer instead of the words alone.
    """

    def __init__(self, console: Console, plan: SeancePlan, *, as_json: bool = False) -> None:
        self._console, self._plan, self._as_json = console, plan, as_json

    def begin(self) -> None:
        """Say what this is, and the seed that makes it again."""
        self._console.talk(f"{MACHINE_MADE} Seed {self._plan.options.seed}.")

    def show_live(self, event: QuestionAsked | AnswerGiven | BoxStep) -> None:
        """Show what was said in a seance that goes on by itself; who types sees the questions."""
        if isinstance(event, AnswerGiven) or (self._as_json and isinstance(event, QuestionAsked)):
            self.show(event)

    def show(self, event: QuestionAsked | AnswerGiven) -> None:
        """Show what was asked or said."""
        if self._as_json:
            kind = "asked" if isinstance(event, QuestionAsked) else "answered"
            seed = self._plan.options.seed
            self._console.write_json({"event": kind, **to_plain(event), "seed": seed})
        elif isinstance(event, AnswerGiven):
            self._console.write_line(event.text)
        else:
            self._console.talk(f"[{event.language}] {one_line(event.text)}")
