"""A seance with somebody at a terminal: as lines of text, or on the whole screen."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

from localai import settings
from localai.errors import LocalaiError
from localai.seance import equipment
from localai.seance.equipment import SoundWishes
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.hearing import Question
from localai.seance.listening import Ears, QuestionListener
from localai.seance.live import LiveSeance, Shown
from localai.seance.opening import SeancePlan
from localai.seance.performer import Performer
from localai.seance.plain_view import PlainView
from localai.seance.session import Seance
from localai.seance.showing import Showing
from localai.terminal.console import Console

_LOOK = 0.2  # seconds between two looks at whether the seance has failed


class SeanceParts(NamedTuple):
    """A seance and what it is heard through."""

    plan: SeancePlan
    seance: Seance
    performer: Performer
    view: PlainView
    ears: Ears | None  # what hears a microphone


def hold(
    console: Console, held: SeanceParts, sound: SoundWishes, showing: Showing, opened: ExitStack
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
        return held.seance.ask(question.text, question.language, stale)

    def live_of(show: Callable[[Shown], None], warn: Callable[[str], None]) -> LiveSeance:
        held.performer.warn = warn
        player = equipment.player(sound, warn, opened)
        live = LiveSeance(answers, held.performer, player, show, warn, showing.lines)
        live.volume = sound.volume / 100
        return live

    dumb = settings.load().term in ("", "dumb")
    if showing.plain or showing.as_json or dumb or not console.stdout.terminal:
        with live_of(held.view.show_live, console.warn) as live:
            _plainly(console, live, held, opened)
        return
    from localai.seance.frame import ScreenState
    from localai.seance.screen import SeanceScreen

    box, plan = held.performer.box, held.plan
    state = ScreenState(
        box.band, box.sweep.frequency, box.step_ms, box.sweep.direction, sound.volume,
        plan.options.seed, calm=showing.calm, sounding=not sound.silent,
        recording=sound.record is not None,
    )  # fmt: skip
    screen = SeanceScreen(console, state, plan.language_of)
    with live_of(screen.show, screen.warn) as live:
        if held.ears:
            screen.listener = opened.enter_context(
                QuestionListener(held.ears, screen.heard, screen.deaf)
            )
        screen.run(live)


def _plainly(console: Console, live: LiveSeance, held: SeanceParts, opened: ExitStack) -> None:
    """Take questions from a terminal, a line each, until its end."""
    listener: QuestionListener | None = None
    if held.ears:

        def heard(question: Question) -> None:
            console.talk(f"> {question.text}")
            live.ask(question)

        def deaf(error: LocalaiError) -> None:
            live.paused = False
            console.warn(error.what)

        listener = opened.enter_context(QuestionListener(held.ears, heard, deaf))
    live.begin()
    speak = "An empty line begins and ends listening. " if listener else ""
    console.talk(
        f"Ask something; each line is a question. {speak}Ctrl-D or Ctrl-C ends the seance."
    )
    for line in _lines(console):
        live.raise_failure()
        if line is not None and (text := line.strip()):
            live.ask(Question(text, held.plan.language_of(text)))
        elif line is not None and listener is not None:
            listener.toggle(live)


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
