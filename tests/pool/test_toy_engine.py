"""An engine kind of somebody else's, on the real daemon and worker: nothing else knows of it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from localai import settings
from localai.engines import registry
from localai.errors import EngineMissing, LocalaiError, NotEnoughMemory, WorkerDied
from localai.pool import daemon_client
from localai.pool.client import DedicatedClient, PooledClient
from localai.pool.engine_client import EngineClient
from localai.types import Finished, ModelSpec, Progress
from tests.conftest import ROOT, run
from tests.support import toy_engine
from tests.support.toy_engine import Count, Said, Step

MODULE = "tests.support.toy_engine"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelSpec]:
    """A model of the toy engine: a folder."""
    monkeypatch.setenv("LOCALAI_ENGINES", MODULE)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    registry.engines.cache_clear()
    registry.event_types.cache_clear()
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "weights").write_bytes(b"\0" * 5_000_000)
    yield ModelSpec("toy", (str(folder),), "toy")
    registry.engines.cache_clear()
    registry.event_types.cache_clear()


@pytest.fixture
def threads() -> set[threading.Thread]:
    """The threads of this process before a client was made: other tests' may still be ending."""
    return set(threading.enumerate())


@pytest.fixture(params=["cold", "warm"])
def engine(request: pytest.FixtureRequest, toy: ModelSpec) -> Iterator[EngineClient]:
    if request.param == "warm":
        request.getfixturevalue("warm")
    with DedicatedClient(toy) if request.param == "cold" else PooledClient(toy, 300) as client:
        yield client


def words(events: list[tuple[object, ...]]) -> list[str]:
    return [event.word for event in events if isinstance(event, Said)]


def test_the_toy_has_one_row_and_one_class_in_forty_lines() -> None:
    code = [line for line in Path(toy_engine.__file__).read_text().splitlines() if line.strip()]
    assert len(code) <= 40
    assert len(toy_engine.ENGINES) == 1


def test_it_answers_in_events_of_its_own(engine: EngineClient) -> None:
    events = list(engine.ask(Count("hello", 3)))
    assert [event for event in events if not isinstance(event, Progress)] == [
        Step(0), Step(1), Step(2), Said("hello weights"), Finished("stop"),
    ]  # fmt: skip
    assert [type(event) for event in events[-2:]] == [Said, Finished]


def test_two_answers_at_once_on_one_connection_lose_nothing(engine: EngineClient) -> None:
    first, second = engine.ask(Count("one", 20)), engine.ask(Count("two", 20))
    mixed: tuple[list[tuple[object, ...]], ...] = ([], [])
    open_ones = {0: first, 1: second}
    while open_ones:
        for at, events in list(open_ones.items()):
            event = next(events, None)
            if event is None:
                del open_ones[at]
            else:
                mixed[at].append(event)
    for events, word in zip(mixed, ("one", "two"), strict=True):
        assert [each.number for each in events if isinstance(each, Step)] == list(range(20))
        assert words(events) == [f"{word} weights"]


def test_the_second_can_be_read_to_its_end_before_the_first(engine: EngineClient) -> None:
    first, second = engine.ask(Count("one", 5)), engine.ask(Count("two", 5))
    assert words(list(second)) == ["two weights"]
    assert words(list(first)) == ["one weights"]


def test_an_interactive_request_does_not_wait_behind_a_long_one(engine: EngineClient) -> None:
    long = engine.ask(Count("long", 100, pause=0.02, interactive=False))
    assert isinstance(next(event for event in long if isinstance(event, Step)), Step)
    assert words(list(engine.ask(Count("quick", 1)))) == ["quick weights"]
    rest = list(long)
    assert [event.number for event in rest if isinstance(event, Step)][-1] == 99
    assert words(rest) == ["long weights"]


def test_who_waits_hears_of_its_place(engine: EngineClient) -> None:
    running = engine.ask(Count("one", 30, pause=0.02))
    next(event for event in running if isinstance(event, Step))
    waiting = [engine.ask(Count(str(at), 1)) for at in range(2)]
    places = [
        [event.total for event in events if isinstance(event, Progress) and event.phase == "queued"]
        for events in waiting
    ]
    assert places[0][0] == 1 and places[1][0] == 2
    assert all(event.unit == "requests" for event in [Progress("queued", 0, 1, "requests")])
    assert words(list(running)) == ["one weights"]


def test_a_cancelled_request_ends_at_its_next_event(engine: EngineClient) -> None:
    cancelled = engine.ask(Count("never", 10_000, pause=0.01))
    next(event for event in cancelled if isinstance(event, Step))
    began = time.monotonic()
    cancelled.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 0.2, "the client leaves at once"
    assert words(list(engine.ask(Count("next", 1)))) == ["next weights"]
    assert time.monotonic() - began < 10


def test_a_step_that_does_not_end_ends_the_process_and_what_waited_is_asked_anew(
    engine: EngineClient,
) -> None:
    stuck = engine.ask(Count("stuck", 2, pause=60))
    assert isinstance(next(stuck), Progress)
    waiting = [engine.ask(Count(str(at), 2)) for at in range(3)]
    began = time.monotonic()
    stuck.close()  # type: ignore[attr-defined]
    answers = [words(list(events)) for events in waiting]
    assert answers == [["0 weights"], ["1 weights"], ["2 weights"]]
    assert 1 <= time.monotonic() - began < 30
    assert words(list(engine.ask(Count("after", 1)))) == ["after weights"]


def test_a_slow_step_is_waited_for_where_another_request_would_lose_its_work(
    engine: EngineClient,
) -> None:
    begun = engine.ask(Count("begun", 50, pause=0.02, interactive=False))
    next(event for event in begun if isinstance(event, Step))
    slow = engine.ask(Count("slow", 2, pause=3))
    next(event for event in slow if isinstance(event, Progress) and event.phase == "working")
    slow.close()  # type: ignore[attr-defined]
    rest = list(begun)
    assert [event.number for event in rest if isinstance(event, Step)][-1] == 49
    assert words(rest) == ["begun weights"]


def test_a_killed_worker_fails_its_own_requests_and_the_next_one_works(
    engine: EngineClient, home: Path
) -> None:
    events = engine.ask(Count("killed", 1000, pause=0.01))
    next(event for event in events if isinstance(event, Step))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "localai.pool.worker" in process.cmdline() and process.environ().get("HOME") == str(
                home
            ):
                process.kill()
    with pytest.raises(WorkerDied, match="SIGKILL"):
        list(events)
    assert words(list(engine.ask(Count("again", 1)))) == ["again weights"]


def test_it_refuses_what_is_no_request_of_its_own(engine: EngineClient) -> None:
    with pytest.raises(LocalaiError, match="has no field 'number'"):
        list(engine.ask(Step(3)))
    with pytest.raises(LocalaiError, match="counts no tokens"):
        engine.count_tokens(Count("x", 1))
    assert words(list(engine.ask(Count("still", 1)))) == ["still weights"]


def test_it_is_listed_sized_by_its_folder_and_stopped(warm: Path, toy: ModelSpec) -> None:
    assert registry.estimate(toy, {})["cpu"] > 5_000_000
    with PooledClient(toy, 300) as engine:
        engine.wait()
        assert "toy" in run("ps").out
        (model,) = run("ps", "--json").json["models"]
        assert (model["model"], model["kind"], model["state"]) == ("toy", "toy", "ready")
    assert run("stop", "toy").code == 0
    assert run("ps", "--json").json["models"] == []


def test_a_file_that_changes_in_its_folder_makes_it_another_model(
    warm: Path, toy: ModelSpec
) -> None:
    with PooledClient(toy, 300) as engine:
        assert words(list(engine.ask(Count("a", 1)))) == ["a weights"]
    (Path(toy.files[0]) / "another").write_bytes(b"")
    with PooledClient(toy, 300) as engine:
        assert words(list(engine.ask(Count("a", 1)))) == ["a another"]


def test_it_leaves_at_the_memory_limit(
    warm: Path, toy: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with open(other / "weights", "wb") as file:
        file.truncate(400_000_000)
    monkeypatch.setenv("LOCALAI_MEMORY_LIMIT", "510000000")
    settings.load.cache_clear()
    with PooledClient(toy, 300) as engine:
        engine.wait()
    with PooledClient(toy._replace(files=(str(other),), name="other"), 300) as engine:
        engine.wait()
        assert [model["model"] for model in daemon_client.status()["models"]] == ["other"]
    with open(other / "weights", "wb") as file:
        file.truncate(600_000_000)
    with pytest.raises(NotEnoughMemory, match="the model needs about"):
        PooledClient(toy._replace(files=(str(other),)), 300)


def test_a_host_that_does_not_know_its_kind_gives_way_to_one_that_does(
    warm: Path, toy: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    capital = ("-m", "tiny", "--temp", "0", "What is the capital of France?")
    with monkeypatch.context() as patch:
        patch.delenv("LOCALAI_ENGINES")
        assert run("ask", *capital).out == "The capital of France is Paris.\n"
    with PooledClient(toy, 300) as engine:
        assert words(list(engine.ask(Count("a", 1)))) == ["a weights"]
    assert run("ask", *capital).out == "The capital of France is Paris.\n"
    assert {model["kind"] for model in daemon_client.status()["models"]} == {"toy", "text"}


def test_a_module_that_gives_no_engines_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_such_module", "json"):
        monkeypatch.setenv("LOCALAI_ENGINES", name)
        registry.engines.cache_clear()
        with pytest.raises(EngineMissing, match=f"names {name}, which gives no engines"):
            registry.engines()
    monkeypatch.delenv("LOCALAI_ENGINES")
    registry.engines.cache_clear()


def test_events_are_read_without_a_further_thread_and_leave_no_descriptor(
    threads: set[threading.Thread], engine: EngineClient
) -> None:
    engine.wait()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert words(list(engine.ask(Count("a", 1)))) == ["a weights"]
    assert len(os.listdir("/proc/self/fd")) == before
    assert set(threading.enumerate()) <= threads
