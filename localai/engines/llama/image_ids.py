"""Pictures among token ids: each is a run of negative ids made from its hash.

So all that compares, shares and keeps tokens does the same with pictures, and knows them by what
they show. Two bits of an id say what has to be known of a run without a look at its picture:
whether it begins here, and whether the position of what follows is one further. With M-RoPE a
picture has fewer positions than tokens; then only the first ids advance.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]

_FIRST, _ADVANCES = 1, 2
_MARKS = 2  # bits


def image_ids(key: bytes, count: int, positions: int) -> Tokens:
    """Return the ids of a picture.

    Parameters
    ----------
    key : bytes
        What identifies picture and settings.
    count : int
        Its tokens.
    positions : int
        How much further the text after it stands; at most `count`.

    Returns
    -------
    int32[count]
        All below 0.
    """
    drawn = np.frombuffer(hashlib.shake_128(key).digest(4 * count), np.uint32)
    words = (drawn >> 3).astype(np.int32) << _MARKS  # 29 bits of the hash, and two marks
    words[:positions] |= _ADVANCES
    words[0] |= _FIRST
    return ~words


def begins_run(token: int) -> bool:
    """Whether an id is the first of a picture."""
    return token < 0 and bool(~token & _FIRST)


def boundary(tokens: Tokens, length: int) -> int:
    """Return the largest number up to `length` at which no picture of `tokens` is cut in two."""
    while 0 < length < len(tokens) and tokens[length] < 0 and not begins_run(int(tokens[length])):
        length -= 1
    return length


class PositionMap:
    """Tokens to positions and back, between pictures.

    Parameters
    ----------
    tokens : int32[n]
        What the first positions are of; more text may follow.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._ends: list[int] = []  # of the pictures that have fewer positions than tokens
        self._lost: list[int] = [0]  # positions that all up to there has fewer than tokens
        if len(tokens) and tokens.min() < 0:
            words = ~tokens
            self._note((tokens < 0) & (words & _ADVANCES == 0))

    def _note(self, stays: npt.NDArray[np.bool_]) -> None:
        ends = np.flatnonzero(stays[:-1] & ~stays[1:]) + 1
        self._ends = [*ends.tolist(), *([len(stays)] if stays[-1] else [])]
        self._lost += np.cumsum(stays)[np.array(self._ends, int) - 1].tolist()

    def position(self, index: int) -> int:
        """Return the position of the token at an index that is not inside a picture."""
        return index - self._lost[bisect_right(self._ends, index)] if self._ends else index

    def index(self, position: int) -> int:
        """Return how many tokens a memory up to a position holds; at most those of text."""
        if not self._ends:
            return position
        lost = 0
        for end, more in zip(self._ends, self._lost[1:], strict=True):
            if end - more > position:
                break
            lost = more
        return position + lost
