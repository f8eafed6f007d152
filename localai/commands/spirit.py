"""`localai spirit`: a seance with a base model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from localai import settings
from localai.commands import options
from localai.commands.click_ext import group, option
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber
from localai.errors import ExitCode
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.seance.equipment import Engines, SoundWishes
    from localai.seance.opening import SeanceWishes
    from localai.types import ModelSpec

_SAMPLING = ("top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n")
_SWEEPS = ("forward", "reverse", "bounce", "random")
_Record = TypeVar("_Record", bound=Any)

_sound = options.stack(
    option("--voice", metavar="VOICE", help="Who speaks: espeak:whisper, FILE.onnx, say. [one that is there]"),
    option("--silent", is_flag=True, help="No sound."),
    option("--record", metavar="FILE", help="Write all that is heard to a WAV file."),
    option("--record-voice", metavar="FILE", help="Write the voice alone, before the radio."),
    option("--band", metavar="fm|am", default="fm", help="The band that is swept. [fm]"),
    option("--step", type=BoundedNumber(50, 1000), default=100, metavar="MS", help="Milliseconds a station. [100]"),
    option("--sweep", type=click.Choice(_SWEEPS), default="forward", metavar="|".join(_SWEEPS), help="How the band is gone through. [forward]"),
    option("--volume", type=BoundedNumber(0, 100), default=80, metavar="N", help="Percent. [80]"),
    option("--labels", metavar="FILE", help="Write the words as labels for Audacity."),
    option("--force", is_flag=True, help="Overwrite files that are there."),
    option("--plain", is_flag=True, help="Lines of text, no screen."),
    option("--calm", is_flag=True, help="A screen on which hardly anything moves."),
)  # fmt: skip


@group(invoke_without_command=True, context_settings={"max_content_width": 100})
@options.model
@option(
    "-c", "--character", metavar="NAME", help="Who the voice is: a character, or a card's file."
)
@option("--once", metavar="TEXT", help="Ask this, print what the voice says, and leave.")
@option("--audio", multiple=True, metavar="FILE", help="Ask what is said there; - is stdin.")
@option(
    "--count", type=BoundedNumber(1), metavar="N", help="Only N lines a question. [1 in scripts]"
)
@option("-l", "--language", metavar="NAME", help="Of questions that do not tell. [English]")
@option("--languages", metavar="A,B,...", help="That may be spoken. [all that have prompts]")
@option("--prompts", metavar="FILE", help="Spirit prompts, before the shipped ones.")
@option("--translate", is_flag=True, help="The model knows --language alone: it translates.")
@options.microphone
@option("--hear", metavar="MODEL", help="The hearing model, for spoken questions.")
@option("--seed-image", metavar="FILE", help="The seed is the red light of a picture.")
@option("--log", metavar="FILE", help="Write what is asked and said as JSON lines.")
@_sound
@options.sampling
@options.engine
@options.talk_of_many
@click.pass_context
def spirit(ctx: click.Context, /, **given: Any) -> int:
    """Ask the noise of a radio: a model that was never taught to chat answers out of it.

    On a terminal a sweep through the band begins; each question interrupts what is being said, and
    the voice talks on until the next one. With --once, --audio or questions on stdin each answer is
    a line on stdout. Words are chosen at temperature 1.1 from the 50 likeliest, 128 tokens a line.
    All voices are machine-made.

    \b
    Examples:
      localai spirit -m tiny
      localai spirit -m tiny --once "Is anybody there?"
      localai spirit -m tiny --audio question.wav --count 3 --seed 7
      localai spirit -m tiny --mic
      localai spirit -m tiny -c ghost --once "Who are you?" --record session.wav
      localai spirit replay seance.jsonl
    """  # noqa: D301 (click reads the \b)
    if ctx.invoked_subcommand is not None:
        return ExitCode.DONE
    console: Console = ctx.obj
    options.apply(console, given)
    from localai.seance import holding
    from localai.seance.showing import Showing

    showing = _taken(Showing, given)._replace(lines=given["count"])
    if given["model"] == "tiny" and not showing.hear:
        showing = showing._replace(hear="tiny")
    sound = _taken_sound(given)
    engines = _engines(console, given)
    holding.hold(console, engines, _wishes(given), sound, showing, given["model"])
    return ExitCode.DONE


@spirit.command("replay", context_settings={"max_content_width": 100})
@click.argument("log", metavar="LOG")
@_sound
@options.engine
@options.talk_of_many
@click.pass_context
def replay(ctx: click.Context, /, log: str, **given: Any) -> int:
    """Play the seance of a log (--log) again; no language model is asked.

    \b
    Examples:
      localai spirit replay seance.jsonl
      localai spirit replay seance.jsonl --record again.wav
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    from localai.seance import replaying

    engines, sound = _engines(console, given), _taken_sound(given)
    replaying.replay(console, engines, log, sound, as_json=given["as_json"])
    return ExitCode.DONE


def _taken(kind: type[_Record], given: dict[str, Any]) -> _Record:
    """Return a record of the options of its fields' names."""
    record: _Record = kind(**{name: given[name] for name in kind._fields if name in given})
    return record


def _taken_sound(given: dict[str, Any]) -> SoundWishes:
    from localai.seance.equipment import SoundWishes, band_named

    return _taken(SoundWishes, {**given, "band": band_named(given["band"])})


def _wishes(given: dict[str, Any]) -> SeanceWishes:
    from localai.seance.opening import SeanceWishes

    sampling = {name: given[name] for name in _SAMPLING}
    sampling |= {"temperature": given["temp"], "temperature_first": given["temp_first"] or None}
    wishes = _taken(SeanceWishes, given)
    return wishes._replace(context=given["ctx"], sampling=sampling)


def _engines(console: Console, given: dict[str, Any]) -> Engines:
    from localai.seance.equipment import Engines

    def spec(model: str | None, role: str) -> ModelSpec:
        if role == "spirit" and model is None:
            chosen = settings.load()
            model = chosen.model("spirit") or chosen.model("text")
        return spec_for(console, {**given, "model": model}, role=role)

    return Engines(
        spec,
        lambda spec: engine_for(console, given, spec),
        console.warn,
    )
