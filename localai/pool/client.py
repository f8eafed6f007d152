"""Gives a command its engine: a worker of the warm host, or one of its own.

Imports the standard library and our own light modules only: the time from the shell's prompt to
the first token is made here.
"""

from __future__ import annotations

import contextlib
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from localai.engines.base import Delta, Deltas, ModelSpec
from localai.errors import LocalaiError, NoDaemon, WorkerDied, from_wire
from localai.formats.serialization import from_plain, to_plain
from localai.pool import daemon_socket, protocol
from localai.pool.daemon_client import PATIENCE, DaemonConnection, connect_or_start, pause
from localai.pool.worker_connection import WorkerConnection, WorkerLost, WorkerRetired
from localai.settings import engine_environment
from localai.settings import load as load_settings

if TYPE_CHECKING:
    from localai.pool.worker_process import WorkerProcess


class EngineClient(ABC):
    """A worker as a command sees it.

    Parameters
    ----------
    spec : ModelSpec
        What it loads.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._open: WorkerConnection | None = None

    def __enter__(self) -> EngineClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def channel(self) -> WorkerConnection:
        """The connection to the worker."""
        if self._open is None:
            self._open = WorkerConnection(self._reach())
        return self._open

    def ask(self, request: Any) -> Iterator[Delta]:
        """Send a request (a dataclass of `engines.base`) now; yield its deltas as they come.

        The last one is `finish`. Leaving the iterator early cancels the request.

        Raises
        ------
        LocalaiError
            The error that the worker answers with, or how it has ended.
        """
        return self._answer(request, self.channel.ask(request))

    def _answer(self, request: Any, deltas: Iterator[Delta]) -> Iterator[Delta]:
        while True:
            try:
                yield from deltas
                return
            except WorkerRetired:
                self._leave_channel()
                deltas = self.channel.ask(request)
            except WorkerLost:
                raise self.lost() from None

    def wait(self) -> None:
        """Wait until the model is worker.

        Raises
        ------
        LocalaiError
            Why it is not.
        """
        while True:
            try:
                return self.channel.wait()
            except WorkerRetired:
                self._leave_channel()
            except WorkerLost:
                raise self.lost() from None

    def receive(self) -> Deltas:
        """Wait for deltas of all that was sent on the channel, each with its request's name.

        Raises
        ------
        LocalaiError
            How the worker has ended.
        """
        try:
            return self.channel.receive()
        except WorkerRetired:
            self._leave_channel()
            raise LocalaiError("the model was stopped meanwhile", "try again") from None
        except WorkerLost:
            raise self.lost() from None

    def lost(self) -> LocalaiError:
        """Return how the worker has ended; the next request asks for another one."""
        assert self._open is not None
        error = self._ended(self._open.has_answered)
        self._leave_channel()
        return error

    def close(self) -> None:
        """Leave: what runs for us is cancelled, also when we are killed."""
        self._leave_channel()

    def _leave_channel(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    @abstractmethod
    def persistent(self) -> bool:
        """Whether the worker outlives the command."""

    @abstractmethod
    def _reach(self) -> socket.socket:
        """Return a socket to a worker, which may still be loading."""

    @abstractmethod
    def _ended(self, has_answered: bool) -> LocalaiError:
        """Return how the worker that has just ended did so."""


class DedicatedClient(EngineClient):
    """A worker that lives as long as the command."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._process: WorkerProcess | None = None
        self._open = WorkerConnection(self._reach())

    @property
    def persistent(self) -> bool:
        """False: it ends with the command."""
        return False

    def close(self) -> None:
        """Leave; the worker ends by itself."""
        super().close()
        if self._process is not None:
            self._process.close()
            self._process = None

    def _reach(self) -> socket.socket:
        from localai.pool.worker_process import WorkerProcess  # the warm host has its own

        if self._process is None:
            self._process = WorkerProcess(self._spec)
        ours, theirs = socket.socketpair()
        # That the worker has ended already is seen where its answer is read. (Left alone, click
        # would take the error for a closed stdout and end the command without a word.)
        with theirs, contextlib.suppress(OSError):
            frame = protocol.encode("connect")
            socket.send_fds(self._process.control, [frame], [theirs.fileno()])
        return ours

    def _ended(self, has_answered: bool) -> LocalaiError:
        process, self._process = self._process, None
        assert process is not None
        ready = False
        try:
            decoder = protocol.Decoder()
            while data := process.control.recv(1 << 16):
                for message in decoder.feed(data):
                    if message["type"] == "failed":
                        return from_wire(message)
                    ready |= message["type"] == "ready"
        except OSError:
            pass  # it has closed with something of ours unread
        process.ended(wait=True)
        error = process.worker_exit(ready=ready, has_answered=has_answered).error()
        process.close()
        return error


class PooledClient(EngineClient):
    """A worker of the warm host, which is started if there is none.

    Parameters
    ----------
    keep_alive : float
        Seconds that the model stays without work; negative: for ever.

    Raises
    ------
    NoHost
        There is no host, and none can be started.
    LocalaiError
        What the host says about why there is no worker.
    """

    def __init__(self, spec: ModelSpec, keep_alive: float) -> None:
        super().__init__(spec)
        self._keep_alive = keep_alive
        self._host: DaemonConnection | None = None
        self._open = WorkerConnection(self._reach())

    @property
    def channel(self) -> WorkerConnection:
        """The connection to the worker; one that has ended meanwhile is replaced."""
        if self._open is not None and self._open.ended:
            self._leave_channel()
        return super().channel

    @property
    def persistent(self) -> bool:
        """True: it is the host's."""
        return True

    def close(self) -> None:
        """Leave both the worker and the host."""
        super().close()
        if self._host is not None:
            self._host.close()
            self._host = None

    def _reach(self) -> socket.socket:
        if self._host is not None:
            self._host.close()
        serve = protocol.encode(
            "serve",
            build=daemon_socket.build_id(),
            spec=to_plain(self._spec),
            environment=engine_environment(),
            keep_alive=self._keep_alive,
            memory_limit=load_settings().memory_limit,
        )
        until = time.monotonic() + PATIENCE
        while True:
            self._host = connect_or_start(until)
            answer, descriptors = self._host.ask(serve)
            if answer is None or answer["type"] == "replaced":
                self._host.close()  # it leaves: another one will serve us
                pause(until)
                continue
            if answer["type"] == "error":
                raise from_wire(answer)
            return socket.socket(fileno=descriptors[0])

    def _ended(self, has_answered: bool) -> LocalaiError:
        assert self._host is not None
        message = self._host.hear(PATIENCE)
        if message is None:
            return WorkerDied(
                "the warm host and the engine's process have ended in the middle of the answer",
                "try again",
            )
        if message["type"] == "died":
            from localai.pool.worker_process import WorkerExit

            return from_plain(WorkerExit, message["worker_exit"]).error(has_answered)
        return from_wire(message)


def open_engine(
    spec: ModelSpec, *, warm: bool, keep_alive: float, warn: Callable[[str], None]
) -> EngineClient:
    """Return the engine for a command.

    Parameters
    ----------
    warm : bool
        Through the warm host; else a worker that ends with the command.
    warn : callable
        Told when there can be no host: the command goes on without it.
    """
    if not warm:
        return DedicatedClient(spec)
    try:
        return PooledClient(spec, keep_alive)
    except NoDaemon as error:
        why = error.what
    except OSError as error:
        why = error.strerror or str(error)
    warn(f"no warm host ({why}): the model is loaded for this call alone")
    return DedicatedClient(spec)
