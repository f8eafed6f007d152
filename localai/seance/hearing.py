"""A question that was spoken: its words, and the best of the languages it may be in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from localai.media.transcription import Language
from localai.pool.engine_client import EngineClient
from localai.transcription.session import TranscribeOptions, Transcription, spoken_text
from localai.types import ModelSpec


class Question(NamedTuple):
    """What is asked, and the code of its language."""

    text: str
    language: str


def heard(
    source: Path | int,
    engine: EngineClient,
    spec: ModelSpec,
    languages: Sequence[str],
    usual: str,
    name: str = "",
) -> Question:
    """Return the question in a sound.

    Parameters
    ----------
    source : Path or int
        A sound file, or an open descriptor.
    spec : ModelSpec
        Of the hearing engine.
    languages : sequence of str
        Codes of those that may be spoken.
    usual : str
        The language where none is found out.

    Raises
    ------
    BadInput
        It cannot be read, or nothing is said in it.
    """
    only = languages[0] if len(languages) == 1 else None
    options = TranscribeOptions(
        language=only, languages=() if only else tuple(languages), interactive=True
    )
    language = usual
    with Transcription(source, options, spec, name) as transcription:
        for event in transcription.events(engine):
            if isinstance(event, Language) and event.code in languages:
                language = event.code
    return Question(spoken_text(transcription.segments, name or str(source)), language)
