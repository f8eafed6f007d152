"""One process a loaded model: the only one that imports an engine.

`python -m localai.pool.worker SPEC CONTROL` is given a connected socket, on which its owner (the
warm host, or a command of its own) sends it clients' sockets, and it says where it stands. When
the owner leaves or says so, it ends the requests that it has and leaves.

The main thread reads sockets, another sends, and the engine has threads of its own: deltas
are packed and sent while the next step is evaluated. A client that reads slowly never holds
up the engine: what the socket does not take waits in memory, which the context's length bounds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import selectors
import signal
import socket
import sys
import threading
import traceback
from typing import Any

from localai.engines import registry
from localai.engines.base import Delta, Deltas, Engine, ModelSpec
from localai.errors import BadInput, LocalaiError
from localai.formats.serialization import from_plain
from localai.pool import protocol
from localai.pool.event_batcher import EventBatcher
from localai.pool.framed_socket import FdReceiver, FramedSocket
from localai.pool.spool import take_spooled
from localai.system.memory import use_batch_scheduling

_STACK = 16 << 20  # bytes a thread: compiling a grammar recurses, and not all systems give 8 MB
_MOST_REQUESTS = 1024  # that run or wait at one time
_LOOK = 0.02  # seconds between two looks at whether the last request has ended


class Client(FramedSocket):
    """A client's connection and the requests that run for it."""

    def __init__(self, sock: socket.socket, key: int, selector: selectors.BaseSelector) -> None:
        super().__init__(sock, selector)
        self.key = key
        self.requests: set[str] = set()
        self.awaits_load: list[str] = []  # ids of its messages that want to hear of the model


class Worker:
    """Serves one model to the clients whose sockets it is given.

    Parameters
    ----------
    control : socket
        To the owner; its end means that the owner has left.
    """

    def __init__(self, control: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._control = FdReceiver(control, self._selector)
        self._clients: dict[int, Client] = {}
        self._keys = itertools.count()
        self._engine: Engine | None = None
        self._early: dict[str, dict[str, Any]] = {}  # requests that came before the model
        self._digests: dict[str, str] = {}  # requests that have not ended
        self._refused: frozenset[str] = frozenset()  # digests of requests that end processes
        self._leaving = False
        self._lock = threading.Lock()  # of engine, early requests and digests
        self._outgoing = EventBatcher()

    def connect(self, sock: socket.socket) -> None:
        """Serve a client on a connected socket."""
        key = next(self._keys)
        self._clients[key] = Client(sock, key, self._selector)

    def load(self, spec: ModelSpec) -> None:
        """Load the model in a thread and tell the owner; requests may come meanwhile."""
        threading.Thread(target=self._load, args=(spec,), name="load", daemon=True).start()
        threading.Thread(target=self._send_all, name="send", daemon=True).start()

    def _load(self, spec: ModelSpec) -> None:
        try:
            engine = registry.load(spec, self._take)
        except LocalaiError as error:
            self._control.send(protocol.encode("failed", **error.to_wire()))
            os._exit(0)
        with self._lock:
            self._engine = engine
            for request_id, request in self._early.items():
                engine.submit(request_id, request)
            for client in list(self._clients.values()):
                for name in client.awaits_load:
                    client.send(protocol.encode("ready", name))
        self._control.send(protocol.encode("ready", device=engine.device))

    def serve(self) -> None:
        """Serve until the owner has left and all requests have ended."""
        use_batch_scheduling()
        while not (self._leaving and self._idle()):
            for selected, events in self._selector.select(_LOOK if self._leaving else None):
                connection = selected.data
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ:
                    if connection is self._control:
                        self._handle_control()
                    else:
                        self._read(connection)

    def _idle(self) -> bool:
        with self._lock:
            return not self._digests and not any(each.unsent for each in self._clients.values())

    def close(self) -> None:
        """Tell the clients, cancel what runs and free the model."""
        for client in list(self._clients.values()):
            client.send(protocol.encode("gone"))
        if self._engine:
            self._engine.close()

    def _handle_control(self) -> None:
        """Do what the owner says."""
        messages = self._control.read()
        if messages is None:
            self._selector.unregister(self._control.socket)
            self._leaving = True
        for message in messages or ():
            match message["type"]:
                case "connect":
                    self.connect(self._control.taken.popleft())
                case "refuse":
                    self._refused = frozenset(message["digests"])
                case "leave":
                    self._leaving = True
                    if message["at_once"]:
                        self._end_all()

    def _end_all(self) -> None:
        stopped = LocalaiError("the model was stopped in the middle of the answer", "try again")
        for client in list(self._clients.values()):
            for request_id in list(client.requests):
                own_id = request_id.partition("/")[2]
                client.send(protocol.encode("error", own_id, **stopped.to_wire()))
            self._drop_client(client)

    def _read(self, client: Client) -> None:
        try:
            messages = client.read()
        except protocol.ProtocolError as error:
            client.send(protocol.encode("error", **error.to_wire()))
            messages = None
        if messages is None:
            self._drop_client(client)
            return
        for message in messages:
            try:
                self._handle(client, message)
            except LocalaiError as error:
                client.send(protocol.encode("error", message["id"], **error.to_wire()))

    def _handle(self, client: Client, message: protocol.Frame) -> None:
        # Ids are the client's own: the key of its connection makes them unique among all clients.
        request_id = f"{client.key}/{message['id']}"
        match message["type"]:
            case "cancel":
                self._cancel(request_id)
            case "generate" if self._leaving:
                client.send(protocol.encode("gone", message["id"]))
            case "generate":
                if request_id in client.requests:
                    raise BadInput(f"there is a request {message['id']!r} already")
                spooled = "spool" in message
                request = take_spooled(message["spool"]) if spooled else message.get("request")
                self._submit(client, request_id, request if isinstance(request, dict) else {})
            case "load":
                with self._lock:
                    if self._engine is None:
                        client.awaits_load.append(message["id"])
                        return
                client.send(protocol.encode("ready", message["id"]))
            case other:
                raise BadInput(f"a worker knows no message of type {other!r}")

    def _submit(self, client: Client, request_id: str, request: dict[str, Any]) -> None:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:32]
        if digest in self._refused:
            raise LocalaiError(
                "this request has ended the engine's process several times: it is not tried again",
                "change it, or forget that with: localai stop --all",
            )
        with self._lock:
            if len(self._digests) >= _MOST_REQUESTS:
                raise LocalaiError(
                    f"the queue is full: {_MOST_REQUESTS} requests run or wait already",
                    "try again when some of them have ended",
                )
            client.requests.add(request_id)
            self._digests[request_id] = digest
            self._report(request_id, "waits")
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

    def _drop_client(self, client: Client) -> None:
        for request_id in list(client.requests):
            self._cancel(request_id)
        self._clients.pop(client.key, None)
        client.close()

    def _report(self, request_id: str, stage: str) -> None:
        """Tell the owner where a request stands; one that reads no books is not told."""
        if self._control.unsent < protocol.MOST and (digest := self._digests.get(request_id)):
            self._control.send(protocol.encode("stage", request_id, stage=stage, digest=digest))

    def _take(self, deltas: Deltas) -> None:
        """Take deltas from the engine's threads.

        A stage is told at once: if what the request does now ends the process, the owner knows
        which one it was.
        """
        to_send = []
        for request_id, delta in deltas:
            if delta.kind == "stage":
                self._report(request_id, delta.stage)
            else:
                to_send.append((request_id, delta))
        if to_send:
            self._outgoing.put(to_send)

    def _send_all(self) -> None:
        """Send deltas while the engine evaluates the next step."""
        use_batch_scheduling()
        while True:
            self._send(self._outgoing.take())

    def _send(self, deltas: Deltas) -> None:
        """Send deltas, one write a connection."""
        frames: dict[int, bytearray] = {}
        ended = []
        for request_id, delta in deltas:
            key, _, own_id = request_id.partition("/")
            frames.setdefault(int(key), bytearray()).extend(protocol.encode_delta(own_id, delta))
            if delta.kind in ("finish", "error"):
                ended.append(request_id)
                if client := self._clients.get(int(key)):
                    client.requests.discard(request_id)
        for owner_key, data in frames.items():
            if client := self._clients.get(owner_key):
                client.send(bytes(data))
        with self._lock:
            for request_id in ended:
                self._report(request_id, "ended")
                self._digests.pop(request_id, None)


def _end_with_last_words(details: Any) -> None:
    """Say that a thread of ours has failed, and end, so that no request waits for ever."""
    traceback.print_exception(details.exc_type, details.exc_value, details.exc_traceback)
    sys.stderr.flush()
    os._exit(1)


def main(spec: str, control: str) -> None:
    """Load a model and serve it.

    Parameters
    ----------
    spec : str
        The `ModelSpec` as JSON.
    control : str
        File descriptor of the socket to the owner.
    """
    threading.excepthook = _end_with_last_words
    threading.stack_size(_STACK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's; it cancels its request
    worker = Worker(socket.socket(fileno=int(control)))
    worker.load(from_plain(ModelSpec, json.loads(spec)))
    worker.serve()
    worker.close()
    os._exit(0)  # what is left is the system's to free, and it is quicker


if __name__ == "__main__":
    main(*sys.argv[1:])
