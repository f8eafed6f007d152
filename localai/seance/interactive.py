"""A seance with somebody at a terminal: as lines of text, or on the whole screen."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from localai import settings
from localai.seance import equipment
from localai.seance.equipment import SoundWishes
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.hearing import Question
from localai.seance.live import LiveSeance, Shown
from localai.seance.opening import SeancePlan
from localai.seance.performer import Performer
from localai.seance.plain_view import PlainView
from localai.seance.session import Seance
from localai.seance.showing import Showing
from localai.terminal.console import Console

_LOOK = 0.2  # seconds between two looks at whether the seance has failed


def hold(
    console: Console,
    plan: SeancePlan,
    seance: Seance,
    performer: Performer,
    view: PlainView,
    sound: SoundWishes,
    showing: Showing,
    opened: ExitStack,
) -> None:
    """Hold a seance until somebody leaves.

    Raises
    ------
    LocalaiError
        Why it has ended by itself.
    """

    def answers(
        question: Question, stale: Callable[[], bool]
    ) -> Iterator[QuestionAsked | AnswerGiven]:
        return seance.ask(question.text, question.language, stale)

    def live_of(show: Callable[[Shown], None], warn: Callable[[str], None]) -> LiveSeance:
        performer.warn = warn
        player = equipment.player(sound, warn, opened)
        live = LiveSeance(answers, performer, player, show, warn, showing.lines)
        live.volume = sound.volume / 100
        return live

    dumb = settings.load().term in ("", "dumb")
    if showing.plain or showing.as_json or dumb or not console.stdout.terminal:
        with live_of(view.show_live, console.warn) as live:
            _plainly(console, live, plan.language_of)
        return
    from localai.seance.frame import ScreenState
    from localai.seance.screen import SeanceScreen

    box = performer.box
    state = ScreenState(
        box.band, box.sweep.frequency, box.step_ms, box.sweep.direction, sound.volume,
        plan.options.seed, calm=showing.calm, sounding=not sound.silent,
        recording=sound.record is not None,
    )  # fmt: skip
    screen = SeanceScreen(console, state, plan.language_of)
    with live_of(screen.show, screen.warn) as live:
        screen.run(live)


def _plainly(console: Console, live: LiveSeance, language_of: Callable[[str], str]) -> None:
    """Take questions from a terminal, a line each, until its end."""
    live.begin()
    console.talk("Ask something; each line is a question. Ctrl-D or Ctrl-C ends the seance.")
    for line in _lines(console):
        live.raise_failure()
        if line is not None and (text := line.strip()):
            live.ask(Question(text, language_of(text)))


def _lines(console: Console) -> Iterator[str | None]:
    """Yield the lines of stdin as they are typed, and None now and then meanwhile."""
    number = console.stdin.number()
    assert number is not None  # it is a terminal
    data = b""
    while True:
        if not select.select([number], [], [], _LOOK)[0]:
            yield None
            continue
        piece = os.read(number, 4096)
        if not piece:
            return
        data += piece
        *lines, data = data.split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
