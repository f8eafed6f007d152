"""WAV files of 16-bit samples: written as a sound is made, and read back.

The format is RIFF/WAVE as Microsoft and IBM have described it (1991), one channel, PCM.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localai.errors import LocalaiError
from localai.formats.text import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOUDEST = 32767


def as_bytes(samples: NDArray[np.float32]) -> bytes:
    """Return samples (n,) from -1 to 1 as 16-bit little-endian; what is louder is clipped."""
    import numpy as np

    return (np.clip(samples, -1.0, 1.0) * _LOUDEST).astype("<i2").tobytes()


class WavWriter:
    """A WAV file that grows; its header is right once it is closed.

    Parameters
    ----------
    rate : int
        Hz.
    """

    def __init__(self, file: BinaryIO, rate: int) -> None:
        self._wave = wave.open(file, "wb")  # noqa: SIM115
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(rate)
        self.seconds = 0.0
        self._rate = rate

    def add(self, samples: NDArray[np.float32]) -> None:
        """Write samples (n,) from -1 to 1 behind those before."""
        self.add_bytes(as_bytes(samples))

    def add_bytes(self, data: bytes) -> None:
        """Write 16-bit little-endian samples behind those before."""
        self._wave.writeframesraw(data)
        self.seconds += len(data) / 2 / self._rate

    def close(self) -> None:
        """Write the length into the header; the file itself stays open."""
        self._wave.close()


def encoded(samples: NDArray[np.float32], rate: int) -> bytes:
    """Return a whole WAV file of samples (n,) from -1 to 1."""
    file = io.BytesIO()
    writer = WavWriter(file, rate)
    writer.add(samples)
    writer.close()
    return file.getvalue()


def read(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return the samples (n,) from -1 to 1 of a WAV file, channels mixed, and its rate in Hz.

    Raises
    ------
    LocalaiError
        It is no WAV file of 16-bit samples.
    """
    import numpy as np

    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise wave.Error("its samples have no 16 bits")
            # A program that writes into a pipe leaves a length that is too large.
            data = file.readframes(min(file.getnframes(), path.stat().st_size))
            channels, rate = file.getnchannels(), file.getframerate()
    except (wave.Error, EOFError, OSError) as error:
        raise LocalaiError(f"{shown(path)} is no WAV file that can be read: {error}") from None
    whole = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], "<i2")
    mixed = whole.reshape(-1, channels).mean(axis=1) / _LOUDEST
    return mixed.astype(np.float32), rate
