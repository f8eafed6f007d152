"""`--mic` and `--audio` of `ask`, `/record` of a chat: what was said, as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.commands.open_engine import engine_for, spec_for
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.commands.heard import Hearing
    from localai.pool.engine_client import EngineClient
    from localai.types import Event, ModelSpec


def said(console: Console, given: dict[str, Any], device: str | None = None) -> str:
    """Return what is said in the sound of `--audio`, or into a microphone; shown on stderr.

    Parameters
    ----------
    device : str, optional
        The microphone, empty for the default one; by default what `given` says.

    Raises
    ------
    BadInput
        Nothing was said, or the sound cannot be read.
    Unavailable
        There is no microphone, or no model that hears.
    """
    from localai.commands.heard import HeardView
    from localai.transcription.session import spoken_text

    # The model of `-m` writes; the tiny one stands for all kinds.
    heard = {**given, "model": "tiny" if given["model"] == "tiny" else None}
    spec = spec_for(console, heard, role="hear")
    with (
        engine_for(console, heard, spec) as engine,
        _sound(console, given, device, engine, spec) as (hearing, events),
    ):
        HeardView(console, show=False).listen(hearing, events, empty=False)
    text = spoken_text(hearing.segments, hearing.about.file)
    console.talk(f"> {text}", dim=True)
    return text


@contextmanager
def _sound(
    console: Console,
    given: dict[str, Any],
    device: str | None,
    engine: EngineClient,
    spec: ModelSpec,
) -> Iterator[tuple[Hearing, Iterator[Event]]]:
    from localai.transcription.session import TranscribeOptions, Transcription

    options = TranscribeOptions(interactive=True)
    name = given.get("audio") if device is None else None
    if name is None:
        from localai.commands.recorded import dictation
        from localai.transcription.dictation import SILENCE

        chosen = device if device is not None else given["mic_device"] or ""
        with dictation(console, chosen, SILENCE, engine, options, spec) as dictated:
            yield dictated
        return
    source, told = (0, "stdin") if name == "-" else (Path(name), name)
    with (
        Transcription(source, options, spec, told) as hearing,
        closing(hearing.events(engine)) as events,  # type: ignore[type-var]
    ):
        yield hearing, events
