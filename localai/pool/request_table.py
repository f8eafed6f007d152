"""A worker's clients and their requests: who asked what, what has begun, what is to be removed."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localai.engines.base import Call
from localai.errors import BadInput, LocalaiError
from localai.pool import protocol
from localai.pool.framed_socket import FdReceiver

_MOST_REQUESTS = 1024  # that run or wait at one time


class Client(FdReceiver):
    """A client's connection."""

    def __init__(self, sock: socket.socket, key: int, selector: selectors.BaseSelector) -> None:
        super().__init__(sock, selector)
        self.key = key
        self.closed = False
        self._results: set[str] = set()  # files that it was told of, and may not have taken

    def take_files(self, count: Any) -> tuple[int, ...]:
        """Return the next descriptors that came with its frames.

        Raises
        ------
        BadInput
            There are not as many; then it is not known either whose the others are.
        """
        if type(count) is not int or not 0 <= count <= len(self.received):
            self.close_received()
            raise BadInput("a request speaks of descriptors that did not come with it")
        return tuple(self.received.popleft() for _ in range(count))

    def close(self) -> None:
        """Forget the client, what it sent and what it did not take."""
        self.closed = True
        super().close()
        while self._results:
            _remove(self._results.pop())

    def offer(self, path: str) -> None:
        """Take note of a result file, which the client may take; one that has left does not."""
        self._results.add(path)
        if self.closed:
            _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):  # it has its name by now
        os.unlink(path)


@dataclass(eq=False)
class Request:
    """A request that has not ended."""

    client: Client
    own_id: str  # the client's
    begun: bool = False
    overdue_at: float | None = None  # when its cancellation has taken too long, monotonic seconds


class RequestTable:
    """All clients and requests of a worker.

    Parameters
    ----------
    report : callable
        Told how many requests run and wait, whenever that changes.
    """

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report
        self._keys = itertools.count()
        self._clients: dict[int, Client] = {}
        self._counts = threading.Lock()
        self._running = 0
        self.requests: dict[str, Request] = {}
        self.await_load: list[tuple[Client, str]] = []  # messages that want to hear of the model

    def add_client(self, sock: socket.socket, selector: selectors.BaseSelector) -> None:
        """Serve a client on a connected socket."""
        key = next(self._keys)
        self._clients[key] = Client(sock, key, selector)

    def remove_client(self, client: Client) -> None:
        """Forget a client; its requests end by themselves, unheard."""
        self._clients.pop(client.key, None)
        client.close()

    def clients(self) -> list[Client]:
        """Return all clients."""
        return list(self._clients.values())

    @property
    def unsent(self) -> int:
        """How many bytes wait for clients to read."""
        return sum(each.unsent for each in self.clients())

    @staticmethod
    def unique_id(client: Client, own_id: str) -> str:
        """Return a request's id among all clients'."""
        return f"{client.key}/{own_id}"

    def open_of(self, client: Client) -> list[str]:
        """Return the ids, as the client has them, of its requests that have not ended."""
        return [each.own_id for each in list(self.requests.values()) if each.client is client]

    def open(
        self, client: Client, frame: protocol.Frame, request: Any, files: tuple[int, ...]
    ) -> Call:
        """Enter a request; return it as the engine gets it.

        Raises
        ------
        BadInput
            The client has one of that id already.
        LocalaiError
            There are too many.
        """
        own_id = frame["id"]
        unique = self.unique_id(client, own_id)
        if unique in self.requests:
            raise BadInput(f"there is a request {own_id!r} already")
        if len(self.requests) >= _MOST_REQUESTS:
            raise LocalaiError(
                f"the queue is full: {_MOST_REQUESTS} requests run or wait already",
                "try again when some of them have ended",
            )
        self.requests[unique] = Request(client, own_id)
        self._tell()
        return Call(unique, f"{client.key}/{frame.get('client', '')}", request, files)

    def begin(self, request_id: str) -> None:
        """Take note that the engine is at work on a request."""
        request = self.requests[request_id]
        if not request.begun:
            request.begun = True
            self._tell(1)

    def put_back(self, request_id: str) -> None:
        """Take note that a request waits again."""
        request = self.requests[request_id]
        if request.begun:
            request.begun = False
            self._tell(-1)

    def awaits_end(self, request_id: str, overdue_at: float) -> None:
        """Take note that a request, which was cancelled in its step, has to end by then."""
        if request := self.requests.get(request_id):
            request.overdue_at = overdue_at

    def overdue_in(self) -> float | None:
        """Return the seconds until a cancellation has taken too long; None: none is awaited."""
        ends = [each.overdue_at for each in list(self.requests.values()) if each.overdue_at]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def end(self, request_id: str) -> None:
        """Forget a request that has ended."""
        request = self.requests.pop(request_id)
        self._tell(-1 if request.begun else 0)

    def remove_files(self) -> None:
        """Remove the result files that no client has taken."""
        for client in self.clients():
            client.close()

    def _tell(self, more: int = 0) -> None:
        with self._counts:
            self._running += more
            self._report(self._running, len(self.requests) - self._running)
