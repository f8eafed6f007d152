"""Encoded pictures by what they show, so that ten questions to one picture encode it once."""

from __future__ import annotations

from collections import OrderedDict

from localai.engines.llama.projector import SeenPicture, tiles

_MOST_BYTES = 256 << 20


class EmbeddingCache:
    """Encoded pictures, kept under a size: the least recently shown leave first."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes, self.bytes = most_bytes, 0
        self._pictures: OrderedDict[bytes, SeenPicture] = OrderedDict()

    def get(self, key: bytes) -> SeenPicture | None:
        """Return a picture by its `picture_key`, if it is kept."""
        if found := self._pictures.get(key):
            self._pictures.move_to_end(key)
        return found

    def put(self, key: bytes, picture: SeenPicture) -> None:
        """Keep a picture that is not there yet; alone it may be larger than the limit."""
        self._pictures[key] = picture
        self.bytes += _size(picture)
        while self.bytes > self._most_bytes and len(self._pictures) > 1:
            _, gone = self._pictures.popitem(last=False)
            self.bytes -= _size(gone)

    def clear(self) -> None:
        """Forget all."""
        self._pictures.clear()
        self.bytes = 0


def _size(picture: SeenPicture) -> int:
    return sum(tile.embedding.nbytes for tile in tiles(picture))
