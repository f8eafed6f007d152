"""Sound to the loudspeaker: through miniaudio, else through a player that the system has.

    with open_player(22_050) as player:
        player.play(samples)  # returns when less than `AHEAD` seconds are still to be heard
        player.drain()

A `MutedPlayer` plays nothing at the same pace, so that what waits for sound works without a device.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from localai.errors import LocalaiError, Unavailable
from localai.media.wav import as_bytes
from localai.system.descriptors import muted_stderr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AHEAD = 0.15  # seconds of sound that are handed over before they are heard
_SETTLE = 0.3  # seconds in which a program that finds no device has ended


class Player(ABC):
    """Plays mono samples, one block after another, in real time.

    Parameters
    ----------
    rate : int
        Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._until = time.monotonic()  # when all that was handed over has been heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def play(self, samples: NDArray[np.float32]) -> None:
        """Take samples (n,) from -1 to 1; wait until little of them is still to be heard.

        Raises
        ------
        LocalaiError
            The device is gone.
        """
        block = self.rate // 20  # small ones, so that the wait is even
        for at in range(0, len(samples), block):
            piece = samples[at : at + block]
            self._take(as_bytes(piece))
            now = time.monotonic()
            self._until = max(now, self._until) + len(piece) / self.rate
            if (early := self._until - now - AHEAD) > 0:
                time.sleep(early)

    def drain(self) -> None:
        """Wait until all has been heard."""
        time.sleep(max(0.0, self._until - time.monotonic()))

    @abstractmethod
    def _take(self, data: bytes) -> None:
        """Hand over 16-bit samples."""

    def close(self) -> None:  # noqa: B027 (not every player holds one)
        """Let go of the device."""


class MutedPlayer(Player):
    """Plays nothing, at the pace of sound."""

    def _take(self, data: bytes) -> None:
        pass


class MiniaudioPlayer(Player):
    """Plays through miniaudio.

    Raises
    ------
    Unavailable
        There is no device.
    """

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        import miniaudio

        self._data = bytearray()
        self._lock = threading.Lock()
        # Not its null device, which is always there and swallows everything.
        real = [each for each in miniaudio.Backend if each.name not in ("NULL", "CUSTOM")]
        try:
            with muted_stderr():
                self._device: Any = miniaudio.PlaybackDevice(
                    output_format=miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=rate,
                    buffersize_msec=60, backends=real, app_name="localai",
                )  # fmt: skip
                feed = self._feed()
                next(feed)
                self._device.start(feed)
        except miniaudio.MiniaudioError:
            raise Unavailable("there is no sound device") from None

    def _feed(self) -> Any:
        """Give the device what it asks for: as much as there is, then silence."""
        frames = yield b""
        while True:
            with self._lock:
                piece = bytes(self._data[: 2 * frames])
                del self._data[: 2 * frames]
            frames = yield piece.ljust(2 * frames, b"\0")

    def _take(self, data: bytes) -> None:
        with self._lock:
            self._data += data

    def drain(self) -> None:
        """Wait until all has been heard."""
        super().drain()
        time.sleep(AHEAD)  # what the device itself holds

    def close(self) -> None:
        """Let go of the device."""
        with contextlib.suppress(Exception):
            self._device.close()


_PROGRAMS = (  # they take bare 16-bit samples on stdin
    ("pacat", "--playback --format=s16le --channels=1 --rate={rate} --latency-msec=100"),
    ("aplay", "-q -t raw -f S16_LE -c 1 -r {rate} -"),
    ("ffplay", "-loglevel quiet -nodisp -autoexit -f s16le -ar {rate} -i -"),
)


class ProgramPlayer(Player):
    """Plays through a program of the system.

    Raises
    ------
    Unavailable
        None of those that are known is there and finds a device.
    """

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        for name, options in _PROGRAMS:
            if (path := shutil.which(name)) and self._starts(path, options):
                return
        raise Unavailable("there is no sound device")

    def _starts(self, path: str, options: str) -> bool:
        nothing = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                [path, *options.format(rate=self.rate).split()],
                stdin=subprocess.PIPE, stdout=nothing, stderr=nothing, bufsize=0,
            )  # fmt: skip
        except OSError:
            return False
        try:
            self._take(bytes(self.rate // 10 * 2))
            self._process.wait(_SETTLE)
        except subprocess.TimeoutExpired:
            return True
        except LocalaiError:
            pass
        self._process.wait()
        return False

    def _take(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
        except OSError:
            raise LocalaiError(
                "the sound device is gone", "look whether it is plugged in"
            ) from None

    def close(self) -> None:
        """Let the program play to its end, for a moment."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def open_player(rate: int) -> Player:
    """Return what plays on this machine.

    Raises
    ------
    Unavailable
        There is no sound device, or nothing that plays; says what would.
    """
    hint = "plug one in, or write a file instead"
    try:
        return MiniaudioPlayer(rate)
    except ImportError:
        why = "miniaudio is not installed"
    except Unavailable as error:
        why = error.what
    try:
        return ProgramPlayer(rate)
    except Unavailable:
        raise Unavailable(f"no sound can be played: {why}", hint) from None
