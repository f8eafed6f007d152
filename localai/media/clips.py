"""Parts of a sound by their times: `90`, `1:30`, `1:02:03.5`, `90s`, `1h2m`, `1:30-2:10`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from localai.errors import BadInput

RATE = 16_000  # Hz, of all sound inside the package
LONGEST = 1e6  # seconds; eleven days, more than anyone records in one file

_NUMBER = r"[0-9]{1,7}(?:[.,][0-9]{1,6})?"
_CLOCK = rf"(?:([0-9]{{1,4}}):)?([0-9]{{1,6}}):({_NUMBER})"
_UNITS = rf"(?:({_NUMBER})h)?(?:({_NUMBER})m)?(?:({_NUMBER})s?)?"
_EXAMPLES = "write it as 90, 1:30, 1:02:03.5, 90s or 1h2m"


class Block(NamedTuple):
    """Consecutive samples, and where in the whole sound the first of them stands.

    Attributes
    ----------
    start : int
        Index of the first sample, at `RATE`; divide by `RATE` for seconds.
    samples : ndarray
        float32, mono, -1 to 1, shape (n,).
    """

    start: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """Index of the sample after the last."""
        return self.start + len(self.samples)


class Clip(NamedTuple):
    """A part of a sound, in seconds; an `end` of None is the end of the sound."""

    start: float
    end: float | None = None


def parse_time(text: str) -> float:
    """Return a time in seconds.

    Parameters
    ----------
    text : str
        Seconds (`90`, `90.5`, `90s`), a clock (`1:30`, `1:02:03.5`) or units (`1h2m3s`, `5m`).

    Raises
    ------
    BadInput
        It is none of these, or more than `LONGEST`.
    """
    seconds = _seconds(text.strip().lower())
    if seconds is None or seconds > LONGEST:
        raise BadInput(f"`{text}` is no time in a sound", _EXAMPLES)
    return seconds


def _seconds(text: str) -> float | None:
    if clock := re.fullmatch(_CLOCK, text):
        hours, minutes, seconds = (_number(part) for part in clock.groups())
        tidy = seconds < 60 and (clock[1] is None or minutes < 60)
        return hours * 3600 + minutes * 60 + seconds if tidy else None
    if text and (units := re.fullmatch(_UNITS, text)):
        hours, minutes, seconds = (_number(part) for part in units.groups())
        return hours * 3600 + minutes * 60 + seconds
    return None


def _number(text: str | None) -> float:
    return float(text.replace(",", ".")) if text else 0.0


def parse_clip(text: str) -> Clip:
    """Return the clip that `1:30-2:10` means; `1:30-` goes to the end, `-2:10` from the start.

    Raises
    ------
    BadInput
        There is no dash, a time is none, or the end does not come after the start.
    """
    start, dash, end = text.replace("–", "-").partition("-")
    if not dash or not (start.strip() or end.strip()):
        raise BadInput(f"`{text}` is no clip", "write it as 1:30-2:10, 1:30- or -2:10")
    clip = Clip(
        parse_time(start) if start.strip() else 0.0, parse_time(end) if end.strip() else None
    )
    if clip.end is not None and clip.end <= clip.start:
        raise BadInput(f"the clip `{text}` ends before it starts", "write it as 1:30-2:10")
    return clip


def merged(clips: Iterable[Clip]) -> tuple[Clip, ...]:
    """Return the clips in order, those that touch or overlap as one; none means the whole sound."""
    found: list[Clip] = []
    for clip in sorted(clips, key=lambda one: one.start):
        last = found[-1] if found else None
        if last is None or (last.end is not None and clip.start > last.end):
            found.append(clip)
        elif last.end is not None:
            end = None if clip.end is None else max(last.end, clip.end)
            found[-1] = Clip(last.start, end)
    return tuple(found) or (Clip(0.0),)


def after(clips: Iterable[Clip], start: int) -> tuple[Clip, ...]:
    """Return what is left of the clips from a sample on; nothing if they end before it.

    Mind that no clips mean the whole sound elsewhere.
    """
    seconds = start / RATE
    return tuple(
        Clip(max(clip.start, seconds), clip.end)
        for clip in merged(clips)
        if clip.end is None or clip.end > seconds
    )


def cut(blocks: Iterable[Block], clips: Iterable[Clip]) -> Iterator[Block]:
    """Yield what lies in the clips; reading ends with the last of them.

    Parameters
    ----------
    blocks : iterable of Block
        A sound in order. Blocks that are yielded may be shorter than those that came.
    clips : iterable of Clip
        Any; `merged` is applied. Where one ends, the next block's `start` jumps.
    """
    spans = [
        (round(clip.start * RATE), None if clip.end is None else round(clip.end * RATE))
        for clip in merged(clips)
    ]
    for block in blocks:
        for start, end in spans:
            first = max(start, block.start)
            last = block.end if end is None else min(end, block.end)
            if first < last:
                yield Block(first, block.samples[first - block.start : last - block.start])
        ends = spans[-1][1]
        if ends is not None and block.end >= ends:
            return
