"""What all tests share: a home of their own, the command, and the tiny model's engine."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai.catalog.names import TINY
from localai.engines.base import Call
from localai.pool import protocol
from localai.types import LAST, Event, Message, ModelSpec, Sampling, Text, TextRequest, Thinking

ROOT = Path(__file__).resolve().parent.parent
GREEDY = Sampling(temperature=0)
PATIENCE = 60.0  # seconds; a hang is a failure, a slow machine is not


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home for this test alone; no setting of the machine reaches it."""
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("LOCALAI_", "LLM_", "XDG_")) or name in (
            *("NO_COLOR", "FORCE_COLOR"),
            *("COLUMNS", "LINES"),  # pytest-xdist sets them: a terminal of a test has its own
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    # One thread: these machines are shared, and threads that wait for each other spin.
    monkeypatch.setenv("LOCALAI_THREADS", "1")
    monkeypatch.setenv("LOCALAI_WARM", "0")  # `warm` starts a host, and sees it off
    for name in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(folder / name.lower()))
    stamp = folder / "state" / "localai" / "gpu-looked"
    stamp.parent.mkdir(parents=True)
    stamp.touch()  # the machine's GPU is not what these tests are about
    from localai import settings

    settings.load.cache_clear()
    return folder


def ours(home: Path) -> list[psutil.Process]:
    """All hosts and workers that were started in a test's home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any("localai.pool." in part for part in process.cmdline()) and process.environ().get(
                "HOME"
            ) == str(home):
                found.append(process)
    return found


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for a condition and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} seconds")


def settled(home: Path) -> bool:
    """Whether nothing is being answered any more; without a host, no process is left either."""
    from localai.pool import daemon_client

    if os.environ["LOCALAI_WARM"] == "0":
        return not ours(home)
    return not any(
        model["running"] + model["waiting"] for model in daemon_client.status()["models"]
    )


@pytest.fixture
def warm(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with a warm host, started by its first command; nothing of it is left afterwards."""
    from localai import settings
    from localai.errors import NoDaemon
    from localai.pool import daemon_client

    monkeypatch.setenv("LOCALAI_WARM", "1")
    settings.load.cache_clear()
    yield home
    settings.load.cache_clear()
    with contextlib.suppress(NoDaemon):
        daemon_client.stop(None)
    until(lambda: not ours(home))


@pytest.fixture(params=["cold", "warm"])
def warmth(request: pytest.FixtureRequest) -> str:
    """Each test that takes it runs with a worker a command, and with the warm host."""
    if request.param == "warm":
        request.getfixturevalue("warm")
    return str(request.param)


@dataclass(frozen=True)
class Ran:
    """What a command left: bytes, not text."""

    stdout: bytes
    stderr: bytes
    code: int

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def command(*arguments: str) -> list[str]:
    """The command line of `localai` with these arguments."""
    return [sys.executable, "-m", "localai", *arguments]


def run(*arguments: str, stdin: str | bytes = b"", timeout: float = 120, **more: Any) -> Ran:
    """Run `localai` as a shell would, with pipes."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command(*arguments),
        input=data,
        capture_output=True,
        timeout=timeout,
        env={**environment, **more.pop("env", {})},
        **more,
    )
    return Ran(done.stdout, done.stderr, done.returncode)


def ask(*arguments: str, **more: Any) -> Ran:
    """Ask the tiny model greedily."""
    return run("ask", "-m", "tiny", "--temp", "0", *arguments, **more)


def of_another_version(frame: bytes) -> bytes:
    """A message as a later version of ours would send it."""
    ours, theirs = (b'"v":%d,' % version for version in (protocol.VERSION, protocol.VERSION + 1))
    assert ours in frame
    return frame.replace(ours, theirs)


@dataclass
class Reply:
    """A whole answer of an engine."""

    text: str = ""
    thinking: str = ""
    end: Any = None

    @property
    def usage(self) -> Any:
        assert self.end is not None and self.end.usage is not None, self.end
        return self.end.usage

    def take(self, event: Event) -> None:
        if isinstance(event, Text):
            self.text += event.text
        elif isinstance(event, Thinking):
            self.thinking += event.text
        elif isinstance(event, LAST):
            self.end = event


class InProcess:
    """The text engine in this process, for what only its counters can tell."""

    def __init__(self, path: Path = TINY, *more: Path, **spec: Any) -> None:
        from localai.engines.llama.engine import LlamaEngine

        self.events: queue.SimpleQueue[tuple[str, Event]] = queue.SimpleQueue()
        files = (str(path), *map(str, more))
        model = ModelSpec("text", files, options={"threads": 1, **spec})
        self.engine = LlamaEngine(model, lambda events: [self.events.put(each) for each in events])
        self._count = 0
        self._kept: dict[str, list[Event]] = {}  # of requests that nobody has waited for yet

    @property
    def evaluated(self) -> int:
        return self.engine.scheduler.evaluated

    def submit(self, *turns: str, client: str = "", **more: Any) -> str:
        """Send a request; turns are user, assistant, user and so on, after `system`."""
        self._count += 1
        name = f"r{self._count}"
        self.engine.submit(Call(name, client, request(*turns, **more)))
        return name

    def gather(self, names: list[str]) -> dict[str, Reply]:
        """Wait for the ends of these requests; what comes of others meanwhile is kept."""
        replies = {name: Reply() for name in names}
        for name, reply in replies.items():
            for event in self._kept.pop(name, ()):
                reply.take(event)
        while not all(reply.end for reply in replies.values()):
            name, event = self.events.get(timeout=120)
            if name in replies:
                replies[name].take(event)
            else:
                self._kept.setdefault(name, []).append(event)
        return replies

    def ask(self, *turns: str, **more: Any) -> Reply:
        name = self.submit(*turns, **more)
        return self.gather([name])[name]


@pytest.fixture
def chat(home: Path) -> Iterator[Callable[..., Any]]:
    """Opens chats with the tiny model in terminals of their own, and closes them."""
    from tests.support.chat_screen import Chat

    opened: list[Chat] = []

    def make(*arguments: str, columns: int = 80, rows: int = 30, **more: Any) -> Chat:
        greedy = () if "--temp" in arguments else ("--temp", "0")
        opened.append(Chat(("-m", "tiny", *greedy, *arguments), columns, rows, **more))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def request(*turns: str, system: str = "", **more: Any) -> TextRequest:
    """A greedy request, unless `sampling` says otherwise."""
    roles = ("user", "assistant")
    messages = tuple(Message(roles[at % 2], turn) for at, turn in enumerate(turns))
    if system:
        messages = (Message("system", system), *messages)
    return TextRequest(**{"messages": messages, "sampling": GREEDY, "max_tokens": 64, **more})


@pytest.fixture
def engine_of() -> Iterator[Callable[..., InProcess]]:
    """Makes engines in this process and closes them."""
    made: list[InProcess] = []

    def make(path: Path = TINY, **spec: Any) -> InProcess:
        made.append(InProcess(path, **spec))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


@pytest.fixture
def tiny(engine_of: Callable[..., InProcess]) -> InProcess:
    """The tiny model in this process."""
    return engine_of()
