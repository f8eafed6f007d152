"""The host's books: what each worker does, which of them has to leave, and who is to blame."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

from localai.engines.base import ModelSpec
from localai.pool.framed_socket import FramedSocket
from localai.pool.worker_process import WorkerProcess
from localai.system.memory import resident

_WORKER_BYTES = 96 << 20  # what a worker takes besides its model's files, to begin with
_MOST_KILLS = 3  # processes that a request may end
_REMEMBERED = 1000  # requests that have ended a process
_UNWILLING = 5.0  # seconds that a worker may take to leave at once
_TIDYING = 60.0  # seconds that a worker without work may take to leave: it writes its states
_AT_WORK = ("prepares", "runs")


@dataclass(eq=False)
class PooledWorker:
    """A worker and what is known of it. Times are of the monotonic clock, in seconds."""

    identity: Hashable
    spec: ModelSpec
    process: WorkerProcess
    control: FramedSocket
    keep_alive: float  # seconds without work; negative: for ever
    since: float = field(default_factory=time.time)  # of the day
    touched: float = field(default_factory=time.monotonic)  # given to a client, or had work
    device: str = ""
    ready: bool = False
    has_answered: bool = False  # it has answered a request
    failed: dict[str, str] | None = None  # why the model could not be loaded
    left: float | None = None  # when it was told to leave
    stopped: bool = False  # and not to end what it does
    killed: bool = False  # since it did not leave
    closed: bool = False  # its control: it has ended, or is about to
    stages: dict[str, tuple[str, str]] = field(default_factory=dict)  # request: stage and digest

    @property
    def idle(self) -> bool:
        """Whether it has no request."""
        return not self.stages

    @property
    def leaves_at(self) -> float | None:
        """When it has been without work for long enough; None: not yet to be said, or never."""
        if not self.idle or not self.ready or self.keep_alive < 0 or self.left is not None:
            return None
        return self.touched + self.keep_alive

    @property
    def overdue_at(self) -> float | None:
        """When it has taken too long to leave; None: it is not leaving, or has work to end."""
        if self.left is None or self.killed or not (self.stopped or self.idle):
            return None
        return self.left + (_UNWILLING if self.stopped else _TIDYING)

    def is_called(self, name: str) -> bool:
        """Whether a user may mean this one: by the name it was asked for, or by its file."""
        file = self.spec.files[0]
        return name in (self.spec.name, file, os.path.basename(file))

    def status(self) -> dict[str, Any]:
        """Return what `localai ps` tells of it."""
        own, files = resident(self.process.pid)
        stages = Counter(stage for stage, _ in self.stages.values())
        now = time.monotonic()
        leaves_at = self.leaves_at
        return {
            "model": self.spec.name or self.spec.files[0],
            "file": self.spec.files[0],
            "kind": self.spec.kind,
            "pid": self.process.pid,
            "state": "loading" if not self.ready else "leaving" if self.left else "ready",
            "device": self.device or None,
            "memory": own + files,
            "running": stages["runs"],
            "waiting": stages["waits"] + stages["prepares"],
            "idle": round(now - self.touched, 3) if self.idle and self.ready else 0.0,
            "leaves_in": None if leaves_at is None else round(max(0.0, leaves_at - now), 3),
            "since": round(self.since, 3),
        }

    def note(self, request: str, stage: str, digest: str) -> None:
        """Write down what a request does now."""
        self.touched = time.monotonic()
        if stage == "ended":
            self.has_answered = True
            self.stages.pop(request, None)
        else:
            self.stages[request] = (stage, digest)

    def culprits(self) -> list[str]:
        """Return the digests of the requests that were at work when it ended."""
        return [digest for stage, digest in self.stages.values() if stage in _AT_WORK]


class Kills:
    """How many processes each request has ended."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def blame(self, digests: Iterable[str]) -> None:
        """Count one more process for each of these."""
        for digest, more in Counter(digests).items():
            self._counts[digest] = self._counts.pop(digest, 0) + more
        while len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)

    def refused(self) -> list[str]:
        """Return the requests that are not to be tried again."""
        return [digest for digest, count in self._counts.items() if count >= _MOST_KILLS]


def estimate_bytes(spec: ModelSpec) -> int:
    """Return the bytes that a worker for this model will take, as far as its files tell."""
    total = _WORKER_BYTES
    for name in spec.files:
        with contextlib.suppress(OSError):  # the worker will say what is wrong with it
            total += os.stat(name).st_size
    return total


def choose_victims(
    wanted: int, limit: int, taken: dict[PooledWorker, int]
) -> list[PooledWorker] | None:
    """Return the workers that have to leave so that `wanted` bytes more stay within the limit.

    They are the least recently used of those without work. None: it is not enough that they
    leave, and there are others at work that will be done some time.
    """
    free = limit - sum(taken.values())
    # Who is leaving already will give its memory back.
    free += sum(count for each, count in taken.items() if each.left is not None)
    leaving: list[PooledWorker] = []
    for each in sorted(taken, key=lambda worker: worker.touched):
        if free >= wanted:
            break
        if each.idle and each.ready and each.left is None:
            leaving.append(each)
            free += taken[each]
    return leaving if free >= wanted else None
