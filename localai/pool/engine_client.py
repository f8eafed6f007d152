"""A worker as a command sees it: requests out, their events in, whatever becomes of the worker.

Imports the standard library and our own light modules only: the time from the shell's prompt to
the first token is made here.
"""

from __future__ import annotations

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Self

from localai.errors import LocalaiError, WorkerDied
from localai.pool.worker_connection import WorkerConnection, WorkerLost, WorkerRetired
from localai.types import LAST, Event, Events, Finished, ModelSpec, TokenCount

_STOP_SECONDS = 1.0  # that somebody who has stopped an answer waits to hear what it has cost


class RequestsReturned(Exception):
    """A worker leaves and gives back what it has not begun: another one will take it."""


class EngineClient(ABC):
    """A worker as a command sees it; for one thread.

    Parameters
    ----------
    spec : ModelSpec
        What it loads.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._current: WorkerConnection | None = self._connect()

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, request: Any, files: Sequence[int] = (), client: str = "") -> EventStream:
        """Send a request (a record of the kind's type) now; return its events, as they come.

        Several may be open at once: each gets its own events. The last one is `Finished`. Closing
        them early cancels the request.

        Parameters
        ----------
        files : sequence of int
            Open descriptors that the request speaks of; they stay the caller's.
        client : str
            For whom it is, where one command serves many.

        Raises
        ------
        LocalaiError
            The error that the worker answers with, or how it has ended.
        """
        return EventStream(self, lambda connection: connection.send(request, files, client))

    def count_tokens(self, request: Any) -> int:
        """Return how many tokens the prompt of a request has, without answering it."""
        return self.measure(request).tokens

    def measure(self, request: Any, files: Sequence[int] = ()) -> TokenCount:
        """Return what is known of the prompt of a request, without answering it.

        Raises
        ------
        LocalaiError
            The request cannot be answered, or how the worker has ended.
        """
        events = EventStream(self, lambda connection: connection.count_tokens(request, files))
        return next(event for event in events if isinstance(event, TokenCount))

    def send(self, request: Any, files: Sequence[int] = ()) -> str:
        """Send a request, and open descriptors, whose events `receive` returns; return its id."""
        return self._connection().send(request, files)

    def receive(self) -> Events:
        """Wait for events of the requests that were sent, each with its request's id.

        Raises
        ------
        RequestsReturned
            The worker leaves, and has begun none of those that have not ended: send them again.
        LocalaiError
            How the worker has ended; what has not ended is lost with it.
        """
        connection = self._connection()
        try:
            return connection.receive()
        except WorkerRetired:
            self._current = None
            connection.close()
            self._retired()
            raise RequestsReturned from None
        except WorkerLost:
            raise self._lost(connection) from None

    def wait(self) -> None:
        """Wait until the model is loaded.

        Raises
        ------
        LocalaiError
            Why it is not.
        """
        while True:
            connection = self._connection()
            try:
                return connection.wait()
            except WorkerRetired:
                self._leave(connection)
            except WorkerLost:
                raise self._lost(connection) from None

    def ready(self) -> bool:
        """Whether the model is loaded, as far as is known without waiting."""
        try:
            return self._connection().poll()
        except (WorkerRetired, WorkerLost):  # the next request says so
            return False

    def close(self) -> None:
        """Leave: what runs for us is cancelled, also when we are killed."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def _tidy(self, connection: WorkerConnection) -> None:
        """Close a connection that is not asked any more, when the last request there has ended."""
        if connection is not self._current and not connection.busy:
            connection.close()

    def _connection(self) -> WorkerConnection:
        """Return the connection to a worker that takes requests."""
        if self._current is None:
            self._current = self._connect()
        return self._current

    def _connect(self) -> WorkerConnection:
        sock, loaded = self._reach()
        return WorkerConnection(sock, self._spec.kind, loaded)

    def _leave(self, connection: WorkerConnection) -> None:
        """Ask no more of a worker that leaves; what it has begun it ends."""
        if connection is self._current:
            self._current = None
            self._retired()
        if not connection.busy:
            connection.close()

    def _lost(self, connection: WorkerConnection) -> LocalaiError:
        """Return how a worker has ended; the next request asks for another one."""
        if connection.ending is None:
            if connection is self._current:
                connection.ending = self._ended(connection.has_answered)
                self._current = None
            else:
                connection.ending = WorkerDied("the engine's process ended", "try again")
        return connection.ending

    @property
    @abstractmethod
    def persistent(self) -> bool:
        """Whether the worker outlives the command."""

    @abstractmethod
    def _reach(self) -> tuple[socket.socket, bool]:
        """Return a socket to a worker, and whether its model is known to be loaded."""

    @abstractmethod
    def _retired(self) -> None:
        """Take note that the worker takes no more requests."""

    @abstractmethod
    def _ended(self, has_answered: bool) -> LocalaiError:
        """Return how the worker that has just ended did so."""


class EventStream:
    """The events of one request, as they come, whichever worker takes it: an iterator.

    Whoever lets go of it before its end cancels the request, `close` says so at once.

    Parameters
    ----------
    client : EngineClient
        Gives a connection to a worker, and says how one has ended.
    send : callable
        Sends the request over a connection; returns its name there.
    """

    def __init__(self, client: EngineClient, send: Callable[[WorkerConnection], str]) -> None:
        self._client, self._send = client, send
        self._open = False
        self._begin()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if not self._open:
            raise StopIteration
        event = self._next()
        assert event is not None
        return event

    def __del__(self) -> None:
        if self._open:
            self.close()

    def close(self) -> None:
        """Cancel the request, if it has not ended."""
        if self._open:
            self._connection.cancel(self._name)
            self._end()

    def stop(self) -> Event | None:
        """Cancel the request; return its last event, if that comes within a second.

        What else comes until then is left out.
        """
        if not self._open:
            return None
        self._connection.stop(self._name)
        until = time.monotonic() + _STOP_SECONDS
        try:
            while self._open and (event := self._next(until)) is not None:
                if isinstance(event, Finished):
                    return event
        except LocalaiError:  # it has ended: how, nobody asks any more
            return None
        finally:
            self.close()
        return None

    def _begin(self) -> None:
        self._connection = self._client._connection()
        self._name = self._send(self._connection)
        self._open = True

    def _end(self) -> None:
        self._open = False
        self._client._tidy(self._connection)

    def _next(self, until: float | None = None) -> Event | None:
        """Return the next event; None: none came until then. An interruption ends nothing."""
        while True:
            try:
                event = self._connection.next_event(self._name, until)
            except WorkerRetired:
                self._open = False
                self._client._leave(self._connection)
                self._begin()
            except WorkerLost:
                error = self._client._lost(self._connection)
                self.close()
                raise error from None
            except LocalaiError:
                self._end()
                raise
            else:
                if isinstance(event, LAST):
                    self._end()
                return event
