"""Plays the seance of a log again, as it was said; no language model is asked."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from localai.formats.text import shown
from localai.seance import equipment, opening
from localai.seance.equipment import Engines, SoundWishes
from localai.seance.log import read
from localai.seance.opening import SeanceWishes
from localai.seance.plain_view import PlainView
from localai.terminal.console import Console


def replay(
    console: Console, engines: Engines, log: str, sound: SoundWishes, *, as_json: bool
) -> None:
    """Play the seance of a log again: at its pace on a terminal, at once in a pipe.

    Raises
    ------
    BadInput
        The log cannot be read.
    """
    told = read(Path(log))
    if told.cut:
        console.warn(f"{shown(log)} was cut off in its last line: it is played up to there")
    events, sound = told.events, sound._replace(band=told.band)
    plan = opening.plan(SeanceWishes(seed=told.seed))
    with ExitStack() as opened:
        aloud = not sound.silent and console.stdout.terminal
        performer = equipment.performer(engines, plan, sound, "replay", opened, live=aloud)
        view = PlainView(console, plan, as_json=as_json)
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
