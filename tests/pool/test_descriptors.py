"""Open descriptors that come with a request, and result files that a worker leaves for its client."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai.catalog.names import TINY
from localai.engines import registry
from localai.errors import BadInput, LocalaiError, WorkerDied
from localai.formats.serialization import to_plain
from localai.pool import protocol
from localai.pool.client import DedicatedClient, PooledClient
from localai.pool.engine_client import EngineClient
from localai.system.files import adopt, sweep_partials
from localai.types import Event, FileReady, Finished, ModelSpec, Text
from tests.conftest import ROOT, ours, request, until
from tests.support import odd_engines
from tests.support.odd_engines import Copy, Read
from tests.support.toy_engine import Step


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelSpec]:
    monkeypatch.setenv("LOCALAI_ENGINES", odd_engines.__name__)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for cached in (registry.engines, registry.event_types):
        cached.cache_clear()
    model = tmp_path / "shelf.bin"
    model.write_bytes(b"")
    yield ModelSpec("shelf", (str(model),), "shelf")
    for cached in (registry.engines, registry.event_types):
        cached.cache_clear()


@pytest.fixture(params=["cold", "warm"])
def engine(request: pytest.FixtureRequest, shelf: ModelSpec) -> Iterator[EngineClient]:
    if request.param == "warm":
        request.getfixturevalue("warm")
    with DedicatedClient(shelf) if request.param == "cold" else PooledClient(shelf, 300) as client:
        yield client


@pytest.fixture
def note(tmp_path: Path) -> Iterator[int]:
    """A descriptor of a file with a name of its own."""
    with opened(tmp_path, "a note") as number:
        yield number


@contextlib.contextmanager
def opened(folder: Path, text: str) -> Iterator[int]:
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="note-") as file:
        file.write(text)
        file.flush()
        number = os.open(file.name, os.O_RDONLY)
        try:
            yield number
        finally:
            os.close(number)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def worker(home: Path) -> psutil.Process:
    (found,) = [each for each in ours(home) if "localai.pool.worker" in each.cmdline()]
    return found


def has_open(process: psutil.Process, descriptor: int) -> bool:
    """Whether a process has the same file open as we have."""
    wanted = os.readlink(f"/proc/self/fd/{descriptor}")
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.readlink(f"/proc/{process.pid}/fd/{name}") == wanted:
                return True
    return False


def again(descriptor: int) -> list[int]:
    """A file that is to be read once more: where it is read is the same for all who have it."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    return [descriptor]


def texts(events: Iterator[Event] | list[Event]) -> tuple[str, ...]:
    (read,) = [event for event in events if isinstance(event, Read)]
    return read.texts


def begun(events: Iterator[Event]) -> None:
    """Wait until the engine has read what came."""
    next(event for event in events if isinstance(event, Read))


# Descriptors.


def test_what_only_the_client_can_open_is_read_by_the_worker_and_closed_at_the_end(
    engine: EngineClient, note: int, home: Path
) -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, b"through a pipe")
    os.close(write_end)
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"without a name")
        nameless.seek(0)
        files = (note, read_end, nameless.fileno())
        events = list(engine.ask(Copy(), files))
        assert texts(events) == ("a note", "through a pipe", "without a name")
        assert isinstance(events[-1], Finished)
        for number in files:
            assert not has_open(worker(home), number)
            os.fstat(number)  # ours stay open
    os.close(read_end)


def test_the_files_of_several_requests_are_not_mixed_up(engine: EngineClient, out: Path) -> None:
    with contextlib.ExitStack() as stack:
        numbers = [stack.enter_context(opened(out, f"note {at}")) for at in range(8)]
        first = engine.ask(Copy(), numbers[:3])
        second = engine.ask(Copy())
        third = engine.ask(Copy(), numbers[3:])
        assert texts(third) == tuple(f"note {at}" for at in range(3, 8))
        assert texts(second) == ()
        assert texts(first) == ("note 0", "note 1", "note 2")


def test_files_come_with_a_request_of_megabytes(engine: EngineClient, note: int) -> None:
    assert texts(engine.ask(Copy(folder="x" * 5_000_000), [note])) == ("a note",)


@pytest.mark.parametrize("asked", [Copy(fail="refuse"), Step(1), Copy(fail="break", times=1)])
def test_a_request_that_fails_leaves_no_descriptor_open(
    asked: Any, engine: EngineClient, note: int, out: Path, home: Path
) -> None:
    if isinstance(asked, Copy):
        asked = asked._replace(folder=str(out))
    with pytest.raises(LocalaiError):
        list(engine.ask(asked, [note]))
    assert not has_open(worker(home), note)
    assert texts(engine.ask(Copy(), again(note))) == ("a note",)


def test_a_cancelled_request_leaves_no_descriptor_open(
    engine: EngineClient, note: int, out: Path, home: Path
) -> None:
    running = engine.ask(Copy(str(out), 1, pause=60), [note])
    begun(running)
    with opened(out, "another") as other:
        waiting = engine.ask(Copy(), [other])
        until(lambda: has_open(worker(home), other))
        assert has_open(worker(home), note)
        waiting.close()  # type: ignore[attr-defined]
        until(lambda: not has_open(worker(home), other))
        running.close()  # type: ignore[attr-defined]
        until(lambda: not has_open(worker(home), note))
    assert list(out.iterdir()) == []


def test_a_request_at_whose_answer_nobody_has_looked_is_cancelled_as_well(
    engine: EngineClient, note: int, out: Path, home: Path
) -> None:
    running = engine.ask(Copy(str(out), 1, pause=60))
    engine.ask(Copy(), [note])  # left at once, closed by nobody
    begun(running)
    until(lambda: not has_open(worker(home), note))
    running.close()  # type: ignore[attr-defined]
    assert texts(engine.ask(Copy(), again(note))) == ("a note",)


def test_what_is_cancelled_before_the_model_is_loaded_leaves_no_descriptor_open(
    shelf: ModelSpec, note: int, home: Path
) -> None:
    with DedicatedClient(shelf._replace(options={"slow": 2})) as engine:
        early = engine.ask(Copy(), [note])
        second = engine.ask(Copy())
        until(lambda: has_open(worker(home), note))
        early.close()  # type: ignore[attr-defined]
        until(lambda: not has_open(worker(home), note))
        assert texts(second) == ()


def test_a_client_that_leaves_takes_its_descriptors_along(
    warm: Path, shelf: ModelSpec, note: int, out: Path, home: Path
) -> None:
    with PooledClient(shelf, 300) as other:
        with PooledClient(shelf, 300) as leaver:
            running = leaver.ask(Copy(str(out), 1, pause=60), [note])
            waiting = leaver.ask(Copy(), [note])
            begun(running)
            assert has_open(worker(home), note) and waiting
        until(lambda: not has_open(worker(home), note))
        assert texts(other.ask(Copy(), again(note))) == ("a note",)


CLIENT = """
import sys, time
from localai.pool.client import PooledClient
from localai.types import FileReady, ModelSpec
from tests.support.odd_engines import Copy
with open(sys.argv[2]) as note, PooledClient(ModelSpec("shelf", (sys.argv[1],), "shelf"), 300) as it:
    for event in it.ask(Copy(sys.argv[3], 3, pause=float(sys.argv[4])), [note.fileno()]):
        if isinstance(event, FileReady):
            print(event.number, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("pause", ["0", "0.5"], ids=["at the end", "in the middle"])
def test_a_killed_client_leaves_neither_descriptors_nor_result_files(
    pause: str, warm: Path, shelf: ModelSpec, out: Path, home: Path, note: int
) -> None:
    path = os.readlink(f"/proc/self/fd/{note}")
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, shelf.files[0], path, str(out), pause],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"0\n"
    if pause == "0":
        assert client.stdout.readline() + client.stdout.readline() == b"1\n2\n"
        assert len(list(out.iterdir())) == 3
    client.send_signal(signal.SIGKILL)
    client.communicate()
    until(lambda: not has_open(worker(home), note))
    until(lambda: not list(out.iterdir()))
    with PooledClient(shelf, 300) as engine:  # and it comes no more of it
        assert texts(engine.ask(Copy(), again(note))) == ("a note",)
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("claim", "carried"),
    [
        (1, 0),
        (3, 2),
        *((claim, count) for claim in (10**9, -1, True, None, "1", 1.0, [1]) for count in (0, 2)),
    ],
)
def test_a_frame_that_speaks_of_other_descriptors_than_it_carries_is_refused(
    claim: Any, carried: int, shelf: ModelSpec, note: int, out: Path, home: Path
) -> None:
    with DedicatedClient(shelf) as engine, opened(out, "another") as other:
        connection = engine._connection()
        fields = {"request": to_plain(Copy()), "files": claim}
        name = connection._send_new("generate", [other] * carried, **fields)
        with pytest.raises(BadInput, match="descriptors that did not come with it"):
            list(connection.events(name))
        assert not has_open(worker(home), other)
        assert texts(engine.ask(Copy(), again(note))) == (
            "a note",
        )  # its own, and not what was left


def test_more_descriptors_than_a_frame_carries_are_refused_by_the_client(
    engine: EngineClient, note: int
) -> None:
    with pytest.raises(
        BadInput, match=rf"{protocol.MAX_FILES + 1} open files; at most {protocol.MAX_FILES}"
    ):
        next(engine.ask(Copy(), [note] * (protocol.MAX_FILES + 1)))
    with contextlib.ExitStack() as stack:
        numbers = [stack.enter_context(opened(Path("/tmp"), str(at))) for at in range(8)]
        assert texts(engine.ask(Copy(), numbers)) == tuple("01234567")


def test_a_descriptor_that_is_not_open_is_refused_in_words(engine: EngineClient, note: int) -> None:
    closed = os.dup(note)
    os.close(closed)
    with pytest.raises(BadInput, match="cannot be sent"):
        next(engine.ask(Copy(), [closed]))
    assert texts(engine.ask(Copy(), again(note))) == ("a note",)


def test_what_waited_behind_a_step_that_does_not_end_comes_with_its_files_again(
    engine: EngineClient, note: int
) -> None:
    stuck = engine.ask(Copy(hang=60))
    next(stuck)
    waiting = engine.ask(Copy(), [note])
    stuck.close()  # type: ignore[attr-defined]
    assert texts(waiting) == ("a note",)


@pytest.mark.parametrize("kind", ["generate", "count_tokens"])
def test_an_engine_that_has_no_use_for_files_closes_them(
    kind: str, shelf: ModelSpec, note: int, home: Path
) -> None:
    text = ModelSpec("text", (str(TINY),), "tiny", {"threads": 1})
    asked = {"text": (text, request("What is 2 + 3?")), "shelf": (shelf, Copy())}
    for spec, question in asked.values():
        with DedicatedClient(spec) as engine:
            connection = engine._connection()
            fields = {"request": to_plain(question), "files": 1}
            events = connection.events(connection._send_new(kind, [note], **fields))
            with contextlib.suppress(LocalaiError):  # the shelf counts no tokens
                said = "".join(each.text for each in events if isinstance(each, Text))
                assert said in ("2 + 3 = 5.", "")
            until(lambda: not has_open(worker(home), note))
        until(lambda: not ours(home))


# Result files.


def ready(events: Iterator[Event]) -> list[FileReady]:
    return [event for event in events if isinstance(event, FileReady)]


def test_a_result_gets_its_name_from_the_client_and_stays(
    engine: EngineClient, note: int, out: Path
) -> None:
    found = ready(engine.ask(Copy(str(out), 3), [note]))
    assert [each.number for each in found] == [0, 1, 2]
    assert {Path(each.path).parent for each in found} == {out}
    for each in found[:2]:
        adopt(Path(each.path), out / f"{each.number}.txt", overwrite=False)
    assert len(list(out.iterdir())) == 3
    engine.close()
    until(lambda: len(list(out.iterdir())) == 2)  # nobody took the third
    assert {each.name: each.read_text() for each in out.iterdir()} == {
        "0.txt": "a note",
        "1.txt": "a note",
    }


@pytest.mark.parametrize("end", ["cancelled", "broken", "left"])
def test_results_of_a_request_that_did_not_end_are_removed_when_the_client_leaves(
    end: str, engine: EngineClient, note: int, out: Path
) -> None:
    events = engine.ask(
        Copy(str(out), 3, pause=0.2, fail="break" if end == "broken" else ""), [note]
    )
    first = next(event for event in events if isinstance(event, FileReady))
    assert Path(first.path).read_text() == "a note"
    if end == "cancelled":
        events.close()  # type: ignore[attr-defined]
    elif end == "broken":
        with pytest.raises(LocalaiError, match="the engine failed: ValueError: it broke"):
            list(events)
    engine.close()
    until(lambda: not list(out.iterdir()))
    time.sleep(0.5)
    assert not list(out.iterdir())


def test_a_result_that_has_its_name_is_not_removed_when_the_client_leaves(
    engine: EngineClient, note: int, out: Path
) -> None:
    (found,) = ready(engine.ask(Copy(str(out), 1), [note]))
    adopt(Path(found.path), out / "a.txt", overwrite=False)
    engine.close()
    assert (out / "a.txt").read_text() == "a note"


def test_what_a_killed_worker_has_left_is_swept_up(
    engine: EngineClient, note: int, out: Path, home: Path
) -> None:
    events = engine.ask(Copy(str(out), 3, pause=0.3), [note])
    next(event for event in events if isinstance(event, FileReady))
    sweep_partials(out)  # the worker lives: its file is not touched
    assert len(list(out.iterdir())) == 1
    process = worker(home)
    process.kill()
    with pytest.raises(WorkerDied):
        list(events)
    until(lambda: not psutil.pid_exists(process.pid))
    (out / ".localai-x.partial").write_text("of somebody else")
    (out / f".localai-{process.pid}-0-xyz.partial").write_text("of somebody else")
    (out / "mine.txt").write_text("mine")
    assert len(list(out.iterdir())) == 4
    sweep_partials(out)
    assert sorted(each.name for each in out.iterdir()) == sorted(
        ["mine.txt", ".localai-x.partial", f".localai-{process.pid}-0-xyz.partial"]
    )
    (found,) = ready(engine.ask(Copy(str(out), 1), again(note)))
    assert Path(found.path).read_text() == "a note"


def test_a_file_is_told_of_in_plain_data() -> None:
    event = FileReady("/x/.localai-1-0-ab.partial", 2, 7)
    (frame,) = protocol.Decoder().feed(protocol.encode_event("1", event))
    assert json.loads(json.dumps(frame))["event"] == {"path": event.path, "number": 2, "seed": 7}
