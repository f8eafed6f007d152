"""Pictures with a question: decoded by the command, attached to its request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from localai.errors import BadInput
from localai.media.pixels import Pixels, share
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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


def load(names: Sequence[str]) -> list[Pixels]:
    """Return picture files decoded, by their names.

    Raises
    ------
    BadInput
        One of them is none.
    """
    from localai.media import pictures  # with Pillow

    return [pictures.open_picture(Path(name).expanduser(), name).pixels for name in names]
