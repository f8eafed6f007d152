"""A voice for one command: text to samples, through a speaking engine's worker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from localai.catalog.voices import parted
from localai.media import wav
from localai.media.speech import SpeakRequest
from localai.types import FileReady

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from localai.pool.engine_client import EngineClient
    from localai.types import ModelSpec


class SpokenClip(NamedTuple):
    """What a voice has said: samples (n,) from -1 to 1, and their rate in Hz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.samples) / self.rate


class Speech:
    """A voice that is ready to speak; for one thread.

    Parameters
    ----------
    spec : ModelSpec
        The voice; a timbre or a speaker stands in its name behind a colon.
    language : str
        Code of the language where a text does not come with its own.
    """

    def __init__(
        self,
        engine: EngineClient,
        spec: ModelSpec,
        language: str = "",
        speed: float = 1.0,
        seed: int | None = None,
    ) -> None:
        self._engine, self._spec = engine, spec
        self._folder = tempfile.TemporaryDirectory(prefix="localai-")
        self._usual = SpeakRequest(
            "",
            self._folder.name,
            language=language,
            variant=parted(spec.name)[1],
            speed=speed,
            seed=seed,
            aloud=self.plays_itself,
        )

    def __enter__(self) -> Speech:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """What the voice is called."""
        return self._spec.name

    @property
    def plays_itself(self) -> bool:
        """Whether the voice gives no samples, but plays what it says."""
        return Path(self._spec.files[0]).name == "spd-say"

    def say(self, text: str, language: str = "") -> SpokenClip | None:
        """Return a text as sound; None where there is none, or the voice has played it itself.

        Raises
        ------
        LocalaiError
            The voice cannot say it.
        """
        request = self._usual._replace(text=text, language=language or self._usual.language)
        clip = None
        for event in self._engine.ask(request):
            if isinstance(event, FileReady):
                path = Path(event.path)
                try:
                    clip = SpokenClip(*wav.read(path))
                finally:
                    path.unlink(missing_ok=True)
        return clip

    def close(self) -> None:
        """Remove what is left of files; the engine stays its owner's."""
        self._folder.cleanup()
