"""The host's books, whose turn it is, and what people write for times and sizes."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.engines.llama.turns import fair_order
from localai.formats.units import duration, size
from localai.pool import daemon_socket
from localai.pool.daemon_log import Log
from localai.pool.eviction import Kills, PooledWorker, choose_victims, estimate_bytes
from localai.types import ModelSpec

GIGA = 1 << 30


def loaded(
    touched: float, *, busy: bool = False, ready: bool = True, left: bool = False
) -> PooledWorker:
    """A worker in the books, without a process."""
    nothing: Any = SimpleNamespace(pid=0)
    spec = ModelSpec("text", ("/models/a.gguf",), "a")
    entry = PooledWorker(("a",), spec, nothing, nothing, 300.0, touched=touched, ready=ready)
    entry.left = 1.0 if left else None
    if busy:
        entry.stages["1"] = ("runs", "x")
    return entry


def test_nobody_leaves_while_there_is_room() -> None:
    assert choose_victims(2 * GIGA, 8 * GIGA, {loaded(1): 4 * GIGA, loaded(2): 2 * GIGA}) == []


def test_the_least_recently_used_leave_and_no_more_than_need_be() -> None:
    old, middle, new = loaded(1), loaded(2), loaded(3)
    taken = {new: 2 * GIGA, old: 2 * GIGA, middle: 2 * GIGA}
    assert choose_victims(3 * GIGA, 8 * GIGA, taken) == [old]
    assert choose_victims(5 * GIGA, 8 * GIGA, taken) == [old, middle]
    assert choose_victims(8 * GIGA, 8 * GIGA, taken) == [old, middle, new]


def test_who_is_at_work_or_loading_stays_and_is_waited_for() -> None:
    busy, loading, idle = loaded(1, busy=True), loaded(2, ready=False), loaded(3)
    taken = {busy: 3 * GIGA, loading: 3 * GIGA, idle: GIGA}
    assert choose_victims(2 * GIGA, 8 * GIGA, taken) == [idle]
    assert choose_victims(3 * GIGA, 8 * GIGA, taken) is None


def test_who_is_leaving_already_makes_room_enough() -> None:
    leaving, idle = loaded(1, left=True), loaded(2)
    assert choose_victims(4 * GIGA, 8 * GIGA, {leaving: 4 * GIGA, idle: 4 * GIGA}) == []


@given(
    st.integers(0, 10),
    st.integers(0, 30),
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=8),
)
def test_whoever_leaves_it_is_enough_and_nobody_leaves_in_vain(
    wanted: int, limit: int, others: list[tuple[int, bool, bool]]
) -> None:
    taken = {
        loaded(at, busy=busy, ready=ready): size_
        for at, (size_, busy, ready) in enumerate(others)
    }  # fmt: skip
    leaving = choose_victims(wanted, limit, taken)
    fixed = sum(count for each, count in taken.items() if not (each.idle and each.ready))
    assert (leaving is None) == (fixed + wanted > limit)
    if leaving:
        left = sum(taken.values()) - sum(taken[each] for each in leaving)
        assert left + wanted <= limit
        assert left + taken[leaving[-1]] + wanted > limit
        assert all(each.idle and each.ready for each in leaving)


def test_a_model_stays_for_its_time_without_work() -> None:
    entry = loaded(100.0)
    assert entry.leaves_at == 400.0
    entry.note("1", "waits", "x")
    assert entry.leaves_at is None and entry.touched > 100
    entry.note("1", "ended", "x")
    assert entry.leaves_at == entry.touched + 300
    entry.keep_alive = -1
    assert entry.leaves_at is None


def test_only_what_was_at_work_is_to_blame() -> None:
    entry = loaded(1)
    for request, stage in (("1", "runs"), ("2", "waits"), ("3", "prepares"), ("4", "runs")):
        entry.note(request, stage, f"digest {request}")
    entry.note("4", "ended", "digest 4")
    assert entry.culprits() == ["digest 1", "digest 3"]
    kills = Kills()
    for _ in range(2):
        kills.blame(entry.culprits())
    assert kills.refused() == []
    kills.blame(["digest 3"])
    assert kills.refused() == ["digest 3"]
    for at in range(5000):
        kills.blame([f"other {at}"])
    assert len(kills._counts) <= 1000


def test_what_a_model_will_need_is_its_files_and_something_more(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"")
    os.truncate(file, GIGA)
    spec = ModelSpec("text", (str(file), str(tmp_path / "missing")))
    assert GIGA < estimate_bytes(spec) < 1.2 * GIGA


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
