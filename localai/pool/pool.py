"""The worker pool: spawn, retire and reap worker processes."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Mapping

from localai.engines import registry
from localai.errors import ModelStopped, NotEnoughMemory
from localai.formats.serialization import to_plain
from localai.formats.units import amount, size
from localai.pool import protocol
from localai.pool.acquire import AcquireRequest
from localai.pool.daemon_log import Log
from localai.pool.eviction import Bytes, PooledWorker, choose_victims, lacking, lies_on
from localai.pool.framed_socket import FramedSocket
from localai.pool.worker_process import WorkerProcess
from localai.system import gpus
from localai.system.memory import free_memory, resident


class WorkerPool:
    """All workers of one host.

    Parameters
    ----------
    selector : selector
        Watches their control sockets; a key's `data` is a key of `workers`.
    gpus : callable
        Gives the GPUs' total bytes by name, in the order in which engines fill them.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        log: Log,
        gpus: Callable[[], Mapping[str, int]] = gpus.total_bytes,
    ) -> None:
        self._selector, self._log, self._gpus = selector, log, gpus
        self.workers: dict[FramedSocket, PooledWorker] = {}

    def acquire(self, request: AcquireRequest) -> PooledWorker | None:
        """Return the worker for a request, started if need be; None: others have to leave first.

        Raises
        ------
        NotEnoughMemory
            It would not be enough if all others left.
        """
        same = self._same(request)
        for each in same:
            if not each.closed:
                self.hear(each)  # it may have said that it retires before it sent its client here
            if each.takes_requests:
                return each
        if same:
            return None
        gpus = self._gpus() if registry.kind_of(request.spec).gpu else {}
        wanted = registry.estimate(request.spec, gpus)
        return self._start(request, wanted) if self._make_room(request, wanted, gpus) else None

    def serves(self, request: AcquireRequest) -> bool:
        """Whether there is a worker for a request."""
        return any(each.takes_requests for each in self._same(request))

    def _same(self, request: AcquireRequest) -> list[PooledWorker]:
        return [each for each in self.workers.values() if each.identity == request.identity]

    def connect(self, worker: PooledWorker, keep_alive: float) -> socket.socket | None:
        """Return a socket that a worker serves; None: it has just ended."""
        ours, theirs = socket.socketpair()
        worker.touched = worker.given = time.monotonic()
        worker.keep_alive = keep_alive
        if worker.control.send_fd(protocol.encode("connect"), theirs):
            return ours
        ours.close()
        return None

    def retire(self, worker: PooledWorker, why: str, *, at_once: bool = False) -> None:
        """Let a worker leave when it has ended what it does, or at once."""
        if worker.leave(at_once=at_once):
            worker.control.send(protocol.encode("leave", at_once=at_once))
            self._log.write(f"sent {worker.process.pid} ({worker.spec.name}) away: {why}")

    def hear(self, worker: PooledWorker) -> None:
        """Write down what a worker says of itself."""
        try:
            frames = worker.control.read()
            for frame in frames or ():
                worker.note(frame)
        except (
            protocol.ProtocolError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            self._log.write(f"{worker.process.pid} speaks nonsense: {error}")
            worker.process.kill()
            frames = None
        if frames is None:
            worker.close()
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

    def _make_room(
        self, request: AcquireRequest, wanted: Mapping[str, int], gpus: Mapping[str, int]
    ) -> bool:
        """Let idle workers leave if need be; False: there will be room later."""
        taken = {each: each.memory() for each in self.workers.values()}
        # What a worker maps of a file counts as free; what it has of its own would be.
        own = sum(resident(each.process.pid)[0] for each in taken)
        asked = request.memory_limit
        limits = {"cpu": size(asked, free_memory() + own) or 0, **gpus}
        if beyond := lacking(wanted, limits, ()):
            raise _beyond(min(beyond), wanted, limits, asked)
        victims = choose_victims(wanted, limits, taken)
        for each in victims or ():
            self.retire(each, "to make room")
        short = lacking(wanted, limits, taken.values())
        waits = any(lies_on(taken[each], short) for each in taken if each.leaves)
        return victims is not None and not waits

    def _start(self, request: AcquireRequest, estimate: Mapping[str, int]) -> PooledWorker:
        process = WorkerProcess(request.spec, request.environment)
        control = FramedSocket(process.control, self._selector)
        worker = PooledWorker(
            request.identity,
            request.spec,
            process,
            control,
            request.keep_alive,
            estimate,
        )
        self.workers[control] = worker
        self._log.write(f"started {process.pid} for {request.spec.name} ({request.spec.files[0]})")
        return worker

    def _reap(self, worker: PooledWorker) -> bytes:
        """Forget a worker that has ended; return what its clients are to be told."""
        del self.workers[worker.control]
        process = worker.process
        worker_exit = process.worker_exit(ready=worker.loaded, has_answered=worker.has_answered)
        told = b""
        if worker.failure:
            told = protocol.encode("error", **worker.failure)
            self._log.write(f"{process.pid} could not load: {worker.failure['what']}")
        elif worker.stopped:
            error = ModelStopped("the model was stopped before it had answered", "try again")
            told = protocol.encode("error", **error.to_wire())
        elif worker_exit.code or worker.left is None:
            told = protocol.encode("died", worker_exit=to_plain(worker_exit))
            stderr_tail = " | ".join(process.stderr_tail())
            self._log.write(
                f"{process.pid} ({worker.spec.name}) ended: {worker_exit.code} {stderr_tail}"
            )
        process.close()
        return told


def _beyond(device: str, wanted: Bytes, limits: Bytes, asked: str) -> NotEnoughMemory:
    """Return the error of a model that would not fit a device if it were alone."""
    if device != "cpu":
        return NotEnoughMemory(
            f"the model needs about {amount(wanted[device])} on {device}, which has "
            f"{amount(limits[device])}",
            "take a smaller model or quantisation",
        )
    return NotEnoughMemory(
        f"the model needs about {amount(wanted['cpu'])}; all models together may take "
        f"{amount(limits['cpu'])} (the limit is {asked}"
        f"{' of the free memory' if asked.endswith('%') else ''})",
        "take a smaller model or quantisation, close other programs, or raise LOCALAI_MEMORY_LIMIT",
    )
