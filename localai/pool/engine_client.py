"""A worker as a command sees it: requests out, their events in, whatever becomes of the worker.

Imports the standard library and our own light modules only: the time from the shell's prompt to
the first token is made here.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

from localai.errors import LocalaiError, WorkerDied
from localai.pool.worker_connection import WorkerConnection, WorkerLost, WorkerRetired
from localai.types import Event, Events, ModelSpec, TokenCount


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
        self._current: WorkerConnection | None = WorkerConnection(self._reach(), spec.kind)

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, request: Any, files: Sequence[int] = (), client: str = "") -> Iterator[Event]:
        """Send a request (a record of the kind's type) now; yield its events as they come.

        Several may be open at once: each gets its own events. The last one is `Finished`. Leaving
        the iterator early cancels the request.

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
        connection = self._connection()
        events = self._events(
            connection,
            connection.send(request, files, client),
            lambda other: other.send(request, files, client),
        )
        next(events)  # begun: who leaves it without a look at it cancels the request, too
        return events

    def count_tokens(self, request: Any) -> int:
        """Return how many tokens the prompt of a request has, without answering it.

        Raises
        ------
        LocalaiError
            The request cannot be answered, or how the worker has ended.
        """
        connection = self._connection()
        name = connection.count_tokens(request)
        events = self._events(connection, name, lambda other: other.count_tokens(request))
        return next(event.tokens for event in events if isinstance(event, TokenCount))

    def send(self, request: Any) -> str:
        """Send a request whose events `receive` returns; return its id."""
        return self._connection().send(request)

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

    def _events(
        self,
        connection: WorkerConnection,
        name: str,
        send_anew: Callable[[WorkerConnection], str],
    ) -> Iterator[Event]:
        """Yield nothing, and then the events of a request, whichever worker takes it."""
        try:
            yield ()
        except GeneratorExit:
            connection.cancel(name)
            self._tidy(connection)
            raise
        while True:
            try:
                yield from connection.events(name)
                return
            except WorkerRetired:
                self._leave(connection)
                connection = self._connection()
                name = send_anew(connection)
            except WorkerLost:
                raise self._lost(connection) from None
            finally:
                self._tidy(connection)

    def _tidy(self, connection: WorkerConnection) -> None:
        """Close a connection that is not asked any more, when the last request there has ended."""
        if connection is not self._current and not connection.busy:
            connection.close()

    def _connection(self) -> WorkerConnection:
        """Return the connection to a worker that takes requests."""
        if self._current is None:
            self._current = WorkerConnection(self._reach(), self._spec.kind)
        return self._current

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
    def _reach(self) -> socket.socket:
        """Return a socket to a worker, which may still be loading."""

    @abstractmethod
    def _retired(self) -> None:
        """Take note that the worker takes no more requests."""

    @abstractmethod
    def _ended(self, has_answered: bool) -> LocalaiError:
        """Return how the worker that has just ended did so."""
