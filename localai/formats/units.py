"""What people write for a time, a size or a number of layers: `5m`, `8G`, `80%`, `all`."""

from __future__ import annotations

import re

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_AGE = 1e10  # seconds, three centuries: whoever means more says -1
_POWERS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}  # of two
_NUMBER = r"([0-9]{1,12}(?:[.][0-9]{1,6})?)"
_TIME = rf"(-1|{_NUMBER})([smhd]?)"  # compiled where one is read: few commands read any
_SIZE = rf"{_NUMBER}([kmgt]?)(?:i?b)?"
_SHARE = rf"{_NUMBER}%"


def duration(text: str) -> float | None:
    """Return a time like `300`, `90s`, `5m` or `1.5h` in seconds; -1 for ever; None: it is none."""
    match = re.fullmatch(_TIME, text.strip())
    seconds = float(match[1]) * _SECONDS[match[3]] if match else None
    return None if seconds is None or seconds > _AGE else seconds


def size(text: str, free: int) -> int | None:
    """Return a size like `8G`, or a share like `80%` of `free`, in bytes; None: it is none."""
    if match := re.fullmatch(_SHARE, text.strip()):
        return int(float(match[1]) / 100 * free)
    if match := re.fullmatch(_SIZE, text.strip(), re.I):
        return int(float(match[1]) * (1 << _POWERS[match[2].lower()]))
    return None


def amount(number: float) -> str:
    """Return bytes in words of at most seven letters: `512 B`, `1.4 MB`, `4.7 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            whole = unit == "B" or number >= 99.95
            return f"{number:.0f} {unit}" if whole else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def span(seconds: float) -> str:
    """Return a span of time in words: `3 s`, `4 min`, `1 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"


def is_layers(text: str) -> bool:
    """Whether a text says how many layers go to the GPU: auto, all or a number."""
    number = text.isascii() and text.isdecimal() and len(text) < 6
    return number or text in ("auto", "all")
