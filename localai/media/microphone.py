"""A microphone, through miniaudio: bare 16-bit samples, mono, 16 kHz, as they are captured.

    with Capture(open_microphone()) as recording:
        recording.wait()                 # until something is heard at all
        ... recording.reader ...         # a pipe's descriptor, for whoever hears it
        recording.stop()                 # the pipe ends when all of it has been written

Imports no numpy: a command that captures may be as light as any other.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

from localai.errors import EngineMissing, Unavailable
from localai.formats.text import nearest, shown
from localai.system.descriptors import muted_stderr

RATE = 16_000  # Hz
_WIDTH = 2  # bytes of a sample
_PERIOD = 50  # milliseconds between two pieces
DEAF = 2.0  # seconds of nothing but zeros: there is no microphone
_PATIENCE = 3.0  # seconds in which a device gives its first samples
_NEXT = "plug one in and allow its use, or give a sound file instead"


class CaptureSource(Protocol):
    """What captures sound."""

    def start(self, take: Callable[[bytes], None]) -> None:
        """Give samples to `take` as they come, from a thread of its own."""

    def close(self) -> None:
        """Let go of the device."""


class Microphone:
    """A capture device.

    Parameters
    ----------
    name : str
        Of the device, or a part of it; empty is the system's default.
    backends : sequence, optional
        Of `miniaudio.Backend`; by default all that are real.

    Raises
    ------
    Unavailable
        There is no microphone, or none of that name.
    EngineMissing
        miniaudio is not installed.
    """

    def __init__(self, name: str = "", backends: Sequence[Any] | None = None) -> None:
        miniaudio = _library()
        # Not its null device, which is always there and hears nothing.
        real = [each for each in miniaudio.Backend if each.name not in ("NULL", "CUSTOM")]
        chosen = list(backends or real)
        try:
            with muted_stderr():
                device = _device(miniaudio, name, chosen) if name else None
                self._device = miniaudio.CaptureDevice(
                    input_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=RATE,
                    buffersize_msec=_PERIOD, device_id=device, backends=chosen, app_name="localai",
                )  # fmt: skip
        except miniaudio.MiniaudioError:
            raise Unavailable("there is no microphone", _NEXT) from None

    def start(self, take: Callable[[bytes], None]) -> None:
        """Capture; `take` is called in a thread of the device.

        Raises
        ------
        Unavailable
            The device cannot be used.
        """
        feed = _feed(take)
        next(feed)
        try:
            with muted_stderr():
                self._device.start(feed)
        except Exception:  # an error of miniaudio's, whose class is known there alone
            raise Unavailable("the microphone cannot be used", _NEXT) from None

    def close(self) -> None:
        """Let go of the device."""
        with contextlib.suppress(Exception), muted_stderr():
            self._device.close()


def _library() -> Any:
    try:
        import miniaudio
    except ImportError:
        what = "miniaudio, which captures sound, is not installed"
        raise EngineMissing(what, "pip install miniaudio") from None
    return miniaudio


def _device(miniaudio: Any, name: str, backends: list[Any]) -> Any:
    found = {each["name"]: each["id"] for each in miniaudio.Devices(backends).get_captures()}
    wanted = [each for each in found if name.lower() in each.lower()]
    if name in found:
        return found[name]
    if len(wanted) == 1:
        return found[wanted[0]]
    if not found:
        raise Unavailable("there is no microphone", _NEXT)
    listed = ", ".join(shown(each) for each in wanted or found)
    if wanted:
        raise Unavailable(
            f"`{shown(name)}` may be one of several microphones: {listed}", "name one in full"
        )
    hint = nearest(name, found) or f"there is: {listed}"
    raise Unavailable(f"there is no microphone called `{shown(name)}`", hint)


def _feed(take: Callable[[bytes], None]) -> Any:
    """Hand on what the device sends."""
    while True:
        take(bytes((yield)))


class Capture:
    """What a microphone captures, at the reading end of a pipe; a context manager.

    Whoever reads decides when it is enough. What is not read yet waits here.

    Attributes
    ----------
    reader : int
        The pipe's descriptor to read from; ours to close.
    level : float
        How loud it is now: 0, nothing, to 1, as loud as can be.
    """

    def __init__(self, source: CaptureSource) -> None:
        self._source = source
        self._pieces: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._alive = threading.Event()  # something but zeros has come, or too many of these
        self._zeros = 0  # bytes of nothing
        self._stopped = False
        self.level = 0.0
        self.reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        try:
            source.start(self._take)
        except BaseException:
            source.close()
            os.close(self.reader)
            os.close(self._writer)
            raise
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        os.close(self.reader)  # so that who still writes is told
        self._thread.join()

    def wait(self) -> None:
        """Wait until the microphone hears anything: some noise there always is.

        Raises
        ------
        Unavailable
            It gives nothing, or exact zeros, as what is muted or no microphone does.
        """
        if not self._alive.wait(_PATIENCE):
            raise Unavailable("the microphone gives no sound", _NEXT)
        if self._zeros >= DEAF * RATE * _WIDTH:
            what = "there is no microphone, or it is muted: nothing but zeros comes from it"
            raise Unavailable(what, _NEXT)

    def stop(self) -> None:
        """Capture no more; what was captured is still written."""
        if not self._stopped:
            self._stopped = True
            self._source.close()
            self._pieces.put(None)

    def _take(self, data: bytes) -> None:
        self._pieces.put(data)
        peak = _peak(data)
        self.level = max(peak, self.level * 0.7)
        if peak:
            self._alive.set()
        elif not self._alive.is_set():
            self._zeros += len(data)
            if self._zeros >= DEAF * RATE * _WIDTH:
                self._alive.set()

    def _write(self) -> None:
        with contextlib.suppress(OSError), open(self._writer, "wb", buffering=0) as pipe:
            while (data := self._pieces.get()) is not None:
                rest = memoryview(data)
                while rest:
                    rest = rest[pipe.write(rest) :]


def _peak(data: bytes) -> float:
    samples = memoryview(data[: len(data) // _WIDTH * _WIDTH]).cast("h")
    return max(max(samples), -min(samples)) / 32768 if samples else 0.0
