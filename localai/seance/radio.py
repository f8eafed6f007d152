"""How a voice sounds out of a small radio, and the noise between stations; made with numpy.

All is float32, mono, from -1 to 1. Filters are cut in the spectrum (a real FFT with raised-cosine
edges), which is exact for whole clips and for loops.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_EDGE = 0.06  # of a cut-off frequency: how wide the slope beside it is
_FLUTTER, _DEPTH = 4.7, 0.004  # Hz and share: how far a worn dial is off
_REVERBERATION = 0.35  # seconds until an echo is a thousandth
_ECHO = 0.22  # its loudness beside the voice


def band_pass(samples: Samples, rate: int, low: float, high: float) -> Samples:
    """Return samples (n,) with only what lies between two frequencies, in Hz.

    The slopes lie inside of the band, so that outside is nothing.
    """
    if not len(samples):
        return samples
    spectrum = np.fft.rfft(samples)
    at = np.fft.rfftfreq(len(samples), 1 / rate)
    rise = np.clip((at - low) / (low * _EDGE), 0, 1)
    fall = np.clip((high - at) / (high * _EDGE), 0, 1)
    kept = 0.25 * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall))
    return np.asarray(np.fft.irfft(spectrum * kept, len(samples)), np.float32)


def noise(seconds: float, rate: int, low: float, high: float, seed: int) -> Samples:
    """Return white noise within a band, a loop without a seam, with an RMS of 1."""
    white = np.random.default_rng(seed).standard_normal(int(seconds * rate)).astype(np.float32)
    return _of_level(band_pass(white, rate, low, high), 1.0)


def murmur(seconds: float, rate: int, low: float, high: float, seed: int) -> Samples:
    """Return what far stations leave: syllables of no language and scraps of tunes, RMS of 1."""
    draw = np.random.default_rng(seed)
    whole = np.zeros(int(seconds * rate), np.float32)
    at = 0
    while at < len(whole):
        length = min(int(draw.uniform(0.06, 0.25) * rate), len(whole) - at)
        time = np.arange(length) / rate
        pitch = draw.uniform(90, 260)
        formants = draw.uniform(300, 900), draw.uniform(1100, 2600)
        sound = np.zeros(length)
        for harmonic in range(1, 14):
            height = harmonic * pitch
            loud = sum(1 / (1 + ((height - formant) / 160) ** 2) for formant in formants)
            sound += loud * np.sin(2 * np.pi * height * time + draw.uniform(0, 6.28))
        whole[at : at + length] += (sound * np.hanning(length)).astype(np.float32)
        at += int(length * draw.uniform(0.8, 1.3)) + 1
    return _of_level(band_pass(whole[::-1], rate, low, high), 1.0)


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Return samples at another rate, straight lines between them: enough for a small radio."""
    if rate == wanted or not len(samples):
        return samples
    count = int(len(samples) * wanted / rate)
    places = np.arange(count) * (rate / wanted)
    if wanted < rate:
        samples = band_pass(samples, rate, 20.0, wanted / 2)
    return np.asarray(np.interp(places, np.arange(len(samples)), samples), np.float32)


def through_radio(samples: Samples, rate: int, low: float, high: float, seed: int) -> Samples:
    """Return a voice as a small radio gives it: flutter, an echo that decays, a narrow band.

    The result is a little longer than the voice, and as loud as it may be.
    """
    if not len(samples):
        return samples
    draw = np.random.default_rng(seed)
    tail = int(_REVERBERATION * rate)
    padded = np.concatenate([samples, np.zeros(tail, np.float32)])
    time = np.arange(len(padded)) / rate
    off = _DEPTH / (2 * np.pi * _FLUTTER) * np.sin(2 * np.pi * _FLUTTER * time + draw.uniform(0, 6))
    bent = np.interp(time + off, time, padded)
    fade = 0.82 + 0.18 * np.sin(2 * np.pi * draw.uniform(0.4, 0.9) * time + draw.uniform(0, 6))
    burst = draw.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    burst /= np.sqrt(np.sum(burst**2))
    size = 1 << (len(bent) + tail).bit_length()
    echo = np.fft.irfft(np.fft.rfft(bent, size) * np.fft.rfft(burst, size), size)[: len(bent)]
    mixed = band_pass(((bent + _ECHO * echo) * fade).astype(np.float32), rate, low, high)
    return (mixed * (0.9 / max(1e-6, float(np.abs(mixed).max())))).astype(np.float32)


def _of_level(samples: Samples, level: float) -> Samples:
    found = float(np.sqrt(np.mean(samples**2))) or 1.0
    return (samples * (level / found)).astype(np.float32)
