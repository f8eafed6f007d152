"""`/sd` in a chat: the words become a picture in the working folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from localai.drawing.names import OutputNames
from localai.drawing.options import DrawOptions
from localai.drawing.requests import requests
from localai.drawing.session import Drawing
from localai.drawing.view import DrawingView
from localai.pool.engine_client import EngineClient
from localai.terminal.console import Console
from localai.types import ModelSpec


class Painter:
    """Draws for a chat, with a picture model that is looked for at the first picture.

    Parameters
    ----------
    find : callable
        Returns the picture model that is to be loaded.
    open : callable
        What is to be loaded to its engine.
    """

    def __init__(
        self,
        console: Console,
        find: Callable[[], ModelSpec],
        open: Callable[[ModelSpec], EngineClient],
    ) -> None:
        self._console, self._find, self._open = console, find, open

    def paint(self, words: str, *, portrait: bool = False) -> str:
        """Draw a picture, write its path, and return what is to be said of it.

        Raises
        ------
        LocalaiError
            There is no picture model, or it failed.
        """
        self._console.talk(words, dim=True)
        spec = self._find()
        names = OutputNames(None, 1)
        options = DrawOptions(aspect=(2, 3) if portrait else None)
        view = DrawingView(self._console)
        (request,) = requests(
            options, words, spec.name, Path(names.folder), names.format, preview=view.shows
        )
        drawing = Drawing(request, names)
        with self._open(spec) as engine, closing(drawing.events(engine)) as events:  # type: ignore[type-var]
            view.follow(events, f"drawing {spec.name}")
        return f"drawn with {spec.name}"
