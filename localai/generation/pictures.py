"""Pictures with a question: decoded by the command, attached to its request."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from localai.errors import BadInput
from localai.media.pixels import Pixels, share
from localai.system.files import expanded
from localai.types import Picture, TextRequest


class Attachments:
    """Open descriptors of the pictures of one request, closed on leaving.

    Parameters
    ----------
    pictures : sequence of Pixels
    """

    def __init__(self, pictures: Sequence[Pixels] = ()) -> None:
        self.files: list[int] = []
        self.pictures: tuple[Picture, ...] = tuple(map(self._add, pictures))

    def _add(self, pixels: Pixels) -> Picture:
        self.files.append(share(pixels))
        return Picture(len(self.files) - 1, pixels.width, pixels.height)

    def __enter__(self) -> Attachments:
        return self

    def __exit__(self, *_: object) -> None:
        while self.files:
            os.close(self.files.pop())

    def to(self, request: TextRequest) -> TextRequest:
        """Return a request whose last message shows the pictures.

        Raises
        ------
        BadInput
            It is bare text.
        """
        if request.raw is not None:
            raise BadInput("--raw continues a text, which shows no pictures", "leave out --raw")
        *head, last = request.messages
        return request._replace(messages=(*head, last._replace(pictures=self.pictures)))


def load(names: Sequence[str], read_stdin: Callable[[], bytes] | None = None) -> list[Pixels]:
    """Return picture files decoded, by their names.

    Parameters
    ----------
    read_stdin : callable
        Gives the bytes of what `-` stands for; None: a file of that name.

    Raises
    ------
    BadInput
        One of them is none.
    """
    from localai.media import pictures  # with Pillow

    def source(name: str) -> Path | bytes:
        return read_stdin() if read_stdin and name == "-" else expanded(name)

    if read_stdin and names.count("-") > 1:
        raise BadInput("stdin holds one picture, and - was given twice", "leave out one")
    return [pictures.open_picture(source(name), name).pixels for name in names]
