"""A long sound in pieces that a model takes one after another, cut where nobody speaks.

Cuts go by loudness, not by a speech detector: what is looked for is the quietest place of a
stretch of half a minute or more, and for that loudness is enough; it is the same on every machine,
takes a millisecond for a minute, and works where there is no pause at all (music, noise). Whether
there is speech is found out by the engine, in each piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from localai.media.clips import RATE, Block

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 600.0  # seconds; faster-whisper needs 3 GB for an hour at once
FIRST = 60.0  # seconds of the first piece, so that text comes soon
_FRAME = RATE // 50  # samples of which the loudness is taken: 20 ms
_PAUSE = 30  # frames that should all be quiet: 0.6 s
_SEARCHED = 0.5  # the share of a piece, at its end, in which the cut may lie


class AudioPiece(NamedTuple):
    """A part of a sound in one array.

    Attributes
    ----------
    start : int
        Index of the first sample in the whole sound, at 16 kHz.
    samples : ndarray
        float32, mono, shape (n,).
    last : bool
        Whether what follows, if anything, is not the next sample: the sound or a clip ends here.
    """

    start: int
    samples: NDArray[np.float32]
    last: bool

    @property
    def end(self) -> int:
        """Index of the sample after the last."""
        return self.start + len(self.samples)


def pieces(
    blocks: Iterable[Block], *, longest: float = LONGEST, first: float | None = None
) -> Iterator[AudioPiece]:
    """Yield a sound in pieces; each sample is in exactly one of them, and in order.

    Parameters
    ----------
    blocks : iterable of Block
        As `Sound.blocks` yields them. Where one does not follow on the last (clips), a piece ends.
    longest : float
        Seconds that no piece exceeds; at least 1.
    first : float, optional
        The same for the very first piece; by default the smaller of `FIRST` and `longest`.

    Yields
    ------
    AudioPiece
        Where a piece is cut depends on the samples from its start on alone, and on `longest`: a
        run that begins at the start of a piece gets the same following pieces, if `first` is
        `longest` there (or 0 seconds were done).
    """
    limit = max(_FRAME, int(min(longest, FIRST if first is None else first) * RATE))
    kept: list[Block] = []
    for block in blocks:
        if kept and block.start != kept[-1].end:
            yield _joined(kept, last=True)
            kept, limit = [], int(longest * RATE)
        kept.append(block)
        while kept[-1].end - kept[0].start > limit:
            whole = _joined(kept, last=False)
            at = _cut(whole.samples[:limit])
            yield AudioPiece(whole.start, whole.samples[:at], last=False)
            kept = [Block(whole.start + at, whole.samples[at:].copy())]
            limit = int(longest * RATE)
    if kept:
        yield _joined(kept, last=True)


def _joined(blocks: list[Block], last: bool) -> AudioPiece:
    return AudioPiece(blocks[0].start, np.concatenate([block.samples for block in blocks]), last)


def _cut(samples: NDArray[np.float32]) -> int:
    """Return where to cut: inside the quietest stretch of the end, at its quietest place."""
    skipped = int(len(samples) * (1 - _SEARCHED)) // _FRAME * _FRAME
    searched = samples[skipped:]
    count = len(searched) // _FRAME
    if count < 2:
        return len(samples)
    frames = searched[: count * _FRAME].reshape(count, _FRAME).astype(np.float64)
    loudness = np.square(frames).mean(1)
    width = min(_PAUSE, count)
    sums = np.convolve(loudness, np.ones(width), "valid")
    # Of equally quiet stretches the last: pieces as long as may be. A millionth is equal.
    quiet = sums <= sums.min() * (1 + 1e-6) + 1e-12
    place = int(np.flatnonzero(quiet)[-1])
    inside = loudness[place : place + width]
    # Of its equally quiet frames the middle one: a cut far from words on both sides.
    ties = np.flatnonzero(inside <= inside.min() * (1 + 1e-6) + 1e-14)
    frame = place + int(ties[len(ties) // 2])
    return skipped + frame * _FRAME + _FRAME // 2
