"""The host's books, whose turn it is, and what people write for times and sizes."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.engines.estimate import on_cpu, on_gpu
from localai.engines.llama.job import fair_order
from localai.formats.units import duration, size
from localai.pool import daemon_socket
from localai.pool.daemon_log import Log
from localai.pool.eviction import Bytes, PooledWorker, State, choose_victims, lacking
from localai.types import ModelSpec

GIGA = 1 << 30


def loaded(touched: float, *, busy: bool = False, state: State = State.READY) -> PooledWorker:
    """A worker in the books, without a process."""
    nothing: Any = SimpleNamespace(pid=0)
    spec = ModelSpec("text", ("/models/a.gguf",), "a")
    worker = PooledWorker(("a",), spec, nothing, nothing, 300.0, {}, state, touched=touched)
    worker.running = int(busy)
    return worker


def victims(
    wanted: int, limit: int, taken: dict[PooledWorker, int], device: str = "cpu"
) -> list[PooledWorker] | None:
    by_device = {each: {device: count} for each, count in taken.items()}
    return choose_victims({device: wanted}, {device: limit}, by_device)


def test_nobody_leaves_while_there_is_room() -> None:
    assert victims(2 * GIGA, 8 * GIGA, {loaded(1): 4 * GIGA, loaded(2): 2 * GIGA}) == []


def test_the_least_recently_used_leave_and_no_more_than_need_be() -> None:
    old, middle, new = loaded(1), loaded(2), loaded(3)
    taken = {new: 2 * GIGA, old: 2 * GIGA, middle: 2 * GIGA}
    assert victims(3 * GIGA, 8 * GIGA, taken) == [old]
    assert victims(5 * GIGA, 8 * GIGA, taken) == [old, middle]
    assert victims(8 * GIGA, 8 * GIGA, taken) == [old, middle, new]


def test_who_is_at_work_or_loading_stays_and_is_waited_for() -> None:
    busy, loading, idle = loaded(1, busy=True), loaded(2, state=State.LOADING), loaded(3)
    taken = {busy: 3 * GIGA, loading: 3 * GIGA, idle: GIGA}
    assert victims(2 * GIGA, 8 * GIGA, taken) == [idle]
    assert victims(3 * GIGA, 8 * GIGA, taken) is None


@pytest.mark.parametrize("state", [State.DRAINING, State.STOPPING, State.EXITED, State.FAILED])
def test_who_is_leaving_already_makes_room_enough(state: State) -> None:
    leaving, idle = loaded(1, state=state), loaded(2)
    assert victims(4 * GIGA, 8 * GIGA, {leaving: 4 * GIGA, idle: 4 * GIGA}) == []


def test_only_who_lies_on_the_device_that_is_short_leaves() -> None:
    # The oldest lies in the machine's memory and on another GPU: to send it away helps nobody.
    other = loaded(1), {"cpu": GIGA, "gpu0": 0, "gpu1": 8 * GIGA}
    old, new = loaded(2), loaded(3)
    taken = dict([other]) | {old: {"cpu": 1, "gpu0": 5 * GIGA}, new: {"cpu": 1, "gpu0": GIGA}}
    limits = {"cpu": 16 * GIGA, "gpu0": 8 * GIGA, "gpu1": 8 * GIGA}
    assert choose_victims({"cpu": 1, "gpu0": 5 * GIGA}, limits, taken) == [old]
    assert choose_victims({"cpu": 16 * GIGA}, limits, taken) == [other[0], old, new]
    assert choose_victims({"gpu0": GIGA, "gpu1": GIGA}, limits, taken) == [other[0]]
    assert choose_victims({"disk": GIGA}, limits, taken) == []  # no limit is known for it


DEVICES = ("cpu", "gpu0", "gpu1")
amounts = st.dictionaries(st.sampled_from(DEVICES), st.integers(0, 9))
states = st.sampled_from([State.LOADING, State.READY, State.READY, State.DRAINING, State.STOPPING])
others = st.lists(st.tuples(amounts, st.booleans(), states), max_size=8)


@given(amounts, st.fixed_dictionaries({each: st.integers(0, 30) for each in DEVICES}), others)
def test_whoever_leaves_it_is_enough_and_nobody_leaves_in_vain(
    wanted: Bytes, limits: Bytes, workers: list[tuple[Bytes, bool, State]]
) -> None:
    taken = {
        loaded(at, busy=busy, state=state): size_ for at, (size_, busy, state) in enumerate(workers)
    }
    leaving = choose_victims(wanted, limits, taken)
    staying = [each for each in taken if not each.leaves]
    movable = [each for each in staying if each.idle and each.state is State.READY]
    fixed = [taken[each] for each in staying if each not in movable]
    assert (leaving is None) == bool(lacking(wanted, limits, fixed))
    if leaving is None:
        return
    left = [taken[each] for each in staying if each not in leaving]
    assert not lacking(wanted, limits, left)
    for device in DEVICES:
        assert (
            not wanted.get(device)
            or sum(each.get(device, 0) for each in left) + wanted[device] <= limits[device]
        )
    # None at work, none in vain, the least recently used first, and no longer than need be.
    assert set(leaving) <= set(movable) and leaving == sorted(leaving, key=lambda it: it.touched)
    for at, each in enumerate(leaving):
        before = [taken[it] for it in staying if it not in leaving[:at]]
        short = lacking(wanted, limits, before)
        assert any(taken[each].get(device) for device in short)
        older = [it for it in movable if it.touched < each.touched and it not in leaving]
        assert not any(taken[it].get(device) for it in older for device in short)


def test_what_is_lacking_is_told_by_device() -> None:
    limits = {"cpu": 10, "gpu0": 10}
    assert lacking({"cpu": 10, "gpu0": 10}, limits, []) == set()
    assert lacking({"cpu": 10, "gpu0": 10}, limits, [{"gpu0": 1}]) == {"gpu0"}
    assert lacking({"cpu": 1}, limits, [{"cpu": 20, "gpu0": 20}]) == {"cpu"}
    assert lacking({"cpu": 0}, limits, [{"cpu": 20}]) == set()  # it takes nothing there


def test_a_model_stays_for_its_time_without_work() -> None:
    worker = loaded(100.0)
    assert worker.leaves_at == 400.0
    worker.note({"type": "requests", "running": 0, "waiting": 1})
    assert worker.leaves_at is None and worker.touched > 100 and not worker.has_answered
    worker.note({"type": "requests", "running": 1, "waiting": 0})
    assert worker.leaves_at is None and not worker.has_answered
    worker.note({"type": "requests", "running": 0, "waiting": 0})
    assert worker.leaves_at == worker.touched + 300 and worker.has_answered
    worker.keep_alive = -1
    assert worker.leaves_at is None


# Where a worker stands.

READY = {"type": "ready", "device": "GPU", "memory": {"gpu0": 5}}
FAILED = {"type": "failed", "error": "BadModel", "what": "x", "next": ""}
DEEDS: dict[str, Callable[[PooledWorker], Any]] = {
    "ready": lambda worker: worker.note(READY),
    "failed": lambda worker: worker.note(FAILED),
    "retiring": lambda worker: worker.note({"type": "retiring"}),
    "begun": lambda worker: worker.note({"type": "requests", "running": 1, "waiting": 0}),
    "ended": lambda worker: worker.note({"type": "requests", "running": 0, "waiting": 0}),
    "leave": lambda worker: worker.leave(at_once=False),
    "leave at once": lambda worker: worker.leave(at_once=True),
    "close": lambda worker: worker.close(),
}
L, R, D, S, E, F = State


@pytest.mark.parametrize(
    ("deeds", "states"),
    [
        (["ready", "leave", "close"], [R, D, E]),
        (["ready", "retiring", "close"], [R, D, E]),
        (["ready", "leave", "retiring", "leave"], [R, D, D, D]),
        (["ready", "leave", "leave at once", "leave"], [R, D, S, S]),
        (["ready", "leave at once", "close", "leave at once"], [R, S, E, E]),
        (["leave", "ready", "leave at once", "close"], [D, D, S, E]),
        (["leave at once", "ready", "close", "leave"], [S, S, E, E]),
        (["failed", "close", "leave", "leave at once"], [L, F, F, F]),
        (["leave", "failed", "close"], [D, D, F]),
        (["close", "leave"], [E, E]),
        (["begun", "ready", "begun", "ended"], [L, R, R, R]),
    ],
)
def test_what_is_said_takes_a_worker_from_one_state_to_another(
    deeds: list[str], states: list[State]
) -> None:
    worker = loaded(1, state=State.LOADING)
    for deed, state in zip(deeds, states, strict=True):
        DEEDS[deed](worker)
        assert worker.state is state, deed


ALLOWED = {
    L: {R, D, S, E, F},
    R: {D, S, E, F},
    D: {S, E, F},
    S: {E, F},
    E: set[State](),
    F: set[State](),
}  # fmt: skip


@given(st.lists(st.sampled_from([*DEEDS]), max_size=12))
def test_no_order_of_events_leads_back(deeds: list[str]) -> None:
    worker = loaded(1, state=State.LOADING)
    for deed in deeds:
        if worker.closed and not deed.startswith("leave"):
            continue  # nothing is heard of it any more
        before, told = worker.state, worker.left
        news = DEEDS[deed](worker)
        after = worker.state
        assert after is before or after in ALLOWED[before], deed
        assert sum((worker.takes_requests, worker.leaves, worker.closed)) == 1
        assert (after is S) <= worker.stopped  # "at once" is not forgotten
        assert (after is F) == (worker.closed and worker.failure is not None)
        if deed.startswith("leave"):  # told to the worker once, or once more with "at once"
            assert news == (after is not before) and (not news or worker.left is not None)
        if not news:
            assert worker.left == told or deed == "retiring"
        assert worker.status()["state"] in ("loading", "ready", "leaving")
        assert worker.overdue_at is None or worker.leaves or worker.closed
    assert not worker.leaves or worker.leaves_at is None


def test_a_worker_that_loads_takes_at_least_what_was_estimated_and_then_what_it_says() -> None:
    worker = loaded(1, state=State.LOADING)
    worker.process = SimpleNamespace(pid=os.getpid())  # type: ignore[assignment]
    worker.estimate = {"cpu": 1 << 60, "gpu0": 9}
    assert worker.memory() == {"cpu": 1 << 60, "gpu0": 9}
    worker.note(READY)
    assert worker.memory()["gpu0"] == 5 and 1 << 20 < worker.memory()["cpu"] < 1 << 60
    worker = loaded(1, state=State.LOADING)
    worker.estimate = {"gpu0": 9}
    worker.leave(at_once=False)
    assert worker.memory()["gpu0"] == 9  # it loads on, whoever it may serve


def test_a_worker_that_does_not_leave_is_overdue_sooner_when_it_was_to_leave_at_once() -> None:
    worker = loaded(1, busy=True)
    worker.leave(at_once=False)
    assert worker.overdue_at is None  # it may end what it does, however long that takes
    worker.note({"type": "requests", "running": 0, "waiting": 0})
    tidy = worker.overdue_at
    worker.leave(at_once=True)
    assert tidy is not None and worker.overdue_at is not None and worker.overdue_at < tidy
    worker.killed = True
    assert worker.overdue_at is None


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "ready"},
        {"type": "ready", "device": "CPU", "memory": None},
        {"type": "ready", "device": "CPU", "memory": {"gpu0": "much"}},
        {"type": "failed"},
        {"type": "requests"},
        {"type": "requests", "running": "x", "waiting": 0},
        {"type": "requests", "running": None, "waiting": 0},
    ],
)
def test_what_a_worker_cannot_have_said_is_an_error_that_the_pool_expects(
    frame: dict[str, Any],
) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        loaded(1, state=State.LOADING).note(frame)


def test_what_a_model_will_need_is_its_files_and_something_more(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"")
    os.truncate(file, GIGA)
    spec = ModelSpec("text", (str(file), str(tmp_path / "missing")))
    assert list(on_cpu(spec, {})) == ["cpu"]
    assert GIGA < on_cpu(spec, {})["cpu"] < 1.2 * GIGA
    assert on_gpu(spec, {}) == on_cpu(spec, {})
    # A folder is what lies below it.
    folder = ModelSpec("text", (str(tmp_path),))
    assert on_cpu(folder, {}) == on_cpu(spec, {})


@pytest.mark.parametrize(
    ("gpus", "on_gpus", "on_the_cpu"),
    [({"gpu0": 8}, [4], 0), ({"gpu0": 3}, [3], 1), ({"gpu0": 3, "gpu1": 3}, [3, 1], 0),
     ({"gpu0": 1, "gpu1": 1}, [1, 1], 2)],
)  # fmt: skip
def test_gpus_are_filled_in_their_order(
    gpus: dict[str, int], on_gpus: list[int], on_the_cpu: int, tmp_path: Path
) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"")
    os.truncate(file, 4 * GIGA)
    spec = ModelSpec("text", (str(file),))
    total = {name: count * GIGA for name, count in gpus.items()}
    found = on_gpu(spec, total)
    assert [found[name] / GIGA for name in gpus] == on_gpus
    assert on_the_cpu * GIGA < found["cpu"] < (on_the_cpu + 0.2) * GIGA
    none = on_gpu(spec._replace(options={"gpu_layers": "0"}), total)
    assert none == on_cpu(spec, {})


# Turns.


def job(name: str, arrived: float, *, interactive: bool = True) -> Any:
    client = name.partition("/")[0]
    request = SimpleNamespace(interactive=interactive)
    rank = (not interactive, arrived)
    return SimpleNamespace(id=name, client=client, arrived=arrived, request=request, rank=rank)


def order(waiting: list[Any], active: list[Any] | None = None) -> list[str]:
    return [each.id for each in fair_order(waiting, active or [])]


def test_clients_take_turns_and_each_keeps_its_own_order() -> None:
    many = [job(f"a/{at}", at) for at in range(4)]
    one, two = job("b/1", 10), job("b/2", 11)
    assert order([*many, one, two]) == ["a/0", "b/1", "a/1", "b/2", "a/2", "a/3"]
    # Who has much running already waits for the others.
    running = [job(f"a/{at}", at) for at in range(20, 22)]
    assert order([*many, one, two], running)[:3] == ["b/1", "b/2", "a/0"]


def test_interactive_requests_go_before_batch_ones() -> None:
    batch = [job(f"a/{at}", at, interactive=False) for at in range(3)]
    assert order([*batch, job("b/1", 10), job("a/9", 11)]) == ["b/1", "a/9", "a/0", "a/1", "a/2"]


# What people write.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300", 300), ("90s", 90), ("5m", 300), ("1.5h", 5400), ("2d", 172800), ("0", 0), ("-1", -1),
     (" 7 ", 7), ("", None), ("-2", None), ("5x", None), ("m", None), ("1e9", None), ("nan", None),
     ("٣", None), ("5 m", None), ("9" * 40, None)],
)  # fmt: skip
def test_times(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("8G", 8 * GIGA), ("8GB", 8 * GIGA), ("8GiB", 8 * GIGA), ("512m", 512 << 20), ("1.5k", 1536),
     ("100", 100), ("50%", 500), ("80%", 800), ("0", 0), ("", None), ("G", None), ("-1G", None),
     ("8 X", None), ("%", None), ("nan%", None)],
)  # fmt: skip
def test_sizes(text: str, count: int | None) -> None:
    assert size(text, 1000) == count


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    assert duration(text) is None or duration(text) >= -1  # type: ignore[operator]
    assert size(text, 1000) is None or size(text, 1000) >= 0  # type: ignore[operator]


# The place and the log.


def test_the_log_keeps_to_a_size_and_shows_what_others_would_obey(tmp_path: Path) -> None:
    log = Log(tmp_path / "state" / "host.log")
    log.write("a worker said \x1b[31mred\nand more")
    (line,) = (tmp_path / "state" / "host.log").read_text().splitlines()
    assert line.endswith("a worker said \\x1b[31mred\\nand more")
    for _ in range(30):
        log.write("x" * 100_000)
    files = sorted(tmp_path.joinpath("state").iterdir())
    assert [file.name for file in files] == ["host.log", "host.log.1"]
    assert all(file.stat().st_size < 1.2e6 and not file.stat().st_mode & 0o77 for file in files)
    Log(Path("/proc/nothing/host.log")).write("nobody is stopped")


def test_one_lock_and_one_socket(tmp_path: Path) -> None:
    first = daemon_socket.lock(tmp_path)
    assert first is not None and daemon_socket.lock(tmp_path) is None
    address = tmp_path / "host.sock"
    assert daemon_socket.connect(address) is None
    with daemon_socket.listen(address) as listener:
        sock = daemon_socket.connect(address)
        assert sock is not None
        with sock, listener.accept()[0] as other:
            assert daemon_socket.is_ours(sock) and daemon_socket.is_ours(other)
    assert daemon_socket.connect(address) is None  # nobody listens any more
    os.close(first)
    again = daemon_socket.lock(tmp_path)
    assert again is not None
    with daemon_socket.listen(address):
        pass
    os.close(again)


def test_a_socket_that_only_waits_does_not_hold_up_a_client(tmp_path: Path) -> None:
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "host.sock"))  # bound, but nobody listens
        assert daemon_socket.connect(tmp_path / "host.sock") is None
    assert time.monotonic() - began < 5
