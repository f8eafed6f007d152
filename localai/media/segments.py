"""What was said: segments and words with their times, made safe for every file they go to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import NamedTuple

from localai.formats.text import sanitise

_LATEST = 1e7  # seconds; four months


class Word(NamedTuple):
    """A word and when it is said.

    Attributes
    ----------
    start, end : float
        Seconds in the whole sound.
    text : str
        With the space before it, where there is one: joined, the words are the segment's text.
    probability : float
        How sure the model is, 0 to 1.
    """

    start: float
    end: float
    text: str
    probability: float = 1.0


class Segment(NamedTuple):
    """Some words that belong together, a phrase or a sentence or two.

    Attributes
    ----------
    start, end : float
        Seconds in the whole sound.
    text : str
    words : tuple of Word
        Empty where words have no times.
    no_speech : float
        How sure the model is that nobody speaks, 0 to 1.
    avg_logprob : float
        The mean log probability of its tokens, at most 0.
    speaker : str
        Who speaks, where channels tell it; else empty.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    no_speech: float = 0.0
    avg_logprob: float = 0.0
    speaker: str = ""


def tidy(segment: Segment) -> Segment | None:
    """Return a segment as it may go to any file or terminal; None where it has no text.

    Control characters become visible escapes, white space single spaces, and arrows (`-->`), which
    would end a subtitle, short ones. Times are finite, in order, and whole milliseconds.
    Words that do not join to the text are left out.
    """
    text = _plain(segment.text).strip()
    if not text:
        return None
    start = _time(segment.start)
    end = max(start, _time(segment.end, start))
    words = tuple(_words(segment.words))
    if "".join(word.text for word in words).strip() != text:
        words = ()
    return Segment(
        start,
        end,
        text,
        words,
        _number(segment.no_speech, 0.0, 1.0),
        _number(segment.avg_logprob, -100.0, 0.0),
        _plain(segment.speaker).strip(),
    )


def _plain(text: str) -> str:
    spaced = f" {' '.join(text.split())}" if text[:1].isspace() else " ".join(text.split())
    return re.sub("-{2,}>", "->", sanitise(spaced))


def _words(words: Iterable[Word]) -> Iterator[Word]:
    at = 0.0
    for word in words:
        text = _plain(word.text)
        if not text.strip():
            continue
        start = max(at, _time(word.start, at))
        end = max(start, _time(word.end, start))
        at = start
        yield Word(start, end, text, _number(word.probability, 0.0, 1.0))


def _time(seconds: float, otherwise: float = 0.0) -> float:
    if not math.isfinite(seconds):
        return otherwise
    return round(float(min(_LATEST, max(0.0, seconds))), 3)  # a library's float is no float


def _number(value: float, least: float, most: float) -> float:
    return round(float(min(most, max(least, value))), 4) if math.isfinite(value) else least


def moved(segment: Segment, seconds: float) -> Segment:
    """Return a segment some seconds later: from a piece's times to those of the whole sound."""
    words = tuple(w._replace(start=w.start + seconds, end=w.end + seconds) for w in segment.words)
    return segment._replace(start=segment.start + seconds, end=segment.end + seconds, words=words)


def interleaved(*speakers: Iterable[Segment]) -> Iterator[Segment]:
    """Yield the segments of several speakers, each in order, in the order of their starts."""
    return merge(*speakers, key=lambda segment: segment.start)


def is_wide(char: str) -> bool:
    """Whether a character is of a script that is written without spaces between words."""
    code = ord(char)
    return (
        0x2E80 <= code <= 0x9FFF  # CJK, kana
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
        or 0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Burmese
        or 0x1780 <= code <= 0x17FF  # Khmer
    )


def joined(texts: Iterable[str]) -> str:
    """Return texts one after another, with a space where the script has spaces."""
    whole = ""
    for text in texts:
        glued = not whole or not text or (is_wide(whole[-1]) and is_wide(text[0]))
        whole += text if glued else f" {text}"
    return whole
