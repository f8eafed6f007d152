"""The pictures of requests: read, encoded once, and kept for the next question."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from localai.engines.base import Call
from localai.engines.llama.embedding_cache import EmbeddingCache
from localai.engines.llama.image_ids import begins_run
from localai.engines.llama.job import PictureCounts
from localai.engines.llama.projector import (
    ImageChunk,
    Projector,
    SeenPicture,
    picture_ids,
    picture_key,
    tiles,
)
from localai.errors import BadInput
from localai.media.pixels import Pixels, read_shared
from localai.types import Picture, TextRequest


class SeenPictures(NamedTuple):
    """The pictures of one request, by what the request calls them."""

    pictures: Mapping[Picture, SeenPicture] = {}
    counts: PictureCounts = PictureCounts()
    remark: str = ""  # what whoever asked should know, in a sentence

    @property
    def ids(self) -> dict[Picture, list[int]]:
        """The token ids of each."""
        return {picture: picture_ids(seen) for picture, seen in self.pictures.items()}

    def places(self, ids: Sequence[int]) -> dict[int, ImageChunk]:
        """Return the tiles of a prompt by the place of their first id in it."""
        tile = {int(each.ids[0]): each for seen in self.pictures.values() for each in tiles(seen)}
        return {at: tile[token] for at, token in enumerate(ids) if begins_run(token)}


class Vision:
    """What a model sees with; for one thread.

    Parameters
    ----------
    projector : Projector or None
        None: the model is blind.
    name : str
        Of the model, for messages.
    """

    def __init__(self, projector: Projector | None, name: str) -> None:
        self._projector, self._name = projector, name
        self._cache = EmbeddingCache()

    def see(self, call: Call, cancelled: Callable[[], bool] = lambda: False) -> SeenPictures:
        """Return the pictures of a call, encoded; none where it was cancelled meanwhile.

        Raises
        ------
        BadInput
            The model sees none, or cannot take one of them.
        """
        request: TextRequest = call.request
        if not request.pictures:
            return SeenPictures()
        projector = self._projector_for(request.image_tokens)
        found: dict[Picture, SeenPicture] = {}
        encoded, seconds = 0, 0.0
        for picture in request.pictures:
            if cancelled():
                return SeenPictures()
            pixels = _pixels(call, picture)
            key = picture_key(pixels, request.image_tokens)
            if (seen := self._cache.get(key)) is None:
                start = time.perf_counter()
                seen = projector.see(pixels, key)
                seconds += time.perf_counter() - start
                encoded += 1
                self._cache.put(key, seen)
            found[picture] = seen
        counts = PictureCounts(len(request.pictures), encoded, seconds)
        return SeenPictures(found, counts, _remark(found, request.image_tokens))

    def _projector_for(self, image_tokens: int | None) -> Projector:
        if self._projector is None:
            raise BadInput(
                f"{self._name} cannot see pictures: it was loaded without a projector",
                "take a model that sees: localai models",
            )
        limited = self._projector.limited(image_tokens)
        if limited is not self._projector:
            self._cache.clear()
            self._projector = limited
        return limited

    def close(self) -> None:
        """Let go of the projector and all that it has encoded."""
        self._cache.clear()
        self._projector = None


def _pixels(call: Call, picture: Picture) -> Pixels:
    if not 0 <= picture.file < len(call.files):
        raise BadInput("a picture of the request came without its pixels")
    return read_shared(call.files[picture.file], picture.width, picture.height)


def _remark(found: Mapping[Picture, SeenPicture], limit: int | None) -> str:
    """Return what is to be said where a picture has more tokens than were asked for."""
    most = max(sum(len(tile.ids) for tile in tiles(seen)) for seen in found.values())
    if limit is None or most <= limit:
        return ""
    return f"--image-tokens {limit} cannot be kept: this model makes {most} of a picture"
