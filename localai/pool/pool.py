"""The host's workers: started, told to leave, and buried when they have ended."""

from __future__ import annotations

import selectors
import socket
import time

from localai.errors import LocalaiError, NotEnoughMemory
from localai.formats.serialization import to_plain
from localai.formats.units import amount, size
from localai.pool import protocol
from localai.pool.acquire import AcquireRequest
from localai.pool.daemon_log import Log
from localai.pool.eviction import Kills, PooledWorker, choose_victims, estimate_bytes
from localai.pool.framed_socket import FramedSocket
from localai.pool.worker_process import WorkerProcess
from localai.system.memory import free_memory, resident

_LAST_LINES = 5  # of what an ended worker has said, for the log


class WorkerPool:
    """All workers of one host.

    Parameters
    ----------
    selector : selector
        Watches their control sockets; a key's `data` is a key of `workers`.
    """

    def __init__(self, selector: selectors.BaseSelector, log: Log) -> None:
        self._selector, self._log = selector, log
        self.workers: dict[FramedSocket, PooledWorker] = {}
        self._kills = Kills()

    def acquire(self, request: AcquireRequest) -> PooledWorker | None:
        """Return the worker for a request, started if need be; None: others have to leave first.

        Raises
        ------
        NotEnoughMemory
            It would not be enough if all others left.
        """
        same = [each for each in self.workers.values() if each.identity == request.identity]
        for each in same:
            if each.left is None and not each.closed:
                return each
        if same or not self._make_room(estimate_bytes(request.spec), request.memory_limit):
            return None
        return self._start(request)

    def connect(self, worker: PooledWorker, keep_alive: float) -> socket.socket | None:
        """Return a socket that a worker serves; None: it has just ended."""
        ours, theirs = socket.socketpair()
        worker.touched, worker.keep_alive = time.monotonic(), keep_alive
        if worker.control.send_fd(protocol.encode("connect"), theirs):
            return ours
        ours.close()
        return None

    def retire(self, worker: PooledWorker, why: str, *, at_once: bool = False) -> None:
        """Let a worker leave when it has ended what it does, or at once."""
        if worker.left is None or (at_once and not worker.stopped):
            worker.left, worker.stopped = time.monotonic(), at_once
            worker.control.send(protocol.encode("leave", at_once=at_once))
            self._log.write(f"sent {worker.process.pid} ({worker.spec.name}) away: {why}")

    def hear(self, worker: PooledWorker) -> None:
        """Write down what a worker says of itself."""
        try:
            messages = worker.control.read()
            for message in messages or ():
                _note(worker, message)
        except (protocol.ProtocolError, KeyError) as error:
            self._log.write(f"{worker.process.pid} speaks nonsense: {error}")
            worker.process.kill()
            messages = None
        if messages is None:
            worker.closed = True
            self._selector.unregister(worker.control.socket)

    def tick(self, now: float) -> list[tuple[PooledWorker, bytes]]:
        """Send those away that have been idle for long; return those that have ended.

        Each comes with the message for its clients, empty where it has ended in order.
        """
        ended = []
        for each in list(self.workers.values()):
            if each.leaves_at is not None and each.leaves_at <= now:
                self.retire(each, "no work")
            if each.overdue_at is not None and each.overdue_at <= now:
                self._log.write(f"{each.process.pid} does not leave")
                each.process.kill()
                each.killed = True
            if each.closed and each.process.ended():
                ended.append((each, self._reap(each)))
        return ended

    def times(self) -> list[float | None]:
        """Return when something has to be done about a worker."""
        workers = self.workers.values()
        ends = [end for each in workers for end in (each.leaves_at, each.overdue_at)]
        return [0.0 if any(each.closed for each in workers) else None, *ends]

    def _make_room(self, wanted: int, asked: str) -> bool:
        """Let idle workers leave if need be; False: there will be room later."""
        taken, own = {}, 0
        for each in self.workers.values():
            anonymous, files = resident(each.process.pid)
            own += anonymous
            taken[each] = max(anonymous + files, 0 if each.ready else estimate_bytes(each.spec))
        # What a worker maps of a file counts as free; what it has of its own would be.
        limit = size(asked, free_memory() + own) or 0
        if wanted > limit:
            raise NotEnoughMemory(
                f"the model needs about {amount(wanted)}; all models together may take "
                f"{amount(limit)} (the limit is {asked}"
                f"{' of the free memory' if asked.endswith('%') else ''})",
                "take a smaller model or quantisation, close other programs, "
                "or raise LOCALAI_MEMORY_LIMIT",
            )
        leaving = choose_victims(wanted, limit, taken)
        for each in leaving or ():
            self.retire(each, "to make room")
        short = wanted + sum(taken.values()) > limit
        return leaving is not None and not (short and any(each.left for each in taken))

    def _start(self, request: AcquireRequest) -> PooledWorker:
        process = WorkerProcess(request.spec, request.environment)
        control = FramedSocket(process.control, self._selector)
        worker = PooledWorker(request.identity, request.spec, process, control, request.keep_alive)
        if refused := self._kills.refused():
            control.send(protocol.encode("refuse", digests=refused))
        self.workers[control] = worker
        self._log.write(f"started {process.pid} for {request.spec.name} ({request.spec.files[0]})")
        return worker

    def _reap(self, worker: PooledWorker) -> bytes:
        """Forget a worker that has ended; return what its clients are to be told."""
        del self.workers[worker.control]
        process = worker.process
        worker_exit = process.worker_exit(ready=worker.ready, has_answered=worker.has_answered)
        told = b""
        if worker.failed:
            told = protocol.encode("error", **worker.failed)
            self._log.write(f"{process.pid} could not load: {worker.failed['what']}")
        elif worker.stopped:
            error = LocalaiError("the model was stopped before it had answered", "try again")
            told = protocol.encode("error", **error.to_wire())
        elif worker_exit.code or worker.left is None:
            told = protocol.encode("died", worker_exit=to_plain(worker_exit))
            stderr_tail = " | ".join(process.stderr_tail()[-_LAST_LINES:])
            self._log.write(
                f"{process.pid} ({worker.spec.name}) ended: {worker_exit.code} {stderr_tail}"
            )
            self._kills.blame(worker.culprits())
            refused = protocol.encode("refuse", digests=self._kills.refused())
            for each in self.workers.values():
                each.control.send(refused)
        process.close()
        return told


def _note(worker: PooledWorker, message: protocol.Frame) -> None:
    match message["type"]:
        case "ready":
            worker.ready, worker.device = True, str(message["device"])
            worker.touched = time.monotonic()
        case "failed":
            worker.failed = {part: str(message[part]) for part in ("error", "what", "next")}
        case "stage":
            worker.note(message["id"], str(message["stage"]), str(message["digest"]))
