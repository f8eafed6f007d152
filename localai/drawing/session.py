"""A request for pictures on its way: finished files get their names as they come.

Knows no console: a command, a chat or a server takes the events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from localai.drawing.names import OutputNames, PictureName
from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.media.drawing import Drawn, DrawRequest
from localai.media.generation_parameters import GenerationParameters, parse
from localai.pool.engine_client import EngineClient
from localai.system.files import adopt
from localai.types import Event, FileReady


class PictureFile(NamedTuple):
    """A finished picture under its own name."""

    path: Path
    seed: int
    width: int
    height: int
    seconds: float
    parameters: GenerationParameters


class Drawing:
    """The pictures of one request.

    Parameters
    ----------
    names : OutputNames
        Where they go.
    before : int
        How many pictures the command has drawn before.
    overwrite : bool
        Files of these names may be replaced.
    """

    def __init__(
        self, request: DrawRequest, names: OutputNames, before: int = 0, *, overwrite: bool = False
    ) -> None:
        self._request, self._names = request, names
        self._before, self._overwrite = before, overwrite
        self._check()

    def _name(self, number: int, seed: int) -> PictureName:
        request = self._request
        return PictureName(request.prompt, seed, self._before + number + 1, request.model)

    def _check(self) -> None:
        """Refuse before anything is drawn what would be in the way at the end."""
        if self._overwrite:
            return
        for number in range(self._request.pictures):
            path = self._names.path(self._name(number, self._request.seed + number))
            if path.exists():
                raise BadInput(
                    f"{shown(path)} exists already", "use --force to overwrite it, or another seed"
                )

    def events(self, engine: EngineClient, files: Sequence[int] = ()) -> Iterator[Event]:
        """Yield progress, previews and notices, and a `PictureFile` for each finished picture.

        Raises
        ------
        LocalaiError
            The engine failed, or a file cannot be written; pictures before it stay.
        """
        drawn: Drawn | None = None
        with closing(engine.ask(self._request, files)) as events:
            for event in events:
                if isinstance(event, Drawn):
                    drawn = event
                elif isinstance(event, FileReady):
                    assert drawn is not None
                    yield self._adopted(event, drawn)
                else:
                    yield event

    def _adopted(self, ready: FileReady, drawn: Drawn) -> PictureFile:
        parameters = parse(drawn.parameters)
        seed = ready.seed or 0
        path = self._names.path(self._name(ready.number, seed), parameters.settings)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            adopt(Path(ready.path), path, overwrite=self._overwrite)
        except FileExistsError:
            raise BadInput(f"{shown(path)} exists already", "use --force to overwrite it") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise LocalaiError(f"{shown(path)} cannot be written: {why}") from None
        return PictureFile(path, seed, drawn.width, drawn.height, drawn.seconds, parameters)
