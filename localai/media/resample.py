"""Frames that FFmpeg decoded, of any kind, to mono float32 at 16 kHz, in blocks of a second."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from localai.errors import EngineMissing
from localai.media.clips import RATE, Block

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from numpy.typing import NDArray

BLOCK = RATE  # samples of a block: one second
_NOWHERE = "NONE"  # FFmpeg's name of a channel whose place is not told


def library() -> Any:
    """Return PyAV, imported when the first sound is opened: it takes 50 ms.

    Raises
    ------
    EngineMissing
        It is not installed.
    """
    try:
        import av
    except ImportError:
        raise EngineMissing(
            "PyAV, which decodes sound, is not installed", "type `pip install av`"
        ) from None
    av.logging.set_level(None)
    return av


def decoding_errors() -> tuple[type[Exception], ...]:
    """Return all that PyAV raises for damaged input."""
    return (library().FFmpegError, EOFError, OverflowError, MemoryError, OSError, ValueError)


class Resampler:
    """Frames of any kind to 16 kHz; anew whenever their kind changes.

    Parameters
    ----------
    channel : int or None
        Only this channel, from 0; None mixes all.
    """

    def __init__(self, channel: int | None) -> None:
        self._channel = channel
        self._inner: AudioResampler | None = None
        self._kind: tuple[object, ...] = ()

    def take(self, frame: AudioFrame) -> Iterator[NDArray[np.float32]]:
        """Yield what is ready once this frame has come.

        Raises
        ------
        One of `decoding_errors`
            The frame cannot be taken (a damaged header: no such rate, no such layout); others may.
        """
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self.flush()
        frame.pts = None  # places are ours: the resampler shall neither fill nor drop
        inner, self._inner = self._inner, None
        if inner is None:
            inner, frames = self._begun(frame)
        else:
            frames = inner.resample(frame)
        self._inner, self._kind = inner, kind
        yield from map(self._picked, frames)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Yield what is left; afterwards frames may come again."""
        inner, self._inner, self._kind = self._inner, None, ()
        if inner is None:
            return
        try:
            frames = inner.resample(None)
        except decoding_errors():
            return
        yield from map(self._picked, frames)

    def _begun(self, frame: AudioFrame) -> tuple[AudioResampler, list[AudioFrame]]:
        """Return the resampler of a kind of frames, and what is ready after the first of them."""
        # FFmpeg mixes channels whose places are known, as speech in a film's centre should count.
        # It guesses the places where none are told, and would leave one of six microphones out for
        # a subwoofer; and of other layouts it can make no mono at all.
        own = frame.layout.name
        if self._channel is None and all(each.name != _NOWHERE for each in frame.layout.channels):
            with contextlib.suppress(*decoding_errors()):
                return self._tried("mono", frame)
        return self._tried(own, frame)

    def _tried(self, layout: str, frame: AudioFrame) -> tuple[AudioResampler, list[AudioFrame]]:
        # 16-bit numbers on the way, as faster-whisper has them: stereo is then mixed to its mean,
        # and what a float file holds beyond 1, or that is no number, is limited. Packed: PyAV
        # cannot read more than 8 planes.
        resampler: AudioResampler = library().AudioResampler("s16", layout, RATE)
        return resampler, resampler.resample(frame)

    def _picked(self, frame: AudioFrame) -> NDArray[np.float32]:
        channels = frame.to_ndarray().reshape(frame.samples, -1)
        if self._channel is None:
            one = channels.mean(axis=1)
        else:
            one = channels[:, min(self._channel, channels.shape[1] - 1)]
        samples: NDArray[np.float32] = one.astype(np.float32) / np.float32(32768)
        return samples


def silence(seconds: float) -> Iterator[NDArray[np.float32]]:
    """Yield zeros for a time, in arrays of a second."""
    left = round(seconds * RATE)
    while left > 0:
        yield np.zeros(min(left, BLOCK), np.float32)
        left -= BLOCK


def regrouped(arrays: Iterable[NDArray[np.float32]]) -> Iterator[Block]:
    """Yield arrays of any length as blocks of `BLOCK` samples."""
    kept: list[NDArray[np.float32]] = []
    held, at = 0, 0
    for array in arrays:
        kept.append(array)
        held += len(array)
        if held < BLOCK:
            continue
        joined = np.concatenate(kept)
        for first in range(0, held - BLOCK + 1, BLOCK):
            yield Block(at, joined[first : first + BLOCK])
            at += BLOCK
        held %= BLOCK
        kept = [joined[len(joined) - held :].copy()]
    if held:
        yield Block(at, np.concatenate(kept))
