"""Sounds to test with: made by numpy, written by PyAV in every container that people have."""

from __future__ import annotations

import io
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 16_000
Samples = NDArray[np.float32]


def speechlike(seconds: float, seed: int = 1, rate: int = RATE) -> Samples:
    """Syllables with pauses between phrases: harmonics below 3 kHz that come and go."""
    r = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    sound = np.zeros(len(time))
    at = 0.2
    while at < seconds:
        for _ in range(int(r.integers(2, 9))):
            length, pitch = r.uniform(0.08, 0.22), r.uniform(90, 220)
            inside = slice(int(at * rate), int((at + length) * rate))
            moment = time[inside]
            shape = np.sin(np.pi * (moment - at) / length)
            for harmonic in range(1, 12):
                loud = r.uniform(0.02, 0.1) / harmonic**0.5
                sound[inside] += loud * shape * np.sin(2 * np.pi * pitch * harmonic * moment)
            at += length + r.uniform(0, 0.06)
        at += r.uniform(0.4, 1.4)
    return np.clip(sound, -0.95, 0.95).astype(np.float32)


def tone(seconds: float, pitch: float = 440.0, rate: int = RATE) -> Samples:
    """A plain tone."""
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def _frames(stereo: Samples, rate: int, codec: str) -> list[av.AudioFrame]:
    layout = "stereo" if len(stereo) == 2 else "mono"
    whole = np.round(stereo * 32767).astype(np.int16)
    packed = whole.T.reshape(1, -1).copy()
    frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return [frame]


def write(
    file: Path | io.BytesIO,
    samples: Samples,
    *,
    codec: str,
    container: str | None = None,
    rate: int = RATE,
    video: bool = False,
    late: float = 0.0,
    options: dict[str, str] | None = None,
) -> None:
    """Write samples (n, or channels x n) as a file; `late` seconds after the picture begins."""
    target = str(file) if isinstance(file, Path) else file
    stereo = np.atleast_2d(samples)
    with av.open(target, "w", format=container, options=options or {}) as out:
        picture = None
        if video:
            picture = out.add_stream("mpeg4", rate=10)
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        stream = out.add_stream(codec, rate=rate, layout="stereo" if len(stereo) == 2 else "mono")
        if picture is not None:
            for number in range(int(stereo.shape[1] / rate * 10) + 1):
                image = np.full((48, 64, 3), number % 256, np.uint8)
                shown = av.VideoFrame.from_ndarray(image, format="rgb24")
                shown.pts, shown.time_base = number, Fraction(1, 10)
                out.mux(picture.encode(shown))
            out.mux(picture.encode(None))
        for frame in _frames(stereo, rate, codec):
            frame.pts = int(late * rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def wav(samples: Samples, rate: int = RATE) -> bytes:
    """A WAV file's bytes, 44 of them before the samples (n, or channels x n)."""
    file, channels = io.BytesIO(), np.atleast_2d(samples)
    with wave.open(file, "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.round(channels.T * 32767).astype("<i2").tobytes())
    return file.getvalue()


def likeness(one: Samples, other: Samples, shift: int = 800) -> tuple[float, int]:
    """How alike two sounds are at the best shift of some samples: (correlation, shift)."""
    length = min(len(one), len(other)) - 2 * shift
    middle = one[shift : shift + length]
    size = 1 << (2 * len(other)).bit_length()
    product = np.fft.irfft(np.fft.rfft(other, size) * np.conj(np.fft.rfft(middle, size)), size)[
        : 2 * shift + 1
    ]
    at = int(product.argmax())
    piece = other[at : at + length]
    scale = float(np.linalg.norm(middle) * np.linalg.norm(piece)) or 1.0
    return float(product[at]) / scale, at - shift
