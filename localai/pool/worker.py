"""One process a loaded model: the only one that imports an engine.

`python -m localai.pool.worker SPEC CONTROL` is given a connected socket, on which its owner (the
daemon, or a command) sends it clients' sockets, and it says how many requests it has. When the
owner leaves or says so, it ends the requests that it has and leaves.

The main thread reads sockets, another sends while the next step is evaluated, and the engine has
threads of its own. A client that reads slowly never holds up the engine: what the socket does not
take waits in memory.
"""

from __future__ import annotations

import faulthandler
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from localai.engines import registry
from localai.engines.base import Call, Engine, close_files
from localai.errors import BadInput, LocalaiError, ModelStopped
from localai.formats.serialization import from_plain
from localai.pool import protocol
from localai.pool.event_batcher import EventBatcher
from localai.pool.framed_socket import FdReceiver
from localai.pool.request_table import Client, RequestTable
from localai.system.spawn import use_batch_scheduling
from localai.types import LAST, Events, FileReady, Finished, ModelSpec, Progress

_STACK = 16 << 20  # bytes a thread: compiling a grammar recurses, and not all systems give 8 MB
_LOOK = 0.02  # seconds between two looks at whether the last request has ended
_CANCEL_SECONDS = 1.0  # that a step may go on which nobody wants; then the process ends
_LAST_SENDS = 1.0  # seconds for what is still to be sent before the process ends
_LISTENS = 1 << 22  # bytes that an owner may leave unread
_NOT_BEGUN = ("queued", "loading")


class Worker:
    """Serves one model to the clients whose sockets it is given.

    Parameters
    ----------
    control : socket
        To the owner; its end means that the owner has left.
    kind : str
        Of the engine: says how requests are read.
    """

    def __init__(self, control: socket.socket, kind: str) -> None:
        self._kind = kind
        self._selector = selectors.DefaultSelector()
        self._control = FdReceiver(control, self._selector)
        self._engine: Engine | None = None
        self._early: list[tuple[str, Call]] = []  # requests that came before the model, with what
        self._leaving = False
        self._lock = threading.Lock()  # of engine, early requests and table
        self._table = RequestTable(self._report)
        self._batcher = EventBatcher()

    def connect(self, sock: socket.socket) -> None:
        """Serve a client on a connected socket."""
        self._table.add_client(sock, self._selector)

    def load(self, spec: ModelSpec) -> None:
        """Load the model in a thread and tell the owner; requests may come meanwhile."""
        threading.Thread(target=self._load, args=(spec,), name="load", daemon=True).start()
        threading.Thread(target=self._send_all, name="send", daemon=True).start()

    def _load(self, spec: ModelSpec) -> None:
        try:
            engine = registry.load(spec, self._batcher.put)
        except LocalaiError as error:
            self._control.send(protocol.encode("failed", **error.to_wire()))
            os._exit(0)
        with self._lock:
            self._engine = engine
            for method, call in self._early:
                getattr(engine, method)(call)
            self._early.clear()
            for client, name in self._table.await_load:
                client.send(protocol.encode("ready", name))
        self._control.send(protocol.encode("ready", device=engine.device, memory=engine.memory))

    def serve(self) -> None:
        """Serve until the owner has left and all requests have ended."""
        use_batch_scheduling()
        while not (self._leaving and self._idle()):
            patience = _LOOK if self._leaving else self._table.overdue_in()
            for selected, events in self._selector.select(patience):
                connection = selected.data
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ:
                    if connection is self._control:
                        self._handle_control()
                    else:
                        self._read(connection)
            if self._table.overdue_in() == 0:
                self._retire()

    def _idle(self) -> bool:
        with self._lock:
            return not self._table.requests and not self._table.unsent

    def close(self) -> None:
        """Tell the clients, cancel what runs and free the model."""
        for client in self._table.clients():
            client.send(protocol.encode("retired"))
        if self._engine:
            self._engine.close()

    def _handle_control(self) -> None:
        """Do what the owner says."""
        frames = self._control.read()
        if frames is None:
            self._selector.unregister(self._control.socket)
            self._leaving = True
        for frame in frames or ():
            match frame["type"]:
                case "connect":
                    self.connect(socket.socket(fileno=self._control.received.popleft()))
                case "leave":
                    self._leaving = True
                    if frame["at_once"]:
                        self._end_all()

    def _end_all(self) -> None:
        stopped = ModelStopped("the model was stopped in the middle of the answer", "try again")
        for client in self._table.clients():
            for own_id in self._table.open_of(client):
                client.send(protocol.failed(own_id, stopped))
            self._drop_client(client)

    def _read(self, client: Client) -> None:
        try:
            frames = client.read()
        except protocol.ProtocolError as error:
            client.send(protocol.failed("", error))
            frames = None
        if frames is None:
            self._drop_client(client)
            return
        for frame in frames:
            try:
                self._handle(client, frame)
            except LocalaiError as error:
                client.send(protocol.failed(frame["id"], error))

    def _handle(self, client: Client, frame: protocol.Frame) -> None:
        match frame["type"]:
            case "cancel":
                self._cancel(self._table.unique_id(client, frame["id"]))
            case "generate" | "count_tokens":
                files = client.take_files(frame.get("files", 0))
                if self._leaving:
                    close_files(files)
                    client.send(protocol.encode("retired", frame["id"]))
                    return
                try:
                    call = self._table.open(client, frame, self._decoded(frame), files)
                except BaseException:
                    close_files(files)
                    raise
                self._submit("submit" if frame["type"] == "generate" else "count_tokens", call)
            case "load":
                with self._lock:
                    if self._engine is None:
                        self._table.await_load.append((client, frame["id"]))
                        return
                client.send(protocol.encode("ready", frame["id"]))
            case other:
                raise BadInput(f"a worker knows no message of type {other[:40]!r}")

    def _decoded(self, frame: protocol.Frame) -> Any:
        return registry.decode_request(self._kind, frame.get("request"))

    def _submit(self, method: str, call: Call) -> None:
        with self._lock:
            if self._engine is None:
                self._early.append((method, call))
                return
        getattr(self._engine, method)(call)

    def _cancel(self, request_id: str) -> None:
        with self._lock:
            engine = self._engine
            if engine is None:
                early = [each for each in self._early if each[1].id == request_id]
                self._early = [each for each in self._early if each not in early]
        if engine is None:
            for _, call in early:
                close_files(call.files)
                self._batcher.put([(request_id, Finished("cancelled"))])
            return
        if engine.cancel(request_id):
            self._table.awaits_end(request_id, time.monotonic() + _CANCEL_SECONDS)

    def _drop_client(self, client: Client) -> None:
        for own_id in self._table.open_of(client):
            self._cancel(self._table.unique_id(client, own_id))
        self._table.remove_client(client)

    def _retire(self) -> None:
        """End this process, since a step that nobody wants does not end; hand back what waits."""
        self._control.send(protocol.encode("retiring"))
        ended = LocalaiError("the engine had to be started anew in the middle of it", "try again")
        for request in list(self._table.requests.values()):
            if not request.begun:
                request.client.send(protocol.encode("retired", request.own_id))
            elif request.overdue_at is None:
                request.client.send(protocol.failed(request.own_id, ended))
        end = time.monotonic() + _LAST_SENDS
        while self._table.unsent and time.monotonic() < end:
            for client in self._table.clients():
                client.flush()
            time.sleep(_LOOK)
        self._table.remove_files()
        os._exit(0)

    def _report(self, running: int, waiting: int) -> None:
        """Tell the owner how many requests there are; one that does not listen is not told."""
        if self._control.unsent < _LISTENS:
            self._control.send(protocol.encode("requests", running=running, waiting=waiting))

    def _send_all(self) -> None:
        """Send events while the engine evaluates the next step."""
        use_batch_scheduling()
        while True:
            self._send(self._batcher.take())

    def _send(self, events: Events) -> None:
        """Send events, one write a connection."""
        frames: dict[Client, bytearray] = {}
        ended = []
        for request_id, event in events:
            if (request := self._table.requests.get(request_id)) is None:
                continue  # its client has left
            frame = protocol.encode_event(request.own_id, event)
            frames.setdefault(request.client, bytearray()).extend(frame)
            if isinstance(event, FileReady):
                request.client.offer(event.path)
            if isinstance(event, LAST):
                ended.append(request_id)
            elif not (isinstance(event, Progress) and event.phase in _NOT_BEGUN):
                self._table.begin(request_id)
            elif event.phase == "queued":
                self._table.put_back(request_id)
        with self._lock:  # which also keeps the process from leaving between the two
            for request_id in ended:  # first: who hears of it may use its id again
                self._table.end(request_id)
            for client, data in frames.items():
                if not client.closed:
                    client.send(bytes(data))


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
    faulthandler.enable()  # a crash in a native library tells which of our lines led to it
    threading.excepthook = _end_with_last_words
    threading.stack_size(_STACK)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's; it cancels its request
    model = from_plain(ModelSpec, json.loads(spec))
    worker = Worker(socket.socket(fileno=int(control)), model.kind)
    worker.load(model)
    worker.serve()
    worker.close()
    os._exit(0)  # what is left is the system's to free, and it is quicker


if __name__ == "__main__":
    main(*sys.argv[1:])
