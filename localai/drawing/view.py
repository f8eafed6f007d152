"""Pictures on their way, as a person sees them: paths on stdout, the rest on stderr."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from localai.drawing.session import PictureFile
from localai.formats.text import shown
from localai.media.drawing import PreviewFrame
from localai.terminal.answer import tell_notice
from localai.terminal.console import Console
from localai.terminal.output_file import check_reader
from localai.terminal.pictures import LivePicture, can_show, show
from localai.terminal.progress import ProgressLine
from localai.types import Event, Notice, Progress


class DrawingView:
    """Shows the events of drawings.

    Parameters
    ----------
    pictures : bool
        Whether previews and finished pictures are shown where the terminal can.
    as_json : bool
        One JSON object a picture instead of its path.
    """

    def __init__(
        self,
        console: Console,
        *,
        pictures: bool = True,
        as_json: bool = False,
        as_bytes: bool = False,
        say_seed: bool = False,
        stats: bool = False,
    ) -> None:
        self._console = console
        self.shows = pictures and not (as_json or as_bytes) and can_show(console)
        self._as_json, self._as_bytes = as_json, as_bytes
        self._say_seed, self._stats = say_seed, stats
        self._told: set[str] = set()

    def follow(self, events: Iterable[Event], label: str = "drawing") -> list[PictureFile]:
        """Show the events of one drawing; return its pictures.

        Raises
        ------
        ClosedPipe
            Whoever read stdout has left.
        """
        found = []
        with ExitStack() as open_:
            line = open_.enter_context(ProgressLine(self._console, label, "steps"))
            live = open_.enter_context(LivePicture(self._console)) if self.shows else None
            for event in events:
                check_reader(self._console.stdout)
                match event:
                    case Progress("working", done, total):
                        if total:
                            line.update(done, total)
                    case PreviewFrame(_, width, height, rgb) if live:
                        live.update(width, height, base64.b64decode(rgb))
                    case Notice(text):
                        tell_notice(text, self._console, self._told)
                    case PictureFile():
                        if live:
                            live.clear()
                        self._finished(event)
                        found.append(event)
        return found

    def _finished(self, picture: PictureFile) -> None:
        console = self._console
        if self.shows:
            self._show(picture)
        if self._as_bytes:
            console.write_bytes(picture.path.read_bytes())
            picture.path.unlink()
        elif self._as_json:
            console.write_json(_plain(picture))
        else:
            console.write_line(
                shown(picture.path) if console.stdout.terminal else str(picture.path)
            )
        if self._stats:
            console.talk(
                f"{picture.width}x{picture.height}, {picture.parameters.settings.get('Steps', '?')}"
                f" steps, {picture.seconds:.1f} s, seed {picture.seed}"
            )
        elif self._say_seed:
            console.talk(f"seed {picture.seed}")

    def _show(self, picture: PictureFile) -> None:
        from PIL import Image

        with Image.open(picture.path) as image:
            show(self._console, image.convert("RGB"))


def _plain(picture: PictureFile) -> dict[str, Any]:
    """Return what `--json` says of a picture."""
    parameters = picture.parameters
    return {
        "file": str(picture.path),
        "seed": picture.seed,
        "width": picture.width,
        "height": picture.height,
        "seconds": picture.seconds,
        "prompt": parameters.prompt,
        "negative": parameters.negative,
        "settings": dict(parameters.settings),
    }
