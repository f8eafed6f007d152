"""Worker state and LRU eviction: what each worker does, what it takes, and which have to leave."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from localai.pool.framed_socket import FramedSocket
from localai.pool.worker_process import WorkerProcess
from localai.system.memory import resident
from localai.types import ModelSpec

_LEAVE_SECONDS = 5.0  # that a worker may take to leave at once
_FIRST_SECONDS = 1.0  # that a client's request may take to come, also without --keep-alive
_TIDY_SECONDS = 60.0  # that a worker without work may take to leave: it writes its states

Bytes = Mapping[str, int]
"""Bytes by device: `cpu`, and the GPUs by name (`gpu0`)."""


class State(Enum):
    """Where a worker stands.

        loading -> ready -> draining -> stopping -> exited
           |                              ^
           `-> failed                     | at any time

    `draining`: takes no more requests, ends those that it has. `stopping`: was told to end at
    once. `exited` and `failed`: its control socket is closed; the process has ended, or will soon.
    """

    LOADING = "loading"
    READY = "ready"
    DRAINING = "leaving"
    STOPPING = "stopping"
    EXITED = "exited"
    FAILED = "failed"  # the model could not be loaded


_TAKES_REQUESTS = (State.LOADING, State.READY)
_LEAVES = (State.DRAINING, State.STOPPING)


@dataclass(eq=False)
class PooledWorker:
    """A worker and what is known of it. Times are of the monotonic clock, in seconds."""

    identity: Hashable
    spec: ModelSpec
    process: WorkerProcess
    control: FramedSocket
    keep_alive: float  # seconds without work; negative: for ever
    estimate: Bytes  # what it will take, as far as its files tell
    state: State = State.LOADING
    since: float = field(default_factory=time.time)  # of the day
    touched: float = field(default_factory=time.monotonic)  # given to a client, or had work
    given: float | None = None  # to a client whose request has not come yet
    device: str = ""
    gpu_memory: Bytes = field(default_factory=dict)  # what it says that it takes there
    loaded: bool = False
    has_answered: bool = False
    stopped: bool = False  # it was told to end at once
    failure: dict[str, Any] | None = None  # why the model could not be loaded
    left: float | None = None  # when it was told to leave
    killed: bool = False  # since it did not leave
    running: int = 0
    waiting: int = 0

    @property
    def takes_requests(self) -> bool:
        """Whether clients may be sent to it."""
        return self.state in _TAKES_REQUESTS

    @property
    def leaves(self) -> bool:
        """Whether it was told to leave, or has said that it does."""
        return self.state in _LEAVES

    @property
    def closed(self) -> bool:
        """Whether its control socket is closed."""
        return self.state in (State.EXITED, State.FAILED)

    @property
    def idle(self) -> bool:
        """Whether it has no request."""
        return not (self.running or self.waiting)

    @property
    def leaves_at(self) -> float | None:
        """When it has been without work for long enough; None: not yet to be said, or never."""
        if not self.idle or self.state is not State.READY or self.keep_alive < 0:
            return None
        leaves = self.touched + self.keep_alive
        return leaves if self.given is None else max(leaves, self.given + _FIRST_SECONDS)

    @property
    def overdue_at(self) -> float | None:
        """When it has taken too long to leave; None: it is not leaving, or has work to end."""
        if self.left is None or self.killed or not (self.stopped or self.idle):
            return None
        return self.left + (_LEAVE_SECONDS if self.stopped else _TIDY_SECONDS)

    def is_called(self, name: str) -> bool:
        """Whether a user may mean this one: by the name it was asked for, or by its file."""
        file = self.spec.files[0]
        return name in (self.spec.name, file, os.path.basename(file))

    def memory(self) -> dict[str, int]:
        """Return the bytes that it takes by device; while it loads, at least the estimate."""
        taken = {"cpu": sum(resident(self.process.pid)), **self.gpu_memory}
        if not self.loaded:
            for device, count in self.estimate.items():
                taken[device] = max(count, taken.get(device, 0))
        return taken

    def status(self) -> dict[str, Any]:
        """Return what `localai ps` tells of it."""
        now = time.monotonic()
        leaves_at = self.leaves_at
        ready = self.state is not State.LOADING
        own, files = resident(self.process.pid)
        return {
            "model": self.spec.name or self.spec.files[0],
            "file": self.spec.files[0],
            "kind": self.spec.kind,
            "pid": self.process.pid,
            "state": "leaving" if self.leaves else "ready" if ready else "loading",
            "device": self.device or None,
            "memory": own + files,
            "file_memory": files,  # of it: pages of its files, which the system may take back
            "gpu_memory": sum(self.gpu_memory.values()),
            "running": self.running,
            "waiting": self.waiting,
            "idle": round(now - self.touched, 3) if self.idle and ready else 0.0,
            "leaves_in": None if leaves_at is None else round(max(0.0, leaves_at - now), 3),
            "since": round(self.since, 3),
        }

    def note(self, frame: Mapping[str, Any]) -> None:
        """Write down what it says of itself; KeyError or TypeError where that is nothing known."""
        match frame["type"]:
            case "ready":
                self.loaded, self.device = True, str(frame["device"])
                self.gpu_memory = {str(key): int(count) for key, count in frame["memory"].items()}
                self.touched = time.monotonic()
                if self.state is State.LOADING:
                    self.state = State.READY
            case "failed":
                self.failure = {part: frame[part] for part in ("error", "what", "next")}
            case "requests":
                ended = int(frame["running"]) + int(frame["waiting"]) < self.running + self.waiting
                self.has_answered |= ended
                self.running, self.waiting = int(frame["running"]), int(frame["waiting"])
                self.touched, self.given = time.monotonic(), None
            case "retiring":
                self.leave(at_once=False)

    def leave(self, *, at_once: bool) -> bool:
        """Take note that it leaves; return whether that is news."""
        if self.closed or not (self.takes_requests or (at_once and not self.stopped)):
            return False
        self.state = State.STOPPING if at_once else State.DRAINING
        self.left, self.stopped = time.monotonic(), at_once
        return True

    def close(self) -> None:
        """Take note that its control socket is closed."""
        self.state = State.FAILED if self.failure else State.EXITED


def lacking(wanted: Bytes, limits: Bytes, taken: Iterable[Bytes]) -> set[str]:
    """Return the devices on which a new worker would not stay within the limits."""
    sums = Counter[str]()
    for each in taken:
        sums.update(each)
    return {
        device
        for device, limit in limits.items()
        if wanted.get(device) and wanted[device] + sums[device] > limit
    }


def lies_on(taken: Bytes, devices: Iterable[str]) -> bool:
    """Whether a worker takes something on any of these devices."""
    return any(taken.get(device) for device in devices)


def choose_victims(
    wanted: Bytes, limits: Bytes, taken: Mapping[PooledWorker, Bytes]
) -> list[PooledWorker] | None:
    """Return the workers that have to leave so that a new one stays within the limits.

    They are the least recently used of those without work. None: it is not enough that they
    leave, and there are others at work that will be done some time.

    Parameters
    ----------
    wanted : Bytes
        What the new one will take.
    limits : Bytes
        What all may take together; a device without a limit is not looked at.
    taken : mapping
        What each takes now.
    """
    # Who is leaving already will give its memory back.
    left = {each: count for each, count in taken.items() if not (each.leaves or each.closed)}
    victims: list[PooledWorker] = []
    for each in sorted(left, key=lambda worker: worker.touched):
        short = lacking(wanted, limits, left.values())
        if not short:
            break
        if each.idle and each.state is State.READY and lies_on(left[each], short):
            victims.append(each)
            del left[each]
    return None if lacking(wanted, limits, left.values()) else victims
