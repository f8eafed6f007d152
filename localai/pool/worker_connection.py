"""A client's connection to a worker: many requests out, their deltas in."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from typing import Any

from localai.engines.base import Delta, Deltas
from localai.errors import from_wire
from localai.formats.serialization import to_plain
from localai.pool import protocol

_READ = 1 << 16  # bytes


class WorkerLost(Exception):
    """The worker has ended: its owner knows how."""


class WorkerRetired(Exception):
    """The worker leaves and did not take the request: another one will."""


class WorkerConnection:
    """One connection.

    Parameters
    ----------
    sock : socket
        Connected to a worker; belongs to the channel from here on.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._decoder = protocol.Decoder()
        self._asked = 0
        self._spools: list[str] = []
        self._gone = False  # the worker has said that it leaves
        self.has_answered = False  # the worker has given us text

    def ask(self, request: Any) -> Iterator[Delta]:
        """Send a request (a dataclass of `engines.base`) now; yield its deltas as they come.

        The last one is `finish`. Leaving the iterator early cancels the request.

        Raises
        ------
        LocalaiError
            The error that the worker answers with.
        Gone, Lost
            The worker is no more.
        """
        return self._answer(self.send(request))

    def _answer(self, mine: str) -> Iterator[Delta]:
        finished = False
        try:
            while not finished:
                for name, delta in self.receive():
                    if name not in (mine, ""):
                        continue  # the rest of an answer that was left early
                    if delta.kind == "error":
                        finished = True
                        raise from_wire(delta.error or {})
                    finished = delta.kind == "finish"
                    yield delta
        finally:
            if not finished:
                self.cancel(mine)

    def send(self, request: Any) -> str:
        """Send a request and return its name."""
        self._asked += 1
        name = str(self._asked)
        # It is sent before the model is worker: it is there when the worker looks.
        packed = to_plain(request)
        frame = protocol.encode("generate", name, request=packed)
        if len(frame) > protocol.INLINE:
            from localai.pool.spool import spool, spooled

            self._spools.append(spooled())
            spool(self._spools[-1], json.dumps(packed, ensure_ascii=False))
            frame = protocol.encode("generate", name, spool=self._spools[-1])
        self._send(frame)
        return name

    def cancel(self, name: str) -> None:
        """End a request within one step."""
        self._send(protocol.encode("cancel", name))

    def receive(self) -> Deltas:
        """Wait for some deltas, each with the name of its request.

        Raises
        ------
        Gone, Lost
            The worker is no more.
        """
        found = []
        for message in () if self._gone else self._messages():
            if message["type"] == "gone":  # what came with it is the end of an answer
                self._gone = True
                break
            delta = protocol.delta(message)
            self.has_answered = self.has_answered or delta.kind in ("text", "thinking")
            found.append((message["id"], delta))
        if self._gone and not found:
            raise WorkerRetired
        return found

    @property
    def ended(self) -> bool:
        """Whether the worker has ended while nothing was asked of it."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait(self) -> None:
        """Wait until the model is worker.

        Raises
        ------
        Gone, Lost
            It will not be.
        """
        self._send(protocol.encode("load"))
        while True:
            for message in self._messages():
                if message["type"] == "gone":
                    raise WorkerRetired
                if message["type"] == "ready":
                    return

    def close(self) -> None:
        """Leave: the worker sees it and cancels what it does for us, also when we are killed."""
        for name in self._spools:
            with contextlib.suppress(OSError):
                os.unlink(name)
        self._socket.close()

    def _send(self, frame: bytes) -> None:
        with contextlib.suppress(OSError):  # that the worker has ended is seen by `receive`
            self._socket.sendall(frame)

    def _messages(self) -> list[protocol.Frame]:
        try:
            data = self._socket.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            raise WorkerLost
        return self._decoder.feed(data)
