"""The way to the warm host: found where it is, or started."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

from localai.errors import NoDaemon, from_wire
from localai.pool import daemon_socket, protocol
from localai.settings import worker_environment
from localai.system.spawn import default_scheduling, inheritable_fds

PATIENCE = 10.0  # seconds for a host to come up, or to show that it lives
_PAUSE = 0.002  # seconds between two looks at a lock that another process holds


class DaemonConnection:
    """A connection to the warm host.

    Parameters
    ----------
    sock : socket
        Connected to it; belongs to this object from here on.
    starter : int or None
        The process that we have started to be the host's parent: it ends before the host answers.
    """

    def __init__(self, sock: socket.socket, starter: int | None = None) -> None:
        self._socket = sock
        self._starter = starter
        self._decoder = protocol.Decoder()
        self._heard: list[protocol.Frame] = []
        self._probes = 0  # how often its status was asked for and has not come

    def ask(self, frame: bytes) -> tuple[protocol.Frame | None, list[int]]:
        """Send a frame; return the answer, None where the host has left, and its descriptors.

        An answer may take its time: others may have to leave before a model has room. A host that
        has said nothing for long is asked for its status, which takes none.

        Raises
        ------
        NoHost
            It does not answer that either.
        """
        descriptors: list[int] = []
        self._send(frame)
        while True:
            try:
                return self._receive(PATIENCE, descriptors), descriptors
            except TimeoutError:
                if self._probes:
                    self.close()
                    raise silent() from None
                self._probes += 1
                self._send(protocol.encode("status"))

    def hear(self, seconds: float) -> protocol.Frame | None:
        """Return the next message; None: the host has left, or says nothing for so long."""
        try:
            return self._receive(seconds, [])
        except TimeoutError:
            return None

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # that the host has left is seen by `_receive`
            self._socket.sendall(frame)

    def _receive(self, seconds: float, descriptors: list[int]) -> protocol.Frame | None:
        """Return the next message, but the answers to our probes; None: the host has left."""
        while True:
            while self._heard:
                message = self._heard.pop(0)
                if not (self._probes and message["type"] == "status"):
                    return message
                self._probes -= 1
            # Not `select.select`: it takes no descriptor beyond 1023.
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            if not poll.poll(seconds * 1000):
                raise TimeoutError
            try:
                data, more, _, _ = socket.recv_fds(self._socket, 1 << 16, 4)
            except ConnectionError:
                data, more = b"", []
            descriptors += more
            self._reap()
            if not data:
                return None
            try:
                self._heard += self._decoder.feed(data)
            except protocol.ProtocolError:  # a host that speaks another version: it gives way
                return None

    def close(self) -> None:
        """Leave."""
        self._socket.close()
        self._reap(os.WNOHANG)

    def _reap(self, options: int = 0) -> None:
        """Take note that the starter has ended: a chat would keep it as a zombie."""
        if self._starter is not None:
            with contextlib.suppress(ChildProcessError):  # where nobody waits for children
                os.waitpid(self._starter, options)
            self._starter = None


def connect_or_start(until: float) -> DaemonConnection:
    """Return a connection to the host; it is started if there is none.

    Parameters
    ----------
    until : float
        When to give up, on the monotonic clock.

    Raises
    ------
    NoHost
        Nobody answers, or the place of the socket is not ours.
    """
    folder = daemon_socket.folder()
    address = folder / "host.sock"
    starter = None
    while True:
        if sock := daemon_socket.connect(address):
            return DaemonConnection(sock, starter)
        if (descriptor := daemon_socket.lock(folder)) is not None:
            try:
                starter = _start_daemon(address, descriptor)
            finally:
                os.close(descriptor)
        else:
            pause(until)  # somebody is starting it, or it is just leaving


def _start_daemon(address: Path, lock: int) -> int:
    """Start a process that starts the host, and return its id."""
    with daemon_socket.listen(address) as listener:
        os.set_inheritable(lock, True)
        listener.set_inheritable(True)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "localai.pool.daemon", str(listener.fileno()), str(lock)],
            worker_environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                *(
                    (os.POSIX_SPAWN_CLOSE, number)
                    for number in inheritable_fds(listener.fileno(), lock)
                ),
            ],
            setsid=True,
            **default_scheduling(),
        )


def pause(until: float) -> None:
    """Wait a moment for another host.

    Raises
    ------
    NoHost
        It is later than `until`, on the monotonic clock.
    """
    if time.monotonic() > until:
        raise silent()
    time.sleep(_PAUSE)


def silent() -> NoDaemon:
    """Return the error for a host that does not answer."""
    return NoDaemon("the warm host does not answer", "end it with: localai stop --all")


def status() -> dict[str, Any]:
    """Return what the host tells of itself, `host` (None: there is none), and of its `models`."""
    answer = _asked(protocol.encode("status")) or {"host": None, "models": []}
    return {part: answer[part] for part in ("host", "models")}


def stop(names: tuple[str, ...] | None) -> list[str]:
    """Stop the models of these names or files, or all and the host; return their names."""
    try:
        answer = _asked(protocol.encode("stop", names=names))
    except NoDaemon:
        if names is None and daemon_socket.kill_daemon(daemon_socket.folder()):
            return ["the warm host, which did not answer"]
        raise
    return list(answer["models"]) if answer else []


def _asked(frame: bytes) -> protocol.Frame | None:
    """Return the running host's answer; None: no host of ours runs."""
    try:
        folder = daemon_socket.folder()
    except NoDaemon:  # there is no place for one
        return None
    sock = daemon_socket.connect(folder / "host.sock")
    if sock is None:
        return None
    host = DaemonConnection(sock)
    try:
        answer, _ = host.ask(frame)
    finally:
        host.close()
    if answer and answer["type"] == "error":
        raise from_wire(answer)
    return answer
