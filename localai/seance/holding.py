"""Holds a seance as it was asked for; for a script, its questions in and its answers out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from localai.catalog.names import TINY
from localai.errors import BadInput
from localai.seance import equipment, opening
from localai.seance.equipment import Engines, SoundWishes
from localai.seance.hearing import Question, heard
from localai.seance.listening import Ears, heard_once
from localai.seance.opening import SeancePlan, SeanceWishes
from localai.seance.plain_view import PlainView
from localai.seance.script import answers, typed
from localai.seance.showing import Showing
from localai.terminal.console import Console


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
        spec = engines.spec(model, "spirit")
        if spec.files[0] == str(TINY) and wishes.prompts is None:
            same = wishes._replace(seed=plan.options.seed, seed_image=None)
            plan = opening.plan(same._replace(prompts=str(TINY.with_name("spirit.yaml"))))
        performer = equipment.performer(engines, plan, sound, spec.name, opened, live=not scripted)
        view = PlainView(console, plan, as_json=showing.as_json)
        view.begin()
        ears = _ears(engines, plan, showing)
        questions = _questions(console, engines, plan, showing, ears) if scripted else iter(())
        engine = opened.enter_context(engines.engine(spec))
        seance = plan.begin(engine)
        if scripted:
            for event in performer.perform(answers(seance, questions, showing.lines or 1)):
                view.show(event)
            return
        from localai.seance import interactive  # with a screen's library, which no script needs

        held = interactive.SeanceParts(plan, seance, performer, view, ears)
        interactive.hold(console, held, sound, showing, opened)


def _ears(engines: Engines, plan: SeancePlan, showing: Showing) -> Ears | None:
    """Return what hears a microphone, where one is asked for."""
    if not showing.speaks:
        return None
    spec, options = engines.spec(showing.hear, "hear"), plan.options
    return Ears(
        lambda: engines.engine(spec),
        spec,
        options.languages,
        options.language,
        showing.mic_device or "",
    )


def _questions(
    console: Console,
    engines: Engines,
    plan: SeancePlan,
    showing: Showing,
    ears: Ears | None,
) -> Iterator[Question]:
    """Yield the questions of the command line, of sounds, of a microphone, and of stdin."""
    if showing.once is not None:
        yield from typed([showing.once], plan.language_of)
    if showing.audio:
        spec = engines.spec(showing.hear, "hear")
        with engines.engine(spec) as engine:
            for name in showing.audio:
                source, told = (0, "stdin") if name == "-" else (Path(name), name)
                spoken, usual = plan.options.languages, plan.options.language
                yield heard(source, engine, spec, spoken, usual, told)
    elif ears is not None and showing.once is None:
        console.talk("listening: silence ends the question")
        yield heard_once(ears)
    elif showing.once is None:
        text = console.read_stdin()
        if not text.strip():
            raise BadInput("there is no question", "--once TEXT, --audio FILE, or a line on stdin")
        yield from typed(text.splitlines(), plan.language_of)
