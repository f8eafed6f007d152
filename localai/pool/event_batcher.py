"""Deltas on their way from the engine's threads to the one that sends them.

What begins or ends an answer goes at once. More of its text waits for the next beat, some thirty a
second: nobody sees a difference, and what it takes to pack, send, read and write a message is taken
from cores on which the next token is computed.
"""

from __future__ import annotations

import threading
import time

from localai.engines.base import Delta, Deltas

_BEAT = 1 / 30  # seconds
_TEXT = ("text", "thinking")


class EventBatcher:
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
            for request_id, delta in deltas:
                if self._note(request_id, delta):
                    self._urgent = True
            if self._urgent or not waiting:
                self._changed.notify()

    def _note(self, request_id: str, delta: Delta) -> bool:
        """Keep account of a request; return whether this is to go at once."""
        if delta.kind in ("finish", "error"):
            self._begun.discard(request_id)
        if delta.kind not in _TEXT:
            return True
        if request_id in self._begun:
            return False
        self._begun.add(request_id)
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
        at = last.get(request_id)
        if at is not None and delta.kind in _TEXT and delta.kind == joined[at][1].kind:
            whole = joined[at][1].text + delta.text
            joined[at] = (request_id, Delta(delta.kind, text=whole))
        else:
            last[request_id] = len(joined)
            joined.append((request_id, delta))
    return joined
