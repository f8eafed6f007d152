"""A client's connection to a worker: many requests out, the events of each in its own queue."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from localai.engines import registry
from localai.errors import BadInput, LocalaiError, from_wire
from localai.formats.serialization import to_plain
from localai.pool import protocol
from localai.types import LAST, Event, Events, Failed, Progress

_READ = 1 << 18  # bytes


class WorkerLost(Exception):
    """The worker has ended: its owner knows how."""


class WorkerRetired(Exception):
    """The worker leaves and did not begin the request: another one will."""


def _waiting(sock: socket.socket) -> bytes | None:
    """Return the next byte without taking it; none at the end, and None: nothing has come yet."""
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except OSError:
        return b""


class WorkerConnection:
    """One connection, for one thread.

    Parameters
    ----------
    sock : socket
        Connected to a worker; belongs to the connection from here on.
    kind : str
        Of its engine: says which events may come.
    loaded : bool
        Whether its model is known to be loaded.
    """

    def __init__(self, sock: socket.socket, kind: str, loaded: bool = False) -> None:
        self._socket = sock
        self._known = registry.event_types(kind)
        self._decoder = protocol.Decoder()
        self._asked = 0
        self._arrived: dict[str, deque[Event]] = {}  # of requests that have not ended
        self._retired: set[str] = set()  # requests that the worker gave back
        self._ready, self._asked_ready = loaded, False
        self._leaving = False  # the worker takes no more requests
        self.has_answered = False  # the worker has given us more than progress
        self.ending: LocalaiError | None = None  # how it ended, once its owner was asked

    def send(self, request: Any, files: Sequence[int] = (), client: str = "") -> str:
        """Send a request now and return its id.

        Parameters
        ----------
        files : sequence of int
            Open descriptors that go with it; they stay the caller's.
        client : str
            For whom it is, where one connection serves many.

        Raises
        ------
        BadInput
            It is more than a frame can carry, or not open.
        """
        # It is sent before the model is loaded: it is there when the worker looks.
        more = {"client": client} if client else {}
        return self._send_request("generate", request, files, **more)

    def count_tokens(self, request: Any, files: Sequence[int] = ()) -> str:
        """Ask for the tokens of a request's prompt; return the id of the answer."""
        return self._send_request("count_tokens", request, files)

    def _send_request(self, kind: str, request: Any, files: Sequence[int], **more: Any) -> str:
        if len(files) > protocol.MAX_FILES:
            raise BadInput(
                f"a request with {len(files)} open files; at most {protocol.MAX_FILES} are taken",
                "give them in parts",
            )
        if files:
            more["files"] = len(files)
        return self._send_new(kind, files, request=to_plain(request), **more)

    def events(self, name: str) -> Iterator[Event]:
        """Yield the events of a request as they come, up to its last.

        Leaving the iterator early cancels the request.

        Raises
        ------
        LocalaiError
            The error that the worker answers with.
        WorkerRetired, WorkerLost
            The worker is no more.
        """
        try:
            while name in self._arrived:
                event = self.next_event(name)
                assert event is not None
                yield event
        finally:
            self.cancel(name)

    def next_event(self, name: str, until: float | None = None) -> Event | None:
        """Wait for the next event of a request; after its last one it is unknown.

        Parameters
        ----------
        until : float or None
            When to give up, and return None, on the monotonic clock.

        Raises
        ------
        LocalaiError
            The error that the worker answers with.
        WorkerRetired, WorkerLost
            The worker is no more.
        """
        arrived = self._arrived[name]
        while not arrived:
            if name in self._retired:
                self._forget(name)
                raise WorkerRetired
            if until is not None and not self._readable(until):
                return None
            self._read()
        event = arrived.popleft()
        if isinstance(event, LAST):
            self._forget(name)
        if isinstance(event, Failed):
            raise from_wire(event._asdict())
        return event

    def receive(self) -> Events:
        """Wait for events of any requests that were sent, each with its request's id.

        Raises
        ------
        WorkerRetired
            The worker has ended all that it had begun, and will not begin the others.
        WorkerLost
            The worker is no more.
        """
        while True:
            found = [(name, event) for name, queue in self._arrived.items() for event in queue]
            for name in {name for name, _ in found}:
                self._arrived[name].clear()
            for name, event in found:
                if isinstance(event, LAST):
                    self._forget(name)
            if found:
                return found
            if self._retired and self._retired >= self._arrived.keys():
                raise WorkerRetired
            self._read()

    def cancel(self, name: str) -> None:
        """End a request and forget what comes of it; one that has ended is nothing."""
        if name in self._arrived:
            self._forget(name)
            self._send(protocol.encode("cancel", name))

    def stop(self, name: str) -> None:
        """Ask for the end of a request; its last event still comes."""
        self._send(protocol.encode("cancel", name))

    def wait(self) -> None:
        """Wait until the model is loaded.

        Raises
        ------
        WorkerRetired, WorkerLost
            It will not be.
        """
        self._send(protocol.encode("load"))
        while not self._ready:
            if self._leaving:
                raise WorkerRetired
            self._read()

    def poll(self) -> bool:
        """Return whether the model is loaded, without waiting for it.

        Raises
        ------
        WorkerRetired, WorkerLost
            It will not be.
        """
        if not (self._ready or self._asked_ready):
            self._asked_ready = True
            self._send(protocol.encode("load"))
        while not self._ready and _waiting(self._socket) is not None:
            self._read()
        return self._ready

    @property
    def busy(self) -> bool:
        """Whether a request has not ended."""
        return bool(self._arrived)

    @property
    def ended(self) -> bool:
        """Whether the worker has ended while nothing was asked of it."""
        return _waiting(self._socket) == b""

    def close(self) -> None:
        """Leave: the worker sees it and cancels what it does for us, also when we are killed."""
        self._socket.close()

    def _forget(self, name: str) -> None:
        self._arrived.pop(name, None)
        self._retired.discard(name)

    def _send_new(self, kind: str, descriptors: Sequence[int], /, **fields: Any) -> str:
        self._asked += 1
        name = str(self._asked)
        self._send(protocol.encode(kind, name, **fields), descriptors)
        self._arrived[name] = deque()
        return name

    def _send(self, frame: bytes, descriptors: Sequence[int] = ()) -> None:
        with contextlib.suppress(OSError):  # that the worker has ended is seen by `_read`
            if descriptors:
                for each in descriptors:
                    _check_open(each)
                frame = frame[socket.send_fds(self._socket, [frame], list(descriptors)) :]
            self._socket.sendall(frame)

    def _readable(self, until: float) -> bool:
        """Wait for something to read; False: nothing came until then."""
        poll = select.poll()  # `select.select` takes no descriptor beyond 1023
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))

    def _read(self) -> None:
        """Wait for frames and put each where it belongs."""
        try:
            data = self._socket.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            raise WorkerLost
        for frame in self._decoder.feed(data):
            self._take(frame)

    def _take(self, frame: protocol.Frame) -> None:
        name = frame["id"]
        match frame["type"]:
            case "ready":
                self._ready = True
            case "retired":
                self._leaving = True
                # Without an id: all those of which nothing has come, and that is all of them.
                self._retired |= {name} & set(self._arrived) if name else set(self._arrived)
            case _:
                event = protocol.decode_event(frame, self._known)
                self.has_answered |= not isinstance(event, Progress)
                # The rest of an answer that was left early belongs to nobody.
                for each in (name,) if name else tuple(self._arrived):
                    if (arrived := self._arrived.get(each)) is not None:
                        arrived.append(event)


def _check_open(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError as error:
        raise BadInput(f"an open file cannot be sent: {error.strerror}") from None
