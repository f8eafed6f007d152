"""Events on their way from the engine's threads to the one that sends them.

What begins or ends an answer goes at once. More of its text waits for the next beat, some thirty a
second: nobody sees a difference, and what it takes to pack, send, read and write a frame is taken
from cores on which the next token is computed.
"""

from __future__ import annotations

import threading
import time

from localai.types import LAST, Event, Events, Text, Thinking

_BEAT = 1 / 30  # seconds
_TEXT = (Text, Thinking)


class EventBatcher:
    """Put into by many threads, taken from by one."""

    def __init__(self) -> None:
        self._events: Events = []
        self._urgent = False
        self._begun: set[str] = set()  # requests of whose answer something has come
        self._next = 0.0  # when text that waits is due, by the monotonic clock
        self._changed = threading.Condition()

    def put(self, events: Events) -> None:
        """Add events; each request ends with one of `types.LAST`."""
        with self._changed:
            waiting = bool(self._events)
            self._events += events
            for request_id, event in events:
                if self._note(request_id, event):
                    self._urgent = True
            if self._urgent or not waiting:
                self._changed.notify()

    def _note(self, request_id: str, event: Event) -> bool:
        """Keep account of a request; return whether this is to go at once."""
        if isinstance(event, LAST):
            self._begun.discard(request_id)
        if not isinstance(event, _TEXT):
            return True
        if request_id in self._begun:
            return False
        self._begun.add(request_id)
        return True

    def take(self) -> Events:
        """Wait for events and return them in their order; text that follows text is one piece."""
        with self._changed:
            while not self._events:
                self._changed.wait()
            while not self._urgent and (left := self._next - time.monotonic()) > 0:
                self._changed.wait(left)
            events, self._events = self._events, []
            self._urgent = False
            self._next = time.monotonic() + _BEAT
        return _joined(events)


def _joined(events: Events) -> Events:
    joined: Events = []
    last: dict[str, int] = {}  # where the last event of a request stands
    for request_id, event in events:
        at = last.get(request_id)
        before = None if at is None else joined[at][1]
        if at is not None and isinstance(event, _TEXT) and type(event) is type(before):
            assert isinstance(before, _TEXT)
            joined[at] = (request_id, event._replace(text=before.text + event.text))
        else:
            last[request_id] = len(joined)
            joined.append((request_id, event))
    return joined
