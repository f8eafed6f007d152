"""One process a loaded model: the only one that imports an engine.

`python -m localai.warm.worker SPEC CONTROL CONNECTION` is given two connected sockets: `control`,
on which it says that the model is ready (or why not) and whose end means that its owner has left,
and a socket on which requests arrive. It serves until the owner leaves.

The main thread reads sockets, another sends, and the engine has threads of its own: a step's
deltas are packed and sent while the next step is evaluated. A client that reads slowly never holds
up the engine: what the socket does not take waits in memory, which the context's length bounds.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import selectors
import signal
import socket
import stat
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from localai.engines import registry
from localai.engines.base import Delta, Engine, ModelSpec
from localai.errors import BadInput, LocalaiError
from localai.records import unpack
from localai.settings import load as load_settings
from localai.warm import wire
from localai.warm.connection import Connection

_STACK = 16 << 20  # bytes a thread: compiling a grammar recurses, and not all systems give 8 MB
_MOST_SPOOLED = 1 << 28  # bytes of a request in a file


class Worker:
    """Serves one model to the connections that it is given.

    Parameters
    ----------
    control : socket
        Its end means that the owner has left.
    """

    def __init__(self, control: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._control = control
        self._connections: dict[int, Connection] = {}
        self._keys = itertools.count()
        self._engine: Engine | None = None
        self._early: dict[str, dict[str, Any]] = {}  # requests that came before the model
        self._lock = threading.Lock()  # of the two above
        self._outgoing: queue.SimpleQueue[list[tuple[str, Delta]]] = queue.SimpleQueue()
        self._selector.register(control, selectors.EVENT_READ, None)

    def connect(self, sock: socket.socket) -> None:
        """Serve a client on a connected socket."""
        key = next(self._keys)
        self._connections[key] = Connection(sock, key, self._selector)

    def load(self, spec: ModelSpec) -> None:
        """Load the model in a thread and tell the owner; requests may come meanwhile."""
        threading.Thread(target=self._load, args=(spec,), name="load", daemon=True).start()
        threading.Thread(target=self._send_all, name="send", daemon=True).start()

    def _load(self, spec: ModelSpec) -> None:
        try:
            engine = registry.load(spec, self._outgoing.put)
        except LocalaiError as error:
            self._control.sendall(wire.encode("failed", **error.to_wire()))
            os._exit(0)
        with self._lock:
            self._engine = engine
            for request_id, request in self._early.items():
                engine.submit(request_id, request)
        self._control.sendall(wire.encode("ready"))

    def serve(self) -> None:
        """Serve until the owner leaves."""
        while True:
            for selected, events in self._selector.select():
                connection = selected.data
                if connection is None:
                    return
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ:
                    self._read(connection)

    def close(self) -> None:
        """Cancel what runs and free the model."""
        if self._engine:
            self._engine.close()

    def _read(self, connection: Connection) -> None:
        try:
            messages = connection.read()
        except wire.WireError as error:
            connection.send(wire.encode("error", **error.to_wire()))
            messages = None
        if messages is None:
            self._forget(connection)
            return
        for message in messages:
            try:
                self._handle(connection, message)
            except LocalaiError as error:
                connection.send(wire.encode("error", message["id"], **error.to_wire()))

    def _handle(self, connection: Connection, message: wire.Message) -> None:
        # Ids are the client's own: the key of its connection makes them unique among all clients.
        request_id = f"{connection.key}/{message['id']}"
        if message["type"] == "cancel":
            self._cancel(request_id)
        elif message["type"] == "generate":
            if request_id in connection.requests:
                raise BadInput(f"there is a request {message['id']!r} already")
            request = _spooled(message["spool"]) if "spool" in message else message.get("request")
            connection.requests.add(request_id)
            self._submit(request_id, request if isinstance(request, dict) else {})
        else:
            raise BadInput(f"a worker knows no message of type {message['type']!r}")

    def _submit(self, request_id: str, request: dict[str, Any]) -> None:
        with self._lock:
            if self._engine is None:
                self._early[request_id] = request
                return
        self._engine.submit(request_id, request)

    def _cancel(self, request_id: str) -> None:
        with self._lock:
            if self._engine is None:
                if self._early.pop(request_id, None) is not None:
                    self._outgoing.put([(request_id, Delta("finish", reason="cancelled"))])
                return
        self._engine.cancel(request_id)

    def _forget(self, connection: Connection) -> None:
        for request_id in list(connection.requests):
            self._cancel(request_id)
        self._connections.pop(connection.key, None)
        connection.close()

    def _send_all(self) -> None:
        """Send each step's deltas while the engine evaluates the next one."""
        while True:
            self._send(self._outgoing.get())

    def _send(self, deltas: list[tuple[str, Delta]]) -> None:
        """Send a step's deltas, one write a connection."""
        frames: dict[int, bytearray] = {}
        for request_id, delta in deltas:
            key, _, own_id = request_id.partition("/")
            frames.setdefault(int(key), bytearray()).extend(wire.encode_delta(own_id, delta))
            if delta.kind in ("finish", "error") and (owner := self._connections.get(int(key))):
                owner.requests.discard(request_id)
        for owner_key, data in frames.items():
            if connection := self._connections.get(owner_key):
                connection.send(bytes(data))


def _spooled(name: Any) -> Any:
    """Read a request from its file, a regular one in our own spool folder, and remove the file."""
    spool = load_settings().folders.cache / "spool"
    path = Path(str(name))
    try:
        if path.parent.resolve() != spool.resolve() or path.is_symlink():
            raise BadInput("a request may be read from the spool folder only")
        # Without waiting: a pipe with no writer is no file of ours either.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_SPOOLED:
                raise BadInput("a request's file is no file, or too large")
            request = json.load(file)
        path.unlink(missing_ok=True)
        return request
    except (OSError, ValueError, RuntimeError) as error:  # a link to itself, deep nesting
        raise BadInput(f"the request's file cannot be read: {error}") from None


def _end_with_last_words(details: Any) -> None:
    """Say that a thread of ours has failed, and end, so that no request waits for ever."""
    traceback.print_exception(details.exc_type, details.exc_value, details.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


def main(spec: str, control: str, connection: str) -> None:
    """Load a model and serve it.

    Parameters
    ----------
    spec : str
        The `ModelSpec` as JSON.
    control, connection : str
        File descriptors of the two sockets.
    """
    threading.excepthook = _end_with_last_words
    threading.stack_size(_STACK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's; it cancels its request
    worker = Worker(socket.socket(fileno=int(control)))
    worker.connect(socket.socket(fileno=int(connection)))
    worker.load(unpack(ModelSpec, json.loads(spec)))
    worker.serve()
    worker.close()
    os._exit(0)  # what is left is the system's to free, and it is quicker


if __name__ == "__main__":
    main(*sys.argv[1:])
