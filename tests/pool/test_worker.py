"""The worker: what it answers, what it refuses, and that nobody is left when the client goes.

Workers are started as the client starts them, in processes of their own. What needs several
connections at once runs the same class in this process, on the real engine.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai import settings
from localai.catalog.names import TINY
from localai.errors import BadModel, LocalaiError, NotEnoughMemory, WorkerDied
from localai.formats.serialization import to_plain
from localai.pool import protocol
from localai.pool.client import DedicatedClient
from localai.pool.worker import Worker
from localai.pool.worker_connection import WorkerConnection, WorkerRetired
from localai.pool.worker_process import WorkerExit, WorkerProcess
from localai.system import spawn
from localai.types import Finished, ModelSpec, Text, Usage
from tests.conftest import (
    PATIENCE,
    ROOT,
    ask,
    command,
    of_another_version,
    request,
    run,
    until,
)

SPEC = ModelSpec("text", (str(TINY),), "tiny", {"threads": 1})
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
# A constraint that takes thousands of tokens: an answer that lasts for many seconds.
LONG = ("--unbuffered", "--regex", "([a-z]{3} ){900}", "--temp", "0")


class Talk:
    """One connection to a worker: frames out, messages in."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(PATIENCE)
        self.unread: list[protocol.Frame] = []
        self._decoder = protocol.Decoder()

    def send(self, kind: str, name: str = "", **fields: Any) -> None:
        self.socket.sendall(protocol.encode(kind, name, **fields))

    def generate(self, name: str, *turns: str, **more: Any) -> None:
        self.send("generate", name, request=to_plain(request(*turns, **more)))

    def read(self) -> protocol.Frame | None:
        """The next message; None: the worker has closed the connection."""
        while not self.unread:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self.unread = self._decoder.feed(data)
        return self.unread.pop(0)

    def ends(self, names: set[str]) -> dict[str, protocol.Frame]:
        """The last message of each of these requests, with its text in `said`."""
        said = dict.fromkeys(names, "")
        found: dict[str, protocol.Frame] = {}
        while set(found) != names:
            message = self.read()
            assert message is not None, f"closed; still open: {names - set(found)}"
            name = message["id"]
            assert name in names and name not in found, f"a message too many: {message}"
            if message["type"] == "Text":
                said[name] += message["event"]["text"]
            elif message["type"] in ("Finished", "Failed"):
                found[name] = {**message["event"], "type": message["type"], "said": said[name]}
        return found

    def answer(self, name: str, *turns: str, **more: Any) -> protocol.Frame:
        self.generate(name, *turns, **more)
        return self.ends({name})[name]


class Process:
    """A worker in its own process, and its two sockets."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.process = WorkerProcess(spec)
        self.pid = self.process.pid
        self.control, self.talk = Talk(self.process.control), self.connect()
        self.status: int | None = None

    def connect(self) -> Talk:
        """One more client of the worker."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.process.control, [protocol.encode("connect")], [theirs.fileno()])
        return Talk(ours)

    def told(self) -> protocol.Frame:
        """What the worker says of itself, without how many requests it has."""
        while (message := self.control.read()) and message["type"] == "requests":
            pass
        assert message is not None
        return message

    def counts(self) -> tuple[int, int]:
        """How many requests run and wait, as the worker says next."""
        message = self.control.read()
        assert message is not None and message["type"] == "requests", message
        return message["running"], message["waiting"]

    def ended(self) -> bool:
        if self.process.ended():
            self.status = self.process.worker_exit(ready=True, has_answered=True).code
        return self.status is not None

    def leave(self) -> int:
        """Leave as a client does, and return the worker's exit status."""
        self.control.socket.close()
        self.talk.socket.close()
        until(self.ended)
        assert self.status is not None
        return self.status

    def words(self) -> str:
        return "\n".join(self.process.stderr_tail())

    def close(self) -> None:
        self.process.kill()
        until(self.ended)
        self.talk.socket.close()
        self.process.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    """Starts workers, and ends those that are left."""
    started: list[Process] = []

    def begin(spec: ModelSpec = SPEC) -> Process:
        settings.load.cache_clear()
        started.append(Process(spec))
        return started[-1]

    yield begin
    for process in started:
        process.close()


# One worker, one connection.


def test_it_says_ready_serves_two_at_once_and_leaves_with_its_owner(
    start: Callable[..., Process],
) -> None:
    worker = start()
    # Sent before the model is loaded: they wait.
    worker.talk.generate("a", CAPITAL)
    worker.talk.generate("b", "What colour is a lemon?")
    assert worker.told() == {
        "v": protocol.VERSION,
        "id": "",
        "type": "ready",
        "device": "CPU",
        "memory": {},
    }
    ends = worker.talk.ends({"a", "b"})
    assert ends["a"]["said"] == PARIS
    assert "yellow" in ends["b"]["said"]
    assert [end["reason"] for end in ends.values()] == ["stop", "stop"]
    # An id may be used again when its request has ended.
    assert worker.talk.answer("a", CAPITAL)["said"] == PARIS
    assert not worker.ended()
    assert worker.leave() == 0
    assert worker.words() == ""


def test_an_id_in_use_is_refused_and_its_request_goes_on(start: Callable[..., Process]) -> None:
    worker = start()
    worker.talk.generate("a", CAPITAL)
    worker.talk.generate("a", "What is 2 + 2?")
    seen, said = [], ""
    while "Finished" not in seen:
        message = worker.talk.read()
        assert message is not None and message["id"] == "a"
        if message["type"] == "Failed":
            error = message["event"]
            assert error["error"] == "BadInput" and "already" in error["what"]
        said += message["event"].get("text", "") if message["type"] == "Text" else ""
        seen.append(message["type"])
    assert seen.count("Failed") == 1
    assert said == PARIS


def test_cancelling_ends_one_request_and_no_other(start: Callable[..., Process]) -> None:
    worker = start()
    long = {"kind": "regex", "source": "([a-z]{3} ){900}"}
    worker.talk.send("cancel", "nobody")
    worker.talk.send("cancel", "")
    worker.talk.send(
        "generate", "long", request={**to_plain(request("go", max_tokens=None)), "constraint": long}
    )
    while (message := worker.talk.read()) and message["type"] != "Text":
        assert message["type"] == "Progress"
    worker.talk.generate("short", CAPITAL)
    begin = time.monotonic()
    worker.talk.send("cancel", "long")
    ends = worker.talk.ends({"long", "short"})
    assert (ends["long"]["type"], ends["long"]["reason"]) == ("Finished", "cancelled")
    assert ends["short"]["said"] == PARIS
    assert time.monotonic() - begin < 20
    worker.talk.send("cancel", "long")  # once more is nothing
    assert worker.talk.answer("again", CAPITAL)["said"] == PARIS


GOOD = to_plain(request(CAPITAL, max_tokens=3))
SPOILT: list[Any] = [
    # A request that is none.
    None, 5, True, "hello", [], [GOOD], {},
    # Fields that do not exist, or hold what they cannot.
    {**GOOD, "colour": "red"}, {**GOOD, "": 1}, {**GOOD, "messages": "hello"},
    {**GOOD, "messages": [CAPITAL]}, {**GOOD, "messages": [{"role": "pope", "content": "x"}]},
    {**GOOD, "messages": [{"role": "user"}]}, {**GOOD, "messages": [{"content": "x"}]},
    {**GOOD, "messages": [{"role": "user", "content": None}]}, {**GOOD, "messages": []},
    {**GOOD, "messages": [{"role": "user", "content": "x", "name": "y"}]}, {**GOOD, "raw": 5},
    {**GOOD, "max_tokens": "many"}, {**GOOD, "max_tokens": 1.5}, {**GOOD, "max_tokens": True},
    {**GOOD, "stop": "x"}, {**GOOD, "stop": [None]}, {**GOOD, "truncate": "all"},
    {**GOOD, "context": 10**9}, {**GOOD, "context": 10**30}, {**GOOD, "think": "yes"},
    {**GOOD, "sampling": 0}, {**GOOD, "sampling": {"temperature": "hot"}},
    {**GOOD, "sampling": {"heat": 1}}, {**GOOD, "sampling": {"seed": "x"}},
    # Constraints that cannot be.
    {**GOOD, "constraint": "yes,no"}, {**GOOD, "constraint": {"kind": "spell", "source": ""}},
    {**GOOD, "constraint": {"kind": "regex"}}, {**GOOD, "constraint": {"kind": "regex", "source": "("}},
    {**GOOD, "constraint": {"kind": "lark", "source": "start: x"}},
    {**GOOD, "constraint": {"kind": "gbnf", "source": "no grammar"}},
    {"raw": "", "max_tokens": 2},
]  # fmt: skip


def test_a_thousand_malformed_messages_get_an_error_each_and_nobody_else_notices(
    start: Callable[..., Process],
) -> None:
    worker = start()
    dice = random.Random(5)
    names = set()
    for at in range(1000):
        name = dice.choice(["", "é", "x" * 300, "1/2", "-"]) + str(at)
        names.add(name)
        if at % 4 == 0:
            worker.talk.send(dice.choice(["", "Generate", "ready", "Finished", "Text", "\0"]), name)
        else:
            worker.talk.send("generate", name, request=dice.choice(SPOILT))
        if at % 250 == 100:  # in the middle of it all, somebody asks a question
            worker.talk.generate(f"good{at}", CAPITAL)
            names.add(f"good{at}")
    ends = worker.talk.ends(names)
    good = {name: end for name, end in ends.items() if name.startswith("good")}
    assert [end["said"] for end in good.values()] == [PARIS] * 4
    for name, end in ends.items():
        if name not in good:
            assert end["type"] == "Failed" and end["what"], end
            assert end["error"] in ("BadInput", "BadConstraint"), end
    assert worker.leave() == 0
    assert worker.words() == ""


def test_a_full_queue_is_told_and_what_is_in_it_is_answered(start: Callable[..., Process]) -> None:
    worker = start()
    long = {"kind": "regex", "source": "([a-z]{3} ){900}"}
    endless = {**to_plain(request("go", max_tokens=None)), "constraint": long}
    running = [f"running {at}" for at in range(64)]  # more than the model has sequences
    for name in running:
        worker.talk.send("generate", name, request=endless)
    waiting = [str(at) for at in range(1100 - len(running))]
    for name in waiting:  # none of them is answered before those that run have ended
        worker.talk.generate(name, CAPITAL, max_tokens=1)
    for name in running:
        worker.talk.send("cancel", name)
    ends = worker.talk.ends({*running, *waiting})
    refused = [name for name in waiting if ends[name]["type"] == "Failed"]
    assert refused == waiting[1024 - len(running) :]
    assert {ends[name]["what"] for name in refused} == {
        "the queue is full: 1024 requests run or wait already"
    }
    assert {ends[name]["reason"] for name in running} == {"cancelled"}
    assert {ends[name]["reason"] for name in waiting[: -len(refused)]} == {"length"}
    assert worker.talk.answer("again", CAPITAL)["said"] == PARIS


def test_the_owner_hears_how_many_requests_run_and_wait(start: Callable[..., Process]) -> None:
    worker = start()
    assert worker.told()["type"] == "ready"
    worker.talk.generate("a", CAPITAL)
    assert worker.talk.ends({"a"})["a"]["said"] == PARIS
    heard = [worker.counts() for _ in range(3)]
    assert heard == [(0, 1), (1, 0), (0, 0)]
    # What is refused has never been there.
    worker.talk.send("generate", "b", request={"colour": "red"})
    assert worker.talk.ends({"b"})["b"]["type"] == "Failed"
    worker.talk.generate("c", CAPITAL)
    worker.talk.generate("d", CAPITAL)
    worker.talk.ends({"c", "d"})
    heard = [worker.counts()]
    while heard[-1] != (0, 0):
        heard.append(worker.counts())
    assert heard[0] == (0, 1)
    assert {sum(each) for each in heard} == {0, 1, 2}
    assert all(abs(sum(one) - sum(two)) <= 1 for one, two in pairwise(heard))


def test_a_request_that_is_cancelled_or_whose_client_leaves_is_counted_no_more(
    start: Callable[..., Process],
) -> None:
    worker = start()
    other = worker.connect()
    long = {"kind": "regex", "source": "([a-z]{3} ){900}"}
    asked = {**to_plain(request("go", max_tokens=None)), "constraint": long}
    worker.talk.send("generate", "a", request=asked)
    other.send("generate", "a", request=asked)
    for talk in (worker.talk, other):
        while (message := talk.read()) and message["type"] != "Text":
            pass
    worker.talk.send("cancel", "a")
    other.socket.close()
    assert worker.talk.ends({"a"})["a"]["reason"] == "cancelled"
    while (message := worker.control.read()) and (
        message["type"] != "requests" or message["running"] + message["waiting"]
    ):
        pass
    assert worker.talk.answer("b", CAPITAL)["said"] == PARIS


def test_a_leaving_worker_ends_what_it_has_and_takes_nothing_new(
    start: Callable[..., Process],
) -> None:
    worker = start()
    other = worker.connect()
    worker.talk.generate("a", "Count to 18.", max_tokens=None)
    assert worker.told()["type"] == "ready"
    while (message := worker.talk.read()) and message["type"] != "Text":
        pass
    worker.control.send("leave", at_once=False)
    while worker.counts() != (0, 0):
        pass
    other.generate("b", CAPITAL)
    ends = worker.talk.ends({"a"})
    assert ends["a"]["reason"] == "stop"
    retired = other.read()
    other.socket.close()
    assert retired is not None and retired["type"] == "retired"
    until(worker.ended)
    assert worker.status == 0


def test_a_worker_told_to_stop_ends_what_it_does(start: Callable[..., Process]) -> None:
    worker = start()
    long = {"kind": "regex", "source": "([a-z]{3} ){900}"}
    worker.talk.send(
        "generate", "a", request={**to_plain(request("go", max_tokens=None)), "constraint": long}
    )
    while (message := worker.talk.read()) and message["type"] != "Text":
        pass
    worker.control.send("leave", at_once=True)
    end = worker.talk.ends({"a"})["a"]
    assert end["type"] == "Failed" and "stopped" in end["what"]
    until(worker.ended)
    assert worker.status == 0


def spoilt(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(GOOD))
    inner = data
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return data


HARSH = [
    spoilt(("messages",), [{"role": "user", "content": "\ud800 alone"}]),
    spoilt(("messages",), [{"role": "user", "content": "a\0b"}]),
    spoilt(("messages",), [{"role": "assistant", "content": ""}]),
    spoilt(("messages",), [{"role": "system", "content": "x"}] * 3),
    spoilt(("messages",), [{"role": "user", "content": "x"}] * 200),
    spoilt(("raw",), "\ud800"),
    spoilt(("fixed",), -1),
    spoilt(("fixed",), 10**30),
    spoilt(("max_tokens",), 0),
    spoilt(("max_tokens",), -1),
    spoilt(("max_tokens",), 10**30),
    spoilt(("context",), -1),
    spoilt(("stop",), [""]),
    spoilt(("stop",), ["\ud800"]),
    spoilt(("stop",), ["x" * 100_000]),
    *(spoilt(("sampling",), {"temperature": 0.5, key: value}) for key, value in [
        ("temperature", float("nan")), ("temperature", -1.0), ("temperature", 1e308),
        ("top_k", -1), ("top_k", 2**31), ("top_k", 10**30),
        ("top_p", float("nan")), ("top_p", -1.0), ("top_p", 1e308),
        ("min_p", float("nan")), ("min_p", -1.0), ("min_p", 1e308),
        ("seed", -1), ("seed", 2**32), ("seed", 10**30),
    ]),
    *(spoilt(("sampling",), {"repeat_penalty": 1.1, key: value}) for key, value in [
        ("repeat_penalty", 0.0), ("repeat_penalty", float("nan")), ("repeat_penalty", -1.0),
        ("repeat_last_n", 0), ("repeat_last_n", -1), ("repeat_last_n", -(10**30)),
    ]),
]  # fmt: skip


def test_values_of_the_right_type_that_mean_nothing_end_no_worker(
    start: Callable[..., Process],
) -> None:
    worker = start()
    for at, request_ in enumerate(HARSH):
        data = {"v": protocol.VERSION, "id": str(at), "type": "generate", "request": request_}
        frame = json.dumps(data).encode()  # escaped, so that lone surrogates arrive
        worker.talk.socket.sendall(struct.pack(">I", len(frame)) + frame)
        try:
            end = worker.talk.ends({str(at)})[str(at)]
        except AssertionError:
            until(worker.ended)
            pytest.fail(f"ended by {str(request_)[:200]}: {worker.words()[-300:]}")
        assert end["type"] == "Finished" or end["error"] in ("BadInput", "BadConstraint"), request_
    assert worker.talk.answer("good", CAPITAL)["said"] == PARIS


@pytest.mark.parametrize(
    ("kind", "source"),
    [("json_schema", "{"), ("json_schema", "[]"), ("json_schema", ""), ("choices", "yes"),
     ("choices", "5"), ("regex", ""), ("regex", "\0"), ("lark", ""), ("gbnf", "")],
)  # fmt: skip
def test_a_constraint_that_no_client_of_ours_sends_ends_no_worker(
    kind: str, source: str, start: Callable[..., Process]
) -> None:
    worker = start()
    constraint = {"kind": kind, "source": source}
    worker.talk.send("generate", "1", request={**GOOD, "constraint": constraint})
    end = worker.talk.ends({"1"})["1"]
    assert end["type"] == "Finished" or end["error"] in ("BadConstraint", "BadInput")
    assert worker.talk.answer("good", CAPITAL)["said"] == PARIS


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\xff" * 100,
        struct.pack(">I", 3) + b"abc",
        of_another_version(protocol.encode("generate", "1")),
        struct.pack(">I", 200_000) + b"[" * 200_000,
    ],
    ids=["http", "too long", "no JSON", "another version", "deep"],
)
def test_garbage_closes_the_connection_but_not_the_worker(
    garbage: bytes, start: Callable[..., Process]
) -> None:
    worker = start()
    assert worker.told()["type"] == "ready"
    worker.talk.socket.sendall(garbage)
    message = worker.talk.read()
    assert message is not None
    assert message["type"] == "Failed" and message["event"]["what"]
    assert message["event"]["error"] in ("ProtocolError", "OtherVersion")
    assert worker.talk.read() is None
    assert not worker.ended()
    worker.control.socket.close()
    until(worker.ended)
    assert worker.status == 0


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (ModelSpec("smell", (str(TINY),)), "EngineMissing"),
        (ModelSpec("text", (str(ROOT / "pyproject.toml"),)), "BadModel"),
    ],
    ids=["no such engine", "no model"],
)
def test_what_cannot_be_loaded_is_told_on_the_control(
    spec: ModelSpec, error: str, start: Callable[..., Process]
) -> None:
    worker = start(spec)
    message = worker.told()
    assert (message["type"], message["error"]) == ("failed", error) and message["what"]
    until(worker.ended)
    assert worker.status == 0


def test_an_owner_who_leaves_while_the_model_loads_is_noticed(
    start: Callable[..., Process],
) -> None:
    worker = start()
    worker.control.socket.close()
    until(worker.ended, 30)
    assert worker.status == 0


def test_a_client_that_does_not_read_holds_up_nobody_and_loses_nothing(
    start: Callable[..., Process],
) -> None:
    worker = start()
    for at in range(100):  # errors without end, unread: more than the socket holds
        for more in range(30):
            worker.talk.send("unknown" * 20, f"{at}-{more}")
    worker.talk.generate("good", CAPITAL)
    names = {f"{at}-{more}" for at in range(100) for more in range(30)} | {"good"}
    ends = worker.talk.ends(names)
    assert ends["good"]["said"] == PARIS


# Several connections: the same class in this process.


@pytest.fixture
def served() -> Iterator[Callable[[], Talk]]:
    """Makes connections to a worker that serves in a thread."""
    settings.load.cache_clear()
    control, theirs = socket.socketpair()
    worker = Worker(theirs, SPEC.kind)
    worker.load(SPEC)
    assert (message := Talk(control).read()) is not None and message["type"] == "ready"
    thread = threading.Thread(target=worker.serve, daemon=True)
    talks: list[Talk] = []

    def connect() -> Talk:
        ours, other = socket.socketpair()
        worker.connect(other)
        talks.append(Talk(ours))
        return talks[-1]

    thread.start()
    yield connect
    for talk in talks:
        talk.socket.close()
    control.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    worker.close()
    theirs.close()
    worker._selector.close()


def test_hundreds_of_garbage_connections_do_not_disturb_the_others(
    served: Callable[[], Talk],
) -> None:
    dice = random.Random(3)
    good = served()
    for at in range(300):
        bad = served()
        whole = protocol.encode("generate", "1", request=GOOD)
        data = dice.choice(
            [
                dice.randbytes(dice.randrange(4, 200)) + b"\xff" * 8,
                whole[: dice.randrange(len(whole))],  # cut off in the middle
                whole.replace(b"{", b"[", 1),
                b"",
            ]
        )
        with contextlib.suppress(OSError):
            bad.socket.sendall(data)
            bad.socket.shutdown(socket.SHUT_WR)
        while message := bad.read():
            assert message["type"] == "Failed", message
        bad.socket.close()
        if at % 100 == 0:
            assert good.answer(str(at), CAPITAL)["said"] == PARIS
    assert good.answer("last", CAPITAL)["said"] == PARIS


def test_the_same_id_on_two_connections_is_two_requests(served: Callable[[], Talk]) -> None:
    one, two = served(), served()
    one.generate("1", CAPITAL)
    two.generate("1", "What colour is a lemon?")
    assert one.ends({"1"})["1"]["said"] == PARIS
    assert "yellow" in two.ends({"1"})["1"]["said"]
    one.generate("2", CAPITAL)
    two.send("cancel", "2")  # not theirs
    assert one.ends({"2"})["2"]["reason"] == "stop"


def test_a_client_who_comes_after_another_hears_nothing_of_its_request(
    served: Callable[[], Talk],
) -> None:
    for _ in range(20):
        leaver = served()
        leaver.generate("1", "Count to 20.", max_tokens=100)
        assert leaver.read() is not None
        leaver.generate("2", CAPITAL)
        leaver.socket.close()
        newcomer = served()
        newcomer.send("none such", "mine")
        heard = newcomer.ends({"mine"})  # refuses whatever has another id
        assert heard["mine"]["type"] == "Failed"
        assert newcomer.answer("3", CAPITAL)["said"] == PARIS
        newcomer.socket.close()


# The client's side.


def test_the_client_streams_cancels_and_leaves_no_process(home: Path) -> None:
    with DedicatedClient(SPEC) as engine:
        assert engine._process is not None
        pid = engine._process.pid
        events = list(engine.ask(request(CAPITAL)))
        assert "".join(event.text for event in events if isinstance(event, Text)) == PARIS
        assert isinstance(events[-1], Finished) and events[-1].usage is not None
    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 15)


def test_a_worker_that_dies_before_its_first_word_blames_the_file_and_later_itself(
    home: Path,
) -> None:
    with DedicatedClient(SPEC) as engine:
        engine.wait()
        assert engine._process is not None
        os.kill(engine._process.pid, signal.SIGSEGV)
        with pytest.raises(BadModel, match=r"by SIGSEGV at selectors\.py:\d+ when it first"):
            list(engine.ask(request(CAPITAL)))
    with DedicatedClient(SPEC) as engine:
        engine.wait()
        assert engine._process is not None
        os.kill(engine._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="SIGKILL"):
            list(engine.ask(request(CAPITAL)))


class Client:
    """`localai ask` in a process group of its own, with its worker."""

    def __init__(self, *arguments: str, **more: Any) -> None:
        self.process = subprocess.Popen(
            command("ask", "-m", "tiny", *arguments),
            stdin=more.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # A test run in the background of a shell ignores Ctrl-C, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def worker(self) -> psutil.Process:
        """The worker's process, as soon as it is there."""

        def look() -> psutil.Process | None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self.process.pid).children():
                    if "localai.pool.worker" in child.cmdline():
                        return child
            return None

        found = until(look)
        assert isinstance(found, psutil.Process)
        return found

    def first(self, count: int = 20) -> bytes:
        """Wait for the first bytes of the answer."""
        assert self.process.stdout is not None
        found = b""
        while len(found) < count:
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, self.rest()
            found += piece
        return found

    def rest(self) -> tuple[bytes, bytes, int]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return out, err, self.process.returncode


@pytest.fixture
def begin() -> Iterator[Callable[..., Client]]:
    """Starts clients, and ends those that are left."""
    started: list[Client] = []

    def make(*arguments: str, **more: Any) -> Client:
        started.append(Client(*arguments, **more))
        return started[-1]

    yield make
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_ctrl_c_in_the_middle_of_an_answer_stops_at_once_and_leaves_nothing(
    begin: Callable[..., Client],
) -> None:
    client_ = begin(*LONG, "go")
    worker = client_.worker()
    client_.first()
    start_ = time.monotonic()
    os.killpg(client_.process.pid, signal.SIGINT)
    _, err, code = client_.rest()
    assert (code, err.strip()) == (130, b"localai: stopped")
    assert time.monotonic() - start_ < 5
    until(lambda: gone(worker), 15)


def test_ctrl_c_while_the_model_loads_is_the_same(begin: Callable[..., Client]) -> None:
    client_ = begin("-n", "3000", "--temp", "3", "go")
    worker = client_.worker()
    os.killpg(client_.process.pid, signal.SIGINT)
    _, err, code = client_.rest()
    assert (code, err.strip()) == (130, b"localai: stopped")
    until(lambda: gone(worker), 15)


def test_ctrl_c_while_a_long_prompt_is_read_is_the_same(begin: Callable[..., Client]) -> None:
    text = " ".join(f"The {at}th wolf sleeps." for at in range(400))
    client_ = begin("--truncate", "tail", "-n", "100", text)
    worker = client_.worker()
    os.killpg(client_.process.pid, signal.SIGINT)
    _, err, code = client_.rest()
    assert (code, err.strip()) == (130, b"localai: stopped")
    until(lambda: gone(worker), 15)


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """What is started here ends when it is hung up, also where the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_client_takes_its_worker_along(
    number: signal.Signals, begin: Callable[..., Client]
) -> None:
    client_ = begin(*LONG, "go")
    worker = client_.worker()
    client_.first()
    os.kill(client_.process.pid, number)
    out, err, code = client_.rest()
    assert code in (-number, 128 + number)
    assert b"Traceback" not in err and b"\x1b" not in out
    until(lambda: gone(worker), 15)


def test_a_killed_worker_is_one_clear_sentence(begin: Callable[..., Client]) -> None:
    client_ = begin(*LONG, "go")
    worker = client_.worker()
    first = client_.first()
    worker.kill()
    out, err, code = client_.rest()
    assert code == 1
    said, next_step = err.decode().splitlines()
    assert said.startswith("localai: ") and "SIGKILL" in said and "answer" in said
    assert next_step.startswith("  next: ")
    # What was said before stays said, and the line is not left open for the prompt.
    assert (first + out).decode().strip()


def test_a_worker_killed_while_it_loads_is_one_clear_sentence(begin: Callable[..., Client]) -> None:
    for _ in range(10):  # also before it was given its first socket
        client_ = begin("hi")
        client_.worker().kill()
        out, err, code = client_.rest()
        assert (out, code) == (b"", 1)
        assert "SIGKILL" in err.decode().splitlines()[0] and "Traceback" not in err.decode()


def test_a_worker_that_cannot_start_says_so_whatever_the_prompt_s_length(tmp_path: Path) -> None:
    # Prompts that fit the socket's buffer, and such that do not.
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + b"\0" * 100)
    for length in (10, 60_000, 250_000):
        done = subprocess.run(
            command("ask", "-m", str(damaged), "go"),
            input=b"x" * length,
            capture_output=True,
            timeout=PATIENCE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 3, (length, done)
        assert "damaged.gguf" in done.stderr.decode()


def test_a_stopped_reader_loses_no_byte() -> None:
    sentence = "The wolf sleeps in the forest. "
    arguments = command(
        "ask",
        "-m",
        "tiny",
        "--temp",
        "0",
        "--regex",
        f"({sentence.replace('.', '[.]')}){{200}}",
        "go",
    )
    read_end, write_end = os.pipe()
    size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    assert size < len(sentence) * 200
    reader = subprocess.Popen(["cat"], stdin=read_end, stdout=subprocess.PIPE)
    reader.send_signal(signal.SIGSTOP)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    writer = subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=write_end, stderr=subprocess.PIPE, env=env
    )
    os.close(write_end)

    def waiting() -> int:
        data = fcntl.ioctl(read_end, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(data, sys.byteorder)

    until(lambda: waiting() > size - 100)
    assert writer.poll() is None, "the pipe is full and the answer is not at its end"
    reader.send_signal(signal.SIGCONT)
    os.close(read_end)
    assert reader.communicate(timeout=PATIENCE)[0].decode() == sentence * 200 + "\n"
    assert (writer.communicate(timeout=PATIENCE)[1], writer.returncode) == (b"", 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_prompt_is_on_the_disk_also_when_the_client_is_ended(
    number: signal.Signals, begin: Callable[..., Client], tmp_path: Path, home: Path
) -> None:
    text = tmp_path / "secret.txt"
    text.write_text("a secret " * 31_000)
    with text.open("rb") as stdin:
        client_ = begin("--truncate", "head", *LONG, "go", stdin=stdin)
    client_.first()
    assert not holding(home, b"a secret a secret")
    os.kill(client_.process.pid, number)
    client_.rest()
    assert not holding(home, b"a secret a secret")


def holding(folder: Path, words: bytes) -> list[Path]:
    """The files below a folder that hold these words."""
    return [path for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_half_written_file_stays_when_the_client_is_ended(
    number: signal.Signals, begin: Callable[..., Client], tmp_path: Path
) -> None:
    client_ = begin("-o", str(tmp_path / "answer.txt"), *LONG, "go")
    until(lambda: any(path.stat().st_size for path in tmp_path.iterdir()))
    os.kill(client_.process.pid, number)
    _, _, code = client_.rest()
    assert code in (-number, 128 + number)
    assert not list(tmp_path.iterdir())


def test_an_answer_that_ends_together_with_its_worker_is_whole() -> None:
    ours, theirs = socket.socketpair()
    connection = WorkerConnection(ours, "text")
    name = connection.send(request("Hello!"))
    usage = Usage(1, 0, 1, 0, 0.0, 0.0, 0.0, 0.0, 7)
    last = [Text("Hel"), Text("lo!"), Finished("stop", usage=usage)]
    frames = [protocol.encode_event(name, event) for event in last]
    # All that the next look will find.
    theirs.sendall(b"".join(frames) + protocol.encode("retired"))
    assert list(connection.events(name)) == last
    name = connection.send(request("Hello!"))
    theirs.sendall(protocol.encode("retired", name))
    with pytest.raises(WorkerRetired):  # and now another worker is asked
        next(connection.events(name))
    connection.close()
    theirs.close()


CRASH = (
    "Fatal Python error: Segmentation fault",
    "",
    "Thread 0x00007f0000000001 (most recent call first):",
    '  File "/l/a.py", line 10 in wait',
    "",
    "Current thread 0x00007f0000000002 (most recent call first):",
    '  File "/l/b.py", line 20 in compile',
    '  File "/l/c.py", line 30 in run',
    "",
    "Extension modules: numpy (total: 1)",
)


@pytest.mark.parametrize(
    ("worker_exit", "kind", "sentence"),
    [
        (
            WorkerExit("f", 1, ready=True),
            WorkerDied,
            "ended with status 1 in the middle of the answer",
        ),
        (WorkerExit("f", 1), WorkerDied, "ended with status 1 while it was starting"),
        (WorkerExit("f", -9, ("KeyError: 'x'",)), WorkerDied, "by SIGKILL while .*: KeyError: 'x'"),
        (WorkerExit("f", 1, ("MemoryError",)), NotEnoughMemory, "not enough memory to start"),
        (
            WorkerExit("f", 1, ("MemoryError",), ready=True),
            WorkerDied,
            "in the middle .*: MemoryError",
        ),
        (WorkerExit("f", -signal.SIGSEGV, ready=True), BadModel, "SIGSEGV when it first used f"),
        (WorkerExit("f", -signal.SIGSEGV, (), True, True), WorkerDied, "SIGSEGV in the middle"),
        (
            WorkerExit("f", -signal.SIGSEGV, ("a warning", "", *CRASH), True, True),
            WorkerDied,
            "SIGSEGV at b.py:20 in the middle of the answer: a warning$",
        ),
        (WorkerExit("f", -signal.SIGSEGV, CRASH[:5]), BadModel, "SIGSEGV when it first used f$"),
        (WorkerExit("f", -signal.SIGBUS, (), True, True), WorkerDied, "f has changed while"),
    ],
)
def test_what_is_told_of_an_end(
    worker_exit: WorkerExit, kind: type[LocalaiError], sentence: str
) -> None:
    error = worker_exit.error()
    assert type(error) is kind and re.search(sentence, error.what)


@pytest.mark.parametrize("warm", ["0", "1"])
def test_debug_shows_the_last_words_of_an_engine(
    warm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'localai.pool.worker' in sys.orig_argv:\n"
        "    os.write(2, b'one word\\n\\x1b[2Janother\\n')\n"
        "    os._exit(3)\n"
    )
    monkeypatch.setenv("LOCALAI_WARM", warm)
    path = os.pathsep.join((str(ROOT), str(tmp_path)))
    done = ask("hi", env={"PYTHONPATH": path})
    assert done.code == 1 and "while it was starting" in done.err.splitlines()[0]
    assert "one word" not in done.err
    shown = ask("--debug", "hi", env={"PYTHONPATH": path})
    assert "the engine's last words:\none word\n" in shown.err and "\x1b" not in shown.err


WATCHED_ENVIRONMENT = """
import ctypes, os, sys
if "localai.pool.worker" in sys.orig_argv:
    block = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
    before, changes, leave = block.value, [], os._exit
    sys.addaudithook(
        lambda name, _: changes.append(name) if name in ("os.putenv", "os.unsetenv") else None
    )

    def end(code):
        with open(os.environ["CHANGES"], "w") as file:
            print(*changes, "moved" if block.value != before else "", file=file)
        leave(code)

    os._exit = end
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the name of the block is that of ELF systems")
@pytest.mark.parametrize("verb", ["ask", "transcribe", "sd"])
def test_the_environment_of_a_worker_stays_as_it_is(verb: str, tmp_path: Path) -> None:
    """A library that reads it (`getenv`) while another thread changes it, crashes."""
    (tmp_path / "sitecustomize.py").write_text(WATCHED_ENVIRONMENT)
    changes = tmp_path / "changes"
    asked = {
        "ask": ("ask", "-m", "tiny", CAPITAL),
        "transcribe": (
            *("transcribe", "-m", "tiny"),
            str(ROOT / "tests" / "speech" / "hello.flac"),
        ),
        "sd": ("sd", "-m", "tiny", "a red circle", "-o", str(tmp_path / "circle.png")),
    }[verb]
    path = os.pathsep.join((str(ROOT), str(tmp_path)))
    done = run(*asked, env={"PYTHONPATH": path, "CHANGES": str(changes)})
    assert done.code == 0, done.err
    assert until(changes.exists) and until(changes.read_text) == "\n"


def test_a_worker_that_cannot_be_started_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> int:
        raise OSError("too many processes")

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_spawn", refuse)
        for _ in range(5):
            with pytest.raises(OSError, match="too many"):
                WorkerProcess(SPEC)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_where_no_folder_tells_of_descriptors_none_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = spawn.inheritable_fds()
    with (tmp_path / "file").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert sorted(spawn.inheritable_fds()) == sorted([*before, file.fileno()])
        assert spawn.inheritable_fds(file.fileno()) == before

        def none(_: str) -> list[str]:
            raise FileNotFoundError

        monkeypatch.setattr(os, "listdir", none)
        assert spawn.inheritable_fds() == []


def test_an_id_is_free_as_soon_as_its_end_is_heard(start: Callable[..., Process]) -> None:
    worker = start()
    for _ in range(200):
        assert worker.talk.answer("a", CAPITAL, max_tokens=1)["reason"] == "length"
