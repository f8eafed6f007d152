"""Regular expressions from cards: matched only if that is sure to end soon. Pure.

Python's matcher tries one way through a pattern after the other, and cannot be interrupted. So the
ways are counted beforehand: `(a+)+b` has more than anyone can wait for, and matches nothing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from re import _parser as grammar  # type: ignore[attr-defined]  # no public way to see a pattern
from typing import Any

_LONGEST = 500  # characters of a pattern
_MOST_STEPS = 1 << 25  # of the matcher in one search: 0.3 seconds if it comes to the worst
_TEXTS = [1 << bits for bits in range(15, 6, -1)]  # characters; a pattern safe on none is refused
LOOK = 200_000  # steps that the look at any pattern is counted as
# As JavaScript writes a pattern: a slash within is behind a backslash, so `/usr/lib/` is none.
WRITTEN = re.compile(r"/((?:[^/\\]|\\.)+)/([dgimsuvy]*)", re.DOTALL)
_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}


@dataclass(frozen=True)
class Pattern:
    """A pattern that is safe to search for in a text of at most `longest` characters."""

    compiled: re.Pattern[str]
    longest: int
    steps: int  # that a search in such a text can take

    def cost(self, text: str) -> int:
        """Return an upper bound of the steps of a search, the look at the pattern included."""
        return LOOK + self.steps * min(len(text), self.longest) // self.longest

    def found_in(self, text: str) -> bool:
        """Whether it occurs in the end of a text, as far back as it may look."""
        return self.compiled.search(text[-self.longest :]) is not None


@lru_cache(maxsize=4096)
def safe(source: str, case_sensitive: bool = False) -> Pattern | None:
    """Return the pattern that a card has written; None if it is wrong, or slow on any text.

    Parameters
    ----------
    source : str
        In Python's form, or between slashes with flags, as in JavaScript: `/dragons?/i`.
    """
    if len(source) > _LONGEST:
        return None
    written = WRITTEN.fullmatch(source)
    flags = re.NOFLAG if case_sensitive or written else re.IGNORECASE
    if written:
        source = written[1]
        for letter in written[2]:
            flags |= _FLAGS.get(letter, re.NOFLAG)
    source = _NAMED_GROUP.sub("(?P<", source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # hints for whoever writes patterns in Python
            parsed = grammar.parse(source, flags)
            return _measured(re.compile(source, flags), parsed)
    except (re.error, RecursionError, OverflowError, ValueError):
        return None


def _measured(compiled: re.Pattern[str], parsed: Any) -> Pattern | None:
    """Return the pattern with the longest text in which all ways through it can be tried."""
    for length in _TEXTS:
        # A way begins anywhere, and is walked item by item until it fails.
        steps = (length + 1) * _ways(parsed, length) * (len(parsed) + 1)
        if steps <= _MOST_STEPS:
            return Pattern(compiled, length, steps)
    return None


def _ways(items: Iterable[Any], length: int) -> int:
    """Return an upper bound of the ways through a sequence in a text of some length."""
    ways = 1
    for operation, argument in items:
        ways = min(ways * _ways_of(str(operation), argument, length), _MOST_STEPS + 1)
    return ways


def _ways_of(operation: str, argument: Any, length: int) -> int:
    if operation.endswith("REPEAT"):
        least, most, inner = argument
        return _repeated(_ways(inner, length), least, min(most, length), len(inner))
    if operation == "BRANCH":
        return sum(_ways(branch, length) for branch in argument[1])
    if operation == "SUBPATTERN":
        return _ways(argument[3], length)
    if operation in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1], length) + 1
    if operation == "ATOMIC_GROUP":
        return _ways(argument, length)
    if operation == "GROUPREF_EXISTS":
        return sum(_ways(branch or (), length) for branch in argument[1:])
    return length if operation.startswith("GROUPREF") else 1


def _repeated(inner: int, least: int, most: int, size: int) -> int:
    """Return the ways through `inner` repeated `least` to `most` times."""
    if inner == 1:
        return (most + 1) * max(1, size)  # one way for each count, or one of that length
    ways = power = 1
    for count in range(1, most + 1):
        power *= inner
        ways += power if count >= least else 0
        if max(ways, power) > _MOST_STEPS:
            return _MOST_STEPS + 1
    return ways
