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
from localai.media.drawing import Drawn, DrawRequest, Planned
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
        self._planned: Planned | None = None
        if not names.needs_plan:
            self._check()

    def _path(self, number: int) -> Path:
        request = self._request
        seed, place = request.seed_of(number), self._before + number + 1
        return self._names.path(
            PictureName(request.prompt, seed, place, request.model, self._planned)
        )

    def _check(self) -> None:
        """Refuse before anything is drawn what would be in the way at the end."""
        for number in range(self._request.pictures):
            path = self._path(number)
            if path in self._names.given:
                what = f"{shown(path)} holds another picture of this command"
                raise BadInput(what, "-o with {i} in it numbers them")
            if path.exists() and not self._overwrite:
                raise BadInput(
                    f"{shown(path)} exists already", "use --force to overwrite it, or another seed"
                )

    def events(self, engine: EngineClient, files: Sequence[int] = ()) -> Iterator[Event]:
        """Yield progress, previews and notices, and a `PictureFile` for each finished picture.

        Raises
        ------
        LocalaiError
            The engine failed, or a file cannot be written; pictures before it stay.
        BadInput
            A name that the engine's plan is a part of is taken; nothing is drawn.
        """
        drawn: Drawn | None = None
        with closing(engine.ask(self._request, files)) as events:
            for event in events:
                if isinstance(event, Planned):
                    self._planned = event
                    if self._names.needs_plan:
                        self._check()
                elif isinstance(event, Drawn):
                    drawn = event
                elif isinstance(event, FileReady):
                    assert drawn is not None
                    yield self._adopted(event, drawn)
                else:
                    yield event

    def _adopted(self, ready: FileReady, drawn: Drawn) -> PictureFile:
        path = self._path(ready.number)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            adopt(Path(ready.path), path, overwrite=self._overwrite)
        except FileExistsError:
            raise BadInput(f"{shown(path)} exists already", "use --force to overwrite it") from None
        except OSError as error:
            why = error.strerror or str(error)
            raise LocalaiError(f"{shown(path)} cannot be written: {why}") from None
        self._names.given.add(path)
        seed = self._request.seed_of(ready.number)
        size = (drawn.width, drawn.height)
        return PictureFile(path, seed, *size, drawn.seconds, parse(drawn.parameters))
