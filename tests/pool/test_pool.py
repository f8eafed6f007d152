"""The pool in this process, with real workers, on a GPU that there is not."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai.engines import registry
from localai.errors import BadInput, EngineMissing, LocalaiError, NotEnoughMemory
from localai.formats.serialization import to_plain
from localai.pool import protocol
from localai.pool.acquire import AcquireRequest, ClientSession
from localai.pool.daemon_log import Log
from localai.pool.eviction import PooledWorker, State
from localai.pool.pool import WorkerPool
from localai.pool.worker_connection import WorkerConnection
from localai.settings import engine_environment
from localai.types import Finished, ModelSpec
from tests.conftest import ROOT, until
from tests.support import odd_engines
from tests.support.odd_engines import Turn

GIGA = 1 << 30


class Host:
    """A pool, and what a daemon does with it."""

    def __init__(self, folder: Path, gpus: dict[str, int]) -> None:
        self.selector = selectors.DefaultSelector()
        self.log = folder / "host.log"
        self.pool = WorkerPool(self.selector, Log(self.log), lambda: gpus)
        self.folder = folder
        self.most: dict[str, int] = {}  # bytes that all workers had at one time, by device
        ours, self._theirs = socket.socketpair()
        self._client = ClientSession(ours, self.selector)

    def spec(self, kind: str, name: str, size: int) -> ModelSpec:
        """A model of so many bytes, which takes no disk."""
        path = self.folder / f"{name}.bin"
        with path.open("wb") as file:
            file.truncate(size)
        return ModelSpec(kind, (str(path),), name)

    def request(self, spec: ModelSpec, limit: str = "80%") -> AcquireRequest:
        frame = {"spec": to_plain(spec), "environment": engine_environment()}
        return AcquireRequest.read(
            self._client, {**frame, "keep_alive": 300, "memory_limit": limit}
        )

    def turn(self) -> None:
        """Hear what the workers say, and look at the clock."""
        for key, _ in self.selector.select(0.02):
            if worker := self.pool.workers.get(key.data):
                self.pool.hear(worker)
        self.pool.tick(time.monotonic())
        taken = [each.memory() for each in self.pool.workers.values() if not each.closed]
        for device in {device for each in taken for device in each}:
            now = sum(each.get(device, 0) for each in taken)
            self.most[device] = max(now, self.most.get(device, 0))

    def until(self, true: Callable[[], Any]) -> Any:
        def look() -> Any:
            self.turn()
            return true()

        return until(look)

    def serve(self, spec: ModelSpec) -> PooledWorker:
        """Wait for a worker, as a client does, and until it has loaded."""
        request = self.request(spec)
        worker: PooledWorker = self.until(lambda: self.pool.acquire(request))
        self.until(lambda: worker.state is not State.LOADING)
        assert worker.state is State.READY
        return worker

    def ask(self, worker: PooledWorker, asked: Any) -> WorkerConnection:
        """Send a request; its answer is waited for with `end`."""
        sock = self.pool.connect(worker, 300)
        assert sock is not None
        connection = WorkerConnection(sock, worker.spec.kind)
        connection.send(asked)
        return connection

    def names(self) -> list[str]:
        return [each.spec.name for each in self.pool.workers.values() if each.takes_requests]

    def close(self) -> None:
        for each in self.pool.workers.values():
            self.pool.retire(each, "the test has ended", at_once=True)
        self.until(lambda: not self.pool.workers)
        self._client.close()
        self._theirs.close()
        self.selector.close()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    """A machine with a GPU of 8 GB."""
    monkeypatch.setenv("LOCALAI_ENGINES", odd_engines.__name__)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for cached in (registry.engines, registry.event_types):
        cached.cache_clear()
    made = Host(tmp_path, {"gpu0": 8 * GIGA})
    yield made
    made.close()
    for cached in (registry.engines, registry.event_types):
        cached.cache_clear()


def end(connection: WorkerConnection) -> Any:
    event = list(connection.events("1"))[-1]
    connection.close()
    return event


def test_a_text_and_a_picture_model_take_turns_on_one_gpu(host: Host) -> None:
    story, paint = host.spec("story", "story", 5 * GIGA), host.spec("paint", "paint", 6 * GIGA)
    seen: list[int] = []
    for spec in (story, paint, story, paint):
        worker = host.serve(spec)
        assert worker.gpu_memory == {"gpu0": os.path.getsize(spec.files[0])}
        assert isinstance(end(host.ask(worker, Turn(0.05))), Finished)
        assert host.names() == [spec.name]
        seen.append(worker.process.pid)
    assert len(set(seen)) == 4
    assert host.most["gpu0"] <= 8 * GIGA, "two were loaded at one time"
    assert host.log.read_text().count("to make room") == 3


def test_two_that_fit_stay_side_by_side(host: Host) -> None:
    story, paint = host.spec("story", "story", 4 * GIGA), host.spec("paint", "paint", 4 * GIGA)
    first, second = host.serve(story), host.serve(paint)
    assert host.serve(story) is first and host.serve(paint) is second
    assert host.names() == ["story", "paint"]
    assert "to make room" not in host.log.read_text()


def test_the_one_that_was_used_last_stays(host: Host) -> None:
    specs = [host.spec("story", name, 3 * GIGA) for name in ("a", "b", "c")]
    a, b = host.serve(specs[0]), host.serve(specs[1])
    end(host.ask(a, Turn(0.05)))
    host.until(lambda: a.idle and a.touched > b.touched)
    host.serve(specs[2])
    assert host.names() == ["a", "c"]


def test_who_is_at_work_is_waited_for(host: Host) -> None:
    story, paint = host.spec("story", "story", 5 * GIGA), host.spec("paint", "paint", 6 * GIGA)
    worker = host.serve(story)
    answer = host.ask(worker, Turn(1.0))
    host.until(lambda: worker.running)
    request = host.request(paint)
    for _ in range(5):
        assert host.pool.acquire(request) is None
        host.turn()
        assert worker.takes_requests, "it was sent away in the middle of its work"
    host.serve(paint)
    assert isinstance(end(answer), Finished)
    assert host.most["gpu0"] <= 8 * GIGA


def test_what_loads_is_waited_for_with_what_it_will_take(host: Host) -> None:
    story, paint = host.spec("story", "story", 5 * GIGA), host.spec("paint", "paint", 6 * GIGA)
    first = host.pool.acquire(host.request(story))
    assert first is not None and first.state is State.LOADING
    assert host.pool.acquire(host.request(paint)) is None
    assert host.pool.acquire(host.request(story)) is first
    host.serve(paint)
    assert host.most["gpu0"] <= 8 * GIGA


def test_what_no_gpu_holds_lies_in_the_machine_s_memory_and_disturbs_nobody(host: Host) -> None:
    worker = host.serve(host.spec("story", "story", 5 * GIGA))
    cpu = host.spec("shelf", "shelf", 0)
    host.serve(cpu)
    assert worker.takes_requests and host.names() == ["story", "shelf"]


def test_a_model_that_would_not_fit_alone_is_refused_and_nobody_has_to_leave(host: Host) -> None:
    worker = host.serve(host.spec("story", "story", 5 * GIGA))
    with pytest.raises(NotEnoughMemory, match=r"about 8\.6 GB on gpu0, which has 8\.6 GB"):
        host.pool.acquire(host.request(host.spec("giant", "giant", 1)))
    small = host.spec("paint", "paint", GIGA)
    with pytest.raises(NotEnoughMemory, match="the limit is 50M"):
        host.pool.acquire(host.request(small, "50M"))
    # What a GPU does not hold has to fit the machine's memory.
    with pytest.raises(NotEnoughMemory, match="of the free memory"):
        host.pool.acquire(host.request(host.spec("paint", "large", 10_000 * GIGA)))
    assert worker.takes_requests


def test_what_is_no_request_starts_nothing(host: Host) -> None:
    wrong: list[tuple[type[LocalaiError], ModelSpec]] = [
        (EngineMissing, host.spec("smell", "x", 1)),
        (BadInput, host.spec("story", "x", 1)._replace(options={"colour": "red"})),
        (BadInput, ModelSpec("story", ())),
    ]
    for kind, spec in wrong:
        with pytest.raises(kind):
            host.request(spec)
    assert not host.pool.workers


def test_a_worker_that_speaks_nonsense_is_ended(host: Host) -> None:
    worker = host.serve(host.spec("story", "story", 1))
    ours, theirs = socket.socketpair()
    host.selector.unregister(worker.control.socket)
    worker.control.socket.close()
    ours.setblocking(False)
    worker.control.socket = ours
    host.selector.register(ours, selectors.EVENT_READ, worker.control)
    theirs.sendall(protocol.encode("requests", running="many", waiting=0))
    host.until(lambda: not host.pool.workers)
    assert "speaks nonsense" in host.log.read_text()
    assert not psutil.pid_exists(worker.process.pid)
    theirs.close()
    ours.close()
