"""What a seance needs beside the model: voice, box, loudspeaker, recordings and log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from localai import __version__
from localai.errors import BadInput, EngineMissing, Unavailable
from localai.formats.text import nearest, shown
from localai.media.playback import MutedPlayer, Player, open_player
from localai.media.speech import SPEEDS
from localai.pool.engine_client import EngineClient
from localai.seance.band import BANDS, Direction
from localai.seance.box import RATE, BoxSettings, SpiritBox
from localai.seance.log import SeanceLog
from localai.seance.opening import SeancePlan
from localai.seance.performer import Performer
from localai.seance.recording import Recordings
from localai.speech.session import Speech
from localai.terminal.output_file import Destination, destination
from localai.types import ModelSpec

_USUAL_TIMBRE = "espeak:croak"


class Engines(NamedTuple):
    """How a command gives engines: the spec of a model of a role, and the engine of a spec."""

    spec: Callable[[str | None, str], ModelSpec]  # a model's name or None, and a role
    engine: Callable[[ModelSpec], EngineClient]
    warn: Callable[[str], None]


class SoundWishes(NamedTuple):
    """What a person asked for of the sound; what is None was not said."""

    voice: str | None = None
    silent: bool = False
    record: str | None = None
    record_voice: str | None = None
    band: str = "fm"
    step: int = 100  # milliseconds
    sweep: Direction = "forward"
    volume: int = 80  # percent
    log: str | None = None
    labels: str | None = None
    force: bool = False


def performer(
    engines: Engines,
    plan: SeancePlan,
    wishes: SoundWishes,
    model: str,
    opened: ExitStack,
    *,
    live: bool,
) -> Performer:
    """Return what a seance is heard through; it ends with `opened`.

    Parameters
    ----------
    model : str
        The text model's name, for the log.
    live : bool
        Somebody listens: a voice is looked for where none was named.

    Raises
    ------
    BadInput
        A file is there already or cannot be written, or two are one.
    UnknownModel
        The voice that was named is not there.
    """
    seed, places = plan.options.seed, _places(wishes)
    recordings = opened.enter_context(
        Recordings(places["record"], places["record_voice"], force=wishes.force)
    )
    sounding = recordings.wanted or (live and not wishes.silent)
    band = BANDS[wishes.band]
    speech = None
    if sounding or (wishes.voice is not None and not wishes.silent):
        speech = _speech(engines, plan, wishes, opened)
    about = {
        "seed": seed,
        "model": model,
        "voice": speech.name if speech else "",
        "band": wishes.band,
        "unit": band.unit,
        "step": wishes.step,
        "sweep": wishes.sweep,
        "version": __version__,
    }
    log = opened.enter_context(
        SeanceLog(places["log"], places["labels"], about, force=wishes.force)
    )
    box = SpiritBox(BoxSettings(band, wishes.step, wishes.sweep, seed, sounding))
    return Performer(box, speech, log, recordings, engines.warn)


def player(wishes: SoundWishes, warn: Callable[[str], None], opened: ExitStack) -> Player:
    """Return what plays; where nothing can, what keeps its pace, and one line says so."""
    if not wishes.silent:
        try:
            return opened.enter_context(open_player(RATE))
        except Unavailable as error:
            warn(f"{error.what}; the words come without it")
    return opened.enter_context(MutedPlayer(RATE))


def _speech(
    engines: Engines, plan: SeancePlan, wishes: SoundWishes, opened: ExitStack
) -> Speech | None:
    try:
        spec = engines.spec(wishes.voice, "speak")
    except EngineMissing as error:
        engines.warn(f"{error.what}; the words come without it ({error.next_step})")
        return None
    if spec.name == "espeak" and wishes.voice is None:
        spec = spec._replace(name=_USUAL_TIMBRE)
    engine = opened.enter_context(engines.engine(spec))
    speech = Speech(engine, spec, plan.options.language, _speed(plan), seed=plan.options.seed)
    if speech.plays_itself:
        engines.warn("spd-say gives no sound to put on the sweep: the words come without it")
        return None
    return opened.enter_context(speech)


def _speed(plan: SeancePlan) -> float:
    """Return how fast a card wants to be read, within what voices can do."""
    given: Any = plan.card.voice.get("speed", 1.0) if plan.card else 1.0
    try:
        return max(SPEEDS[0], min(SPEEDS[1], float(given)))
    except (TypeError, ValueError):
        return 1.0


def _places(wishes: SoundWishes) -> dict[str, Destination | None]:
    """Return where the files of a seance go, by their fields; no two are one."""
    places: dict[str, Destination | None] = {}
    for field in ("record", "record_voice", "log", "labels"):
        name, option = getattr(wishes, field), _option(field)
        place = None if name is None else destination(name, option)
        if place is not None and not place.direct and place in places.values():
            other = next(_option(each) for each, known in places.items() if known == place)
            raise BadInput(f"{other} and {option} are one file", "name two")
        places[field] = place
    return places


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def band_named(name: str) -> str:
    """Return the key of a band; BadInput, with a guess, where there is none of that name."""
    if (key := name.lower()) in BANDS:
        return key
    hint = nearest(key, BANDS) or f"there are {', '.join(BANDS)}"
    raise BadInput(f"there is no band {shown(name)[:40]}", hint)
