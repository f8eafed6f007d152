"""The pictures of requests: read, encoded once, and kept for the next question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from localai.engines.base import Call
from localai.engines.llama.image_ids import begins_run
from localai.engines.llama.projector import (
    ImageChunk,
    Projector,
    SeenPicture,
    picture_ids,
    picture_key,
    tiles,
)
from localai.errors import BadInput
from localai.media.pixels import read_shared
from localai.types import Picture, TextRequest


class SeenPictures(NamedTuple):
    """The pictures of one request, by what the request calls them."""

    pictures: Mapping[Picture, SeenPicture] = {}

    @property
    def ids(self) -> dict[Picture, list[int]]:
        """The token ids of each."""
        return {picture: picture_ids(seen) for picture, seen in self.pictures.items()}

    def places(self, ids: Sequence[int]) -> dict[int, ImageChunk]:
        """Return the tiles of a prompt by the place of their first id in it."""
        tile = {int(each.ids[0]): each for seen in self.pictures.values() for each in tiles(seen)}
        return {at: tile[token] for at, token in enumerate(ids) if begins_run(token)}


class Vision:
    """What a model sees with.

    Parameters
    ----------
    projector : Projector or None
        None: the model is blind.
    name : str
        Of the model, for messages.
    """

    def __init__(self, projector: Projector | None, name: str) -> None:
        self._projector, self._name = projector, name

    def see(self, call: Call) -> SeenPictures:
        """Return the pictures of a call, encoded.

        Raises
        ------
        BadInput
            The model sees none, or cannot take one of them.
        """
        request: TextRequest = call.request
        if not request.pictures:
            return SeenPictures()
        if self._projector is None:
            raise BadInput(
                f"{self._name} cannot see pictures: it was loaded without a projector",
                "take a model that sees: localai models --kind vision",
            )
        found = {}
        for picture in request.pictures:
            if not 0 <= picture.file < len(call.files):
                raise BadInput("a picture of the request came without its pixels")
            pixels = read_shared(call.files[picture.file], picture.width, picture.height)
            found[picture] = self._projector.see(pixels, picture_key(pixels))
        return SeenPictures(found)

    def close(self) -> None:
        """Free the projector."""
        if self._projector:
            self._projector.close()
