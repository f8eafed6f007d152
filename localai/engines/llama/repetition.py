"""Notices an answer that says the same over and over, as small models do without end. Pure."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 512  # characters of what is repeated
_PHRASE: Final = 100  # characters; what is shorter may well have been asked for many times
_SPAN: Final = 3072  # characters of a repeated phrase that are too much
_LEAST: Final = 1600  # characters of a repeated passage that are too much,
_TIMES: Final = 6  # and how often it must have come
_STEP: Final = 128  # characters between two looks


class Repetition:
    """Looks at an answer as it grows.

    Only what is repeated to the letter counts, so that lists, tables and counting go on.

    Parameters
    ----------
    patience : int
        How many times as much it takes as usual: where a form was asked for, an answer may have
        to repeat itself.
    """

    def __init__(self, patience: int = 1) -> None:
        self.found = False
        self._patience = patience
        self._tail = ""
        self._new = 0

    def feed(self, text: str) -> None:
        """Take more of the answer; `found` tells whether it repeats itself."""
        self._tail = (self._tail + text)[-_SPAN * self._patience :]
        self._new += len(text)
        if self._new >= _STEP:
            self._new = 0
            self.found = self.found or self._repeats()

    def _repeats(self) -> bool:
        tail = self._tail
        if len(tail) < _LEAST * self._patience:
            return False
        # What is at least as long as the period comes again after one period and no sooner.
        end = tail[-_LONGEST:]
        period = len(tail) - _LONGEST - tail.rfind(end, 0, len(tail) - 1)
        if period > _LONGEST:
            return False
        usual = _SPAN if period <= _PHRASE else max(_LEAST, _TIMES * period)
        needed = usual * self._patience
        part = tail[-needed:]
        return len(part) == needed and part[period:] == part[:-period]
