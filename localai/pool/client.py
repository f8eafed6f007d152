"""Gives a command its engine: a worker of the daemon, or one of its own."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from localai.errors import LocalaiError, NoDaemon, WorkerDied, from_wire
from localai.formats.serialization import from_plain, to_plain
from localai.pool import daemon_socket, protocol
from localai.pool.daemon_client import PATIENCE, DaemonConnection, connect_or_start, pause
from localai.pool.engine_client import EngineClient
from localai.pool.worker_connection import WorkerConnection
from localai.settings import engine_environment
from localai.settings import load as load_settings
from localai.types import ModelSpec

if TYPE_CHECKING:
    from localai.pool.worker_process import WorkerProcess


class DedicatedClient(EngineClient):
    """A worker that lives as long as the command."""

    def __init__(self, spec: ModelSpec) -> None:
        self._process: WorkerProcess | None = None
        super().__init__(spec)

    @property
    def persistent(self) -> bool:
        """False: it ends with the command."""
        return False

    def close(self) -> None:
        """Leave; the worker ends by itself."""
        super().close()
        self._retired()

    def _reach(self) -> tuple[socket.socket, bool]:
        from localai.pool.worker_process import WorkerProcess  # the daemon has its own

        if self._process is None:
            self._process = WorkerProcess(self._spec)
        ours, theirs = socket.socketpair()
        # That the worker has ended already is seen where its answer is read. (Left alone, click
        # would take the error for a closed stdout and end the command without a word.)
        with theirs, contextlib.suppress(OSError):
            frame = protocol.encode("connect")
            socket.send_fds(self._process.control, [frame], [theirs.fileno()])
        return ours, False

    def _retired(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ended(self, has_answered: bool) -> LocalaiError:
        process, self._process = self._process, None
        assert process is not None
        ready = False
        try:
            decoder = protocol.Decoder()
            while data := process.control.recv(1 << 16):
                for message in decoder.feed(data):
                    if message["type"] == "failed":
                        process.close()
                        return from_wire(message)
                    ready |= message["type"] == "ready"
        except OSError:
            pass  # it has closed with something of ours unread
        process.ended(wait=True)
        error = process.worker_exit(ready=ready, has_answered=has_answered).error()
        process.close()
        return error


class PooledClient(EngineClient):
    """A worker of the daemon, which is started if there is none.

    Parameters
    ----------
    keep_alive : float
        Seconds that the model stays without work; negative: for ever.

    Raises
    ------
    NoDaemon
        There is no daemon, and none can be started.
    LocalaiError
        What the daemon says about why there is no worker.
    """

    def __init__(self, spec: ModelSpec, keep_alive: float) -> None:
        self._keep_alive = keep_alive
        self._daemon: DaemonConnection | None = None
        super().__init__(spec)

    @property
    def persistent(self) -> bool:
        """True: it is the daemon's."""
        return True

    def close(self) -> None:
        """Leave both the worker and the daemon."""
        super().close()
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None

    def _connection(self) -> WorkerConnection:
        """Return the connection to a worker; one that has ended meanwhile is replaced."""
        current = self._current
        if current is not None and not current.busy and current.ended:
            self._leave(current)
        return super()._connection()

    def _retired(self) -> None:
        """Nothing: the daemon knows."""

    def _reach(self) -> tuple[socket.socket, bool]:
        if self._daemon is not None:
            self._daemon.close()
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
            self._daemon = connect_or_start(until)
            asked = time.monotonic()
            answer, descriptors = self._daemon.ask(serve)
            if answer is None or answer["type"] == "replaced":
                self._daemon.close()  # it leaves: another one will serve us
                until += time.monotonic() - asked  # others were served meanwhile
                pause(until)
                continue
            if answer["type"] == "error":
                self._daemon.close()
                raise from_wire(answer)
            return socket.socket(fileno=descriptors[0]), answer["loaded"] is True

    def _ended(self, has_answered: bool) -> LocalaiError:
        assert self._daemon is not None
        message = self._daemon.hear(PATIENCE)
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
        Through the daemon; else a worker that ends with the command.
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
