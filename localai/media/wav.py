"""WAV files of 16-bit samples: written as a sound is made, and read back.

The format is RIFF/WAVE as Microsoft and IBM have described it (1991), one channel, PCM.
"""

from __future__ import annotations

import io
import os
import struct
import wave
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localai.errors import LocalaiError
from localai.formats.text import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LOUDEST = 32767
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MOST = (0xFFFF_FFFF - _HEADER.size + 8) // 2 * 2  # bytes of samples that a header can tell


def as_bytes(samples: NDArray[np.float32]) -> bytes:
    """Return samples (n,) from -1 to 1 as 16-bit little-endian; what is louder is clipped."""
    import numpy as np

    return (np.clip(samples, -1.0, 1.0) * _LOUDEST).astype("<i2").tobytes()


class WavWriter:
    """A WAV file that grows; its header is right once it is closed.

    In a pipe, whose header cannot be written again, the length stays the greatest there is, as
    other programs leave it there.

    Parameters
    ----------
    file : binary file
        Written from where it stands; a raw one keeps what it takes before it fails.
    rate : int
        Hz.
    """

    def __init__(self, file: BinaryIO, rate: int) -> None:
        self._file, self._rate = file, rate
        self._begin = file.tell() if file.seekable() else None
        self._bytes = -_HEADER.size  # of samples: the header does not count
        self._put(self._header(_MOST))

    @property
    def seconds(self) -> float:
        """How much sound has been written."""
        return self._bytes / 2 / self._rate

    def add(self, samples: NDArray[np.float32]) -> None:
        """Write samples (n,) from -1 to 1 behind those before.

        Raises
        ------
        LocalaiError
            The format holds no more.
        """
        self.add_bytes(as_bytes(samples))

    def add_bytes(self, data: bytes) -> None:
        """Write 16-bit little-endian samples behind those before; raises as `add` does."""
        if self._begin is not None and self._bytes + len(data) > _MOST:
            hours = _MOST / 2 / self._rate / 3600
            raise LocalaiError(f"a WAV file holds no more than {hours:.0f} hours of sound")
        self._put(data)

    def close(self) -> None:
        """Write the length into the header; the file itself stays open."""
        if self._begin is None:
            return
        whole = self._bytes // 2 * 2
        if whole < self._bytes:  # half a sample, of a write that failed
            self._file.truncate(self._begin + _HEADER.size + whole)
        self._file.seek(self._begin)
        self._file.write(self._header(whole))
        self._file.seek(0, os.SEEK_END)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:  # a raw file may take a part
            taken = self._file.write(rest)
            self._bytes += taken
            rest = rest[taken:]

    def _header(self, size: int) -> bytes:
        """Return the header of a file with `size` bytes of samples."""
        form = (16, 1, 1, self._rate, 2 * self._rate, 2, 16)
        return _HEADER.pack(
            b"RIFF", size + _HEADER.size - 8, b"WAVE", b"fmt ", *form, b"data", size
        )


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
