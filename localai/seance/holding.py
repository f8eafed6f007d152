"""Holds a seance as it was asked for: for a script, as plain lines, or on a screen."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from localai.catalog.names import TINY
from localai.errors import BadInput
from localai.seance import equipment, opening
from localai.seance.equipment import Engines, SoundWishes
from localai.seance.hearing import Question, heard
from localai.seance.live import LiveSeance
from localai.seance.log import read
from localai.seance.opening import SeancePlan, SeanceWishes
from localai.seance.plain_view import PlainView
from localai.seance.script import answers, typed
from localai.terminal.console import Console

_LOOK = 0.2  # seconds between two looks at whether the seance has failed


class Showing(NamedTuple):
    """How a person wants to see it, and what for a script is asked."""

    once: str | None = None
    audio: tuple[str, ...] = ()
    hear: str | None = None  # the hearing model
    lines: int | None = None  # a question
    plain: bool = False
    calm: bool = False
    as_json: bool = False


def hold(
    console: Console,
    engines: Engines,
    wishes: SeanceWishes,
    sound: SoundWishes,
    showing: Showing,
    model: str | None,
) -> None:
    """Hold a seance to its end.

    Raises
    ------
    LocalaiError
        Whatever goes wrong.
    """
    if showing.once is not None and not showing.once.strip():
        raise BadInput("the question is empty", '--once "Is anybody there?"')
    plan = opening.plan(wishes)
    scripted = showing.once is not None or bool(showing.audio) or not console.stdin.terminal
    with ExitStack() as opened:
        spec = engines.spec(model, "text")
        if spec.files[0] == str(TINY) and wishes.prompts is None:
            same = wishes._replace(seed=plan.options.seed, seed_image=None)
            plan = opening.plan(same._replace(prompts=str(TINY.with_name("spirit.yaml"))))
        performer = equipment.performer(engines, plan, sound, spec.name, opened, live=not scripted)
        view = PlainView(console, plan, as_json=showing.as_json)
        view.begin()
        questions = _questions(console, engines, plan, showing) if scripted else iter(())
        engine = opened.enter_context(engines.engine(spec))
        seance = plan.begin(engine)
        if scripted:
            for event in performer.perform(answers(seance, questions, showing.lines or 1)):
                view.show(event)
            return
        player = equipment.player(sound, console.warn, opened)
        live = LiveSeance(
            lambda question, stale: seance.ask(question.text, question.language, stale),
            performer,
            player,
            view.show_live,
            console.warn,
            showing.lines,
        )
        live.volume = sound.volume / 100
        with live:
            _plainly(console, live, plan.language_of)


def _questions(
    console: Console, engines: Engines, plan: SeancePlan, showing: Showing
) -> Iterator[Question]:
    """Yield the questions of the command line, of sounds, and of stdin."""
    if showing.once is not None:
        yield from typed([showing.once], plan.language_of)
    if showing.audio:
        spec = engines.spec(showing.hear, "hear")
        with engines.engine(spec) as engine:
            for name in showing.audio:
                source, told = (0, "stdin") if name == "-" else (Path(name), name)
                spoken, usual = plan.options.languages, plan.options.language
                yield heard(source, engine, spec, spoken, usual, told)
    elif showing.once is None:
        text = console.read_stdin()
        if not text.strip():
            raise BadInput("there is no question", "--once TEXT, --audio FILE, or a line on stdin")
        yield from typed(text.splitlines(), plan.language_of)


def _plainly(console: Console, live: LiveSeance, language_of: Callable[[str], str]) -> None:
    """Take questions from a terminal, a line each, until its end."""
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


def replay(
    console: Console, engines: Engines, log: str, sound: SoundWishes, showing: Showing
) -> None:
    """Play the seance of a log again, as it was said; no model is asked.

    Raises
    ------
    BadInput
        The log cannot be read.
    """
    told = read(Path(log))
    events, sound = told.events, sound._replace(band=told.band)
    plan = opening.plan(SeanceWishes(seed=told.seed))
    with ExitStack() as opened:
        aloud = not sound.silent and console.stdout.terminal
        performer = equipment.performer(engines, plan, sound, "replay", opened, live=aloud)
        view = PlainView(console, plan, as_json=showing.as_json)
        view.begin()
        if not aloud:
            for event in performer.perform(iter(events)):
                view.show(event)
            return
        player = equipment.player(sound, console.warn, opened)
        for event in events:
            clip = performer.spoken(event)
            performer.begin(event, clip)
            view.show(event)
            while performer.box.busy:
                player.play(performer.step().samples * (sound.volume / 100))
        player.drain()
