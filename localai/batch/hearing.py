"""What is said in a row's sound, as the text of its column."""

from __future__ import annotations

from localai.errors import WHOLE_RUN, BadInput, LocalaiError
from localai.formats.text import shown
from localai.media.segments import Segment
from localai.pool.engine_client import EngineClient
from localai.system.files import expanded
from localai.transcription.session import TranscribeOptions, Transcription
from localai.types import ModelSpec


class SoundReader:
    """Writes down sounds, one after the other.

    Parameters
    ----------
    engine : EngineClient
        Of the model that hears.
    spec : ModelSpec
        Of the same.
    language : str or None
        The one that is spoken; None: it is found out.
    """

    def __init__(self, engine: EngineClient, spec: ModelSpec, language: str | None = None) -> None:
        self._engine, self._spec = engine, spec
        self._options = TranscribeOptions(language=language, resume=True)

    def text(self, name: str) -> str:
        """Return what is said in a file.

        Raises
        ------
        BadInput
            It cannot be read or heard.
        """
        path = expanded(name)
        if not path.is_file():
            raise BadInput(f"there is no file {shown(name)}")
        try:
            with Transcription(path, self._options, self._spec, name) as transcription:
                events = list(transcription.events(self._engine))
        except LocalaiError as error:
            if error.code in WHOLE_RUN:
                raise
            raise BadInput(f"{shown(name)}: {error.what}", error.next_step) from None
        return " ".join(event.text.strip() for event in events if isinstance(event, Segment))
