"""Deltas on their way from the engine's threads to the one that sends them.

What begins or ends an answer goes at once. More of its text waits for the next beat, some thirty a
second: nobody sees a difference, and what it takes to pack, send, read and write a message is taken
from cores on which the next token is computed (some 5 % of it, with two threads on two cores).
"""

from __future__ import annotations

import threading
import time

from localai.engines.base import Delta

Deltas = list[tuple[str, Delta]]
"""Request ids and what comes for them."""

_BEAT = 1 / 30  # seconds
_TEXT = ("text", "thinking")


class Outbox:
    """Put into by many threads, taken from by one."""

    def __init__(self) -> None:
        self._deltas: Deltas = []
        self._urgent = False
        self._begun: set[str] = set()  # requests of whose answer something has come
        self._next = 0.0  # when text that waits is due, by the monotonic clock
        self._changed = threading.Condition()

    def put(self, deltas: Deltas) -> None:
        """Add deltas; each request ends with `finish` or `error`."""
        with self._changed:
            waiting = bool(self._deltas)
            self._deltas += deltas
            urgent = [self._note(*each) for each in deltas]
            self._urgent = self._urgent or any(urgent)
            if self._urgent or not waiting:
                self._changed.notify()

    def _note(self, request_id: str, delta: Delta) -> bool:
        """Keep account of a request; return whether this is to go at once."""
        if delta.kind in ("finish", "error"):
            self._begun.discard(request_id)
        elif delta.kind in _TEXT and request_id not in self._begun:
            self._begun.add(request_id)
        else:
            return delta.kind not in _TEXT
        return True

    def take(self) -> Deltas:
        """Wait for deltas and return them in their order; text that follows text is one piece."""
        with self._changed:
            while not self._deltas:
                self._changed.wait()
            while not self._urgent and (left := self._next - time.monotonic()) > 0:
                self._changed.wait(left)
            deltas, self._deltas = self._deltas, []
            self._urgent = False
            self._next = time.monotonic() + _BEAT
        return _joined(deltas)


def _joined(deltas: Deltas) -> Deltas:
    joined: Deltas = []
    last: dict[str, int] = {}  # where the last delta of a request stands
    for request_id, delta in deltas:
        before = joined[last[request_id]][1] if request_id in last else None
        if before and before.kind == delta.kind and delta.kind in _TEXT:
            joined[last[request_id]] = (
                request_id,
                Delta(delta.kind, text=before.text + delta.text),
            )
        else:
            last[request_id] = len(joined)
            joined.append((request_id, delta))
    return joined
