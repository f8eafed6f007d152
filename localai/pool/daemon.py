"""The warm host: says which worker serves a model, and never loads a model itself.

`python -m localai.pool.daemon LISTENER LOCK` is started by the first command that needs it, with
the socket on which it is reached and the lock that says that it lives (`daemon_socket`). Requests
and answers go between clients and workers alone: the host hands out sockets. So it imports no
engine library, and nothing that a worker does can end it.
"""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from localai.errors import BadInput, LocalaiError
from localai.pool import daemon_socket, protocol
from localai.pool.acquire import AcquireRequest, ClientSession
from localai.pool.daemon_log import Log
from localai.pool.eviction import PooledWorker
from localai.pool.framed_socket import FramedSocket
from localai.pool.pool import WorkerPool
from localai.settings import load as load_settings
from localai.system.memory import resident

_SILENCE = 10.0  # seconds that a client may take for its first message
_LOOK = 0.005  # seconds between two looks at a process that is about to end
_ROUND = 2.0  # seconds between two looks at whether the socket is still where clients come


class Daemon:
    """Serves clients until there has been no work for long enough.

    Parameters
    ----------
    listener : socket
        Where clients come.
    lock : int
        The descriptor whose lock says that this host lives.
    """

    def __init__(self, listener: socket.socket, lock: int, log: Log) -> None:
        self._listener, self._lock, self._log = listener, lock, log
        self._selector = selectors.DefaultSelector()
        self._pool = WorkerPool(self._selector, log)
        self._clients: set[ClientSession] = set()
        # For models that have to wait until others have left.
        self._pending: list[AcquireRequest] = []
        self._touched = time.monotonic()
        self._keep_alive = _SILENCE  # until the first client says for how long
        self._draining = False
        self._signed: list[int] = []
        self._address = Path(listener.getsockname())
        self._inode = daemon_socket.inode(self._address)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)

    def serve(self) -> None:
        """Serve until there is nothing left to do."""
        while self._pool.workers or not self._draining:
            for selected, events in self._selector.select(self._pause()):
                connection = selected.data
                if connection is None:
                    self._accept()
                    continue
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ:
                    self._read(connection)
            self._look_at_the_clock()

    def _read(self, connection: FramedSocket) -> None:
        if isinstance(connection, ClientSession):
            self._listen(connection)
        elif worker := self._pool.workers.get(connection):
            self._pool.hear(worker)
            self._touched = max(self._touched, worker.touched)
            if worker.idle:
                self._serve_pending()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:  # too many files are open
            self._log.write(f"cannot take a client: {error}")
            time.sleep(_LOOK)
            return
        if daemon_socket.is_ours(sock):
            self._clients.add(ClientSession(sock, self._selector))
        else:
            self._log.write("sent a client of another user away")
            sock.close()

    def _listen(self, client: ClientSession) -> None:
        try:
            messages = client.read()
            for message in messages or ():
                client.known = True
                self._answer(client, message)
        except protocol.OtherVersion:
            self._drain("a client of another version")
            messages = None
        except protocol.ProtocolError as error:
            client.send(protocol.encode("error", **error.to_wire()))
            messages = None
        except LocalaiError as error:
            client.send(protocol.encode("error", **error.to_wire()))
            return
        if messages is None:
            self._dismiss(client)

    def _dismiss(self, client: ClientSession) -> None:
        """Forget a client and what it requests."""
        self._clients.discard(client)
        self._pending = [request for request in self._pending if request.client is not client]
        client.close()

    def _answer(self, client: ClientSession, message: protocol.Frame) -> None:
        match message["type"]:
            case "serve" if message.get("build") != daemon_socket.build_id() or self._draining:
                client.send(protocol.encode("replaced"))
                self._drain("a client of another build")
            case "serve":
                request = AcquireRequest.read(client, message)
                self._touched, self._keep_alive = time.monotonic(), request.keep_alive
                self._pending.append(request)
                self._serve_pending()
            case "status":
                client.send(protocol.encode("status", **self._status()))
            case "stop":
                self._stop(client, message.get("names"))
            case other:
                raise BadInput(f"the host knows no message of type {other!r}")

    def _serve_pending(self) -> None:
        """Fulfil the requests that can be fulfilled now, in their order.

        Behind one that waits for room those go on whose worker is there: they need none.
        """
        waits = False
        for request in list(self._pending):
            if waits and not self._pool.serves(request):
                continue
            try:
                worker = self._pool.acquire(request)
                sock = self._pool.connect(worker, request.keep_alive) if worker else None
            except (LocalaiError, OSError, ValueError) as error:
                known = error if isinstance(error, LocalaiError) else LocalaiError(str(error))
                request.client.send(protocol.encode("error", **known.to_wire()))
            else:
                if sock is None:
                    waits = True  # until a worker has ended
                    continue
                request.client.worker = worker
                frame = protocol.encode("worker", loaded=bool(worker and worker.loaded))
                if not request.client.send_fd(frame, sock):
                    self._dismiss(request.client)
            self._pending = [each for each in self._pending if each is not request]

    def _stop(self, client: ClientSession, names: Any) -> None:
        if not (names is None or isinstance(names, list)):
            raise BadInput("what is to be stopped is a list of names")
        for each in list(self._pool.workers.values()):
            if names is None or any(each.is_called(str(name)) for name in names):
                self._pool.retire(each, "localai stop", at_once=True)
                client.stopping.append(each)
        if names is None:
            self._drain("localai stop --all")
        if not client.stopping:
            client.send(protocol.encode("stopped", models=[]))

    def _status(self) -> dict[str, Any]:
        own, files = resident(os.getpid())
        host = {"pid": os.getpid(), "memory": own + files, "build": daemon_socket.build_id()}
        return {"host": host, "models": [each.status() for each in self._pool.workers.values()]}

    def _pause(self) -> float:
        """Return for how long nothing needs to be done unless somebody says something."""
        now = time.monotonic()
        ends = self._pool.times()
        ends += [client.since + _SILENCE for client in self._clients if not client.known]
        if not self._pool.workers and self._keep_alive >= 0:
            ends.append(self._touched + self._keep_alive)
        known = [end for end in ends if end is not None]
        return max(_LOOK, min([*known, now + _ROUND]) - now)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        for worker, told in self._pool.tick(now):
            self._notify_exit(worker, told)
        workers = [each.process.pid for each in self._pool.workers.values()]
        if workers != self._signed and not self._draining:
            self._signed = workers
            daemon_socket.write_pids(self._lock, workers)
        for client in [client for client in self._clients if not client.known]:
            if client.since + _SILENCE <= now:
                self._dismiss(client)
        quiet = not self._pool.workers and not self._pending and self._keep_alive >= 0
        if quiet and self._touched + self._keep_alive <= now:
            self._drain("no work")
        if not self._draining and daemon_socket.inode(self._address) != self._inode:
            self._drain("its socket is gone")  # nobody can reach it any more

    def _notify_exit(self, worker: PooledWorker, told: bytes) -> None:
        """Tell the clients of a worker that it has ended, and those who waited for that."""
        for client in list(self._clients):
            if client.worker is worker:
                client.worker = None
                client.send(told)
            if worker in client.stopping:
                client.stopping.remove(worker)
                client.stopped.append(str(worker.status()["model"]))
                if not client.stopping:
                    client.send(protocol.encode("stopped", models=client.stopped))
                    client.stopped = []
        self._serve_pending()

    def _drain(self, why: str) -> None:
        """Let another host come; this one stays until its workers have ended what they do."""
        if not self._draining:
            self._log.write(f"the host leaves: {why}")
            self._draining = True
            self._selector.unregister(self._listener)
            self._listener.close()
            os.close(self._lock)
            for request in self._pending:
                request.client.send(protocol.encode("replaced"))
            self._pending.clear()
        for each in list(self._pool.workers.values()):
            self._pool.retire(each, why)


def main(listener: str, lock: str) -> None:
    """Be the host of this user.

    Parameters
    ----------
    listener, lock : str
        File descriptors.
    """
    if os.fork():  # the host is nobody's child: no command has to see to its end
        os._exit(0)
    sock, descriptor = socket.socket(fileno=int(listener)), int(lock)
    sock.set_inheritable(False)
    daemon_socket.write_pids(descriptor)
    os.set_inheritable(descriptor, False)  # else a worker would hold it after we have gone
    os.chdir("/")
    with contextlib.suppress(OSError, ValueError):  # a client is a file, and there may be many
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    log = Log(load_settings().folders.state / "host.log")
    log.write(f"the host starts: {daemon_socket.build_id()}")
    try:
        Daemon(sock, descriptor, log).serve()
    except BaseException:
        log.write(traceback.format_exc())
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
