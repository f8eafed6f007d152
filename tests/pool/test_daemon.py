"""The warm host: one for all, gone when it is not needed, and never in the way.

Everything here runs real hosts and workers in processes of their own, in a home of this test's.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from localai import settings
from localai.catalog.names import TINY
from localai.errors import LocalaiError, NoDaemon, WorkerDied
from localai.pool import daemon_client, daemon_socket, protocol
from localai.pool.client import PooledClient, open_engine
from localai.types import Constraint, Event, ModelSpec, Text
from tests.conftest import PATIENCE, ROOT, Ran, ask, command, ours, request, run, until

pytestmark = pytest.mark.usefixtures("warm")

SPEC = ModelSpec("text", (str(TINY),), "tiny", {"threads": 1})
CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
# A constraint that takes thousands of tokens: an answer that lasts for many seconds.
LONG = ("--unbuffered", "--regex", "([a-z]{3} ){900}", "--temp", "0")
QUESTIONS = [
    *(
        f"What is the capital of {daemon_socket}?"
        for daemon_socket in ("France", "Norway", "Peru", "Spain", "Italy")
    ),
    *(f"What colour is {thing}?" for thing in ("a lemon", "grass", "snow", "coal", "the sky")),
    *(f"What is {a} + {b}?" for a, b in ((2, 2), (7, 8), (1, 9), (6, 5), (3, 4))),
    *(f"Repeat: {words}" for words in ("red fox", "blue", "wolf and mouse", "ring", "five lamps")),
]


def processes(home: Path, kind: str) -> list[psutil.Process]:
    """The hosts or workers of this home that have not ended."""
    found = []
    for each in ours(home):
        with contextlib.suppress(psutil.Error):
            if f"localai.pool.{kind}" in each.cmdline() and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def only(home: Path, kind: str) -> psutil.Process:
    (found,) = processes(home, kind)
    return found


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


class Asking:
    """A long answer that is being given, read as it comes."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            command("ask", "-m", "tiny", *(arguments or (*LONG, "go"))),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def first(self, count: int = 8) -> bytes:
        assert self.process.stdout is not None
        found = b""
        while len(found) < count:
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, self.rest()
            found += piece
        return found

    def rest(self) -> Ran:
        out, err = self.process.communicate(timeout=PATIENCE)
        return Ran(out, err, self.process.returncode)


@pytest.fixture
def asking() -> Iterator[Callable[..., Asking]]:
    """Starts clients, and ends those that are left."""
    started: list[Asking] = []

    def start(*arguments: str) -> Asking:
        started.append(Asking(*arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


# One host for all.


def test_the_second_call_finds_the_model_loaded_and_many_first_calls_start_one_host(
    home: Path,
) -> None:
    clients = [Asking("--temp", "0", CAPITAL) for _ in range(6)]
    assert [client.rest() for client in clients] == [Ran(PARIS.encode() + b"\n", b"", 0)] * 6
    host, worker = only(home, "daemon"), only(home, "worker")
    done = ask("--json", CAPITAL)
    assert (done.json["answer"], done.code) == (PARIS, 0)
    assert done.json["tokens"]["reused"] == done.json["tokens"]["prompt"] - 1
    assert (only(home, "daemon").pid, only(home, "worker").pid) == (host.pid, worker.pid)
    assert len((home / "state" / "localai" / "host.log").read_text().splitlines()) == 2


def test_flags_that_change_no_memory_share_a_worker_and_others_do_not(home: Path) -> None:
    for flags in (
        [],
        ["--ctx", "512"],
        ["--threads", "2"],
        ["--temp", "1"],
        ["-s", "You are Ada."],
    ):
        assert ask(*flags, "-n", "3", CAPITAL).code == 0
    assert len(processes(home, "worker")) == 1
    assert ask("--gpu-layers", "0", "-n", "3", CAPITAL).code == 0
    assert ask("-n", "3", CAPITAL, env={"OMP_NUM_THREADS": "1"}).code == 0
    assert len(processes(home, "worker")) == 3


def test_a_host_is_nobodys_child_and_who_started_it_keeps_no_zombie(home: Path) -> None:
    before = psutil.Process().children()
    host = daemon_client.connect_or_start(time.monotonic() + 30)
    assert (host.ask(protocol.encode("status"))[0] or {})["type"] == "status"
    host.close()
    assert psutil.Process().children() == before
    assert only(home, "daemon").ppid() != os.getpid()


def test_cold_starts_no_host(home: Path) -> None:
    assert ask("--cold", CAPITAL).out == PARIS + "\n"
    assert ask(CAPITAL, env={"LOCALAI_WARM": "0"}).out == PARIS + "\n"
    assert processes(home, "daemon") == []
    until(lambda: not ours(home))


def test_the_host_is_small_and_imports_no_engine(home: Path) -> None:
    ask(CAPITAL)
    host = only(home, "daemon")
    assert host.memory_info().rss < 40e6
    maps = Path(f"/proc/{host.pid}/maps").read_text() if sys.platform == "linux" else ""
    assert not [line for line in maps.splitlines() if "llama" in line or "numpy" in line]


def test_no_keep_alive_by_the_settings_serves_a_first_call_too(home: Path) -> None:
    done = ask(CAPITAL, env={"LOCALAI_KEEP_ALIVE": "0"})
    assert (done.out, done.err) == (PARIS + "\n", "")
    until(lambda: not ours(home), 15)


def test_a_host_stays_for_a_month(home: Path) -> None:
    ask("--keep-alive", "30d", "-n", "1", CAPITAL)
    time.sleep(0.2)
    assert run("ps", "--json").json["models"][0]["leaves_in"] > 29 * 86400
    only(home, "daemon")


def test_what_a_shell_has_opened_is_closed_with_the_command(home: Path, tmp_path: Path) -> None:
    with (tmp_path / "held").open("w") as held:
        ask("-n", "1", CAPITAL, pass_fds=(held.fileno(),))
        ask("-n", "1", "--gpu-layers", "0", CAPITAL, pass_fds=(held.fileno(),))
    started = [*processes(home, "daemon"), *processes(home, "worker")]
    assert len(started) == 3
    for each in started:
        links = Path(f"/proc/{each.pid}/fd").iterdir()
        assert not [link for link in links if os.readlink(link) == str(tmp_path / "held")]


def test_a_model_whose_file_was_replaced_is_another_one(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    shutil.copy(TINY, path)
    assert run("ask", "-m", str(path), "--temp", "0", CAPITAL).out == PARIS + "\n"
    (tmp_path / "other").write_bytes(b"GGUF" + bytes(100))
    (tmp_path / "other").replace(path)
    done = run("ask", "-m", str(path), CAPITAL)
    assert (done.code, done.stdout) == (3, b"")


def test_a_host_whose_socket_was_removed_gives_way(home: Path) -> None:
    ask("-n", "1", CAPITAL)
    first = only(home, "daemon")
    (daemon_socket.folder() / "host.sock").unlink()
    done = ask(CAPITAL)
    assert (done.out, done.err) == (PARIS + "\n", "")
    assert only(home, "daemon").pid != first.pid
    shutil.rmtree(daemon_socket.folder())  # as at the end of a session
    until(lambda: not ours(home), 15)


def test_a_host_that_does_not_answer_is_told_of_and_can_be_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch, asking: Callable[..., Asking]
) -> None:
    busy = asking()
    busy.first()
    only(home, "daemon").suspend()
    monkeypatch.setattr(daemon_client, "PATIENCE", 0.2)
    with pytest.raises(NoDaemon) as caught:
        daemon_client.status()
    assert "stop --all" in caught.value.next_step
    warnings: list[str] = []
    with open_engine(SPEC, warm=True, keep_alive=60, warn=warnings.append) as engine:
        events = list(engine.ask(request(CAPITAL)))
    assert text_of(events) == PARIS
    assert len(warnings) == 1 and "does not answer" in warnings[0]
    assert daemon_client.stop(None) == ["the warm host, which did not answer"]
    assert busy.rest().code == 1, "what was being answered ends there"
    until(lambda: not ours(home), 15)
    assert ask(CAPITAL).out == PARIS + "\n"


def test_a_host_that_was_slow_still_tells_how_a_worker_ended(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("-n", "1", CAPITAL)
    host = only(home, "daemon")
    host.suspend()
    monkeypatch.setattr(daemon_client, "PATIENCE", 0.4)
    threading.Timer(0.6, host.resume).start()
    with PooledClient(SPEC, 60) as engine:  # the host is asked for its status meanwhile
        events = engine.ask(
            request("go", constraint=Constraint("regex", "([a-z]{3} ){900}"), max_tokens=3000)
        )
        while not isinstance(next(events), Text):
            pass
        for worker in processes(home, "worker"):
            worker.kill()
        with pytest.raises(WorkerDied, match="SIGKILL in the middle"):
            list(events)


def test_a_caller_with_many_open_files_is_served(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, limits[1]), limits[1]))
    try:
        with (tmp_path / "file").open("w") as file:
            numbers = [os.dup(file.fileno()) for _ in range(1100)]
        try:
            done = ask(CAPITAL, pass_fds=tuple(numbers))
        finally:
            for number in numbers:
                os.close(number)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert (done.out, done.err) == (PARIS + "\n", "")


def test_where_the_lock_cannot_be_written_the_host_lives() -> None:
    full = os.open("/dev/full", os.O_RDWR)
    daemon_socket.write_pids(full, [1, 2])
    os.close(full)


def test_warm_does_not_say_that_it_keeps_what_it_does_not(home: Path, tmp_path: Path) -> None:
    off = run("warm", "tiny", env={"LOCALAI_WARM": "0"})
    assert off.code == 1 and "switched off" in off.err
    (tmp_path / "file").write_text("")
    nowhere = {"XDG_RUNTIME_DIR": str(tmp_path / "file")}
    none = run("warm", "tiny", env=nowhere)
    assert none.code == 1 and "nothing is kept loaded" in none.err
    for verb in ("ps", "stop --all"):
        assert run(*verb.split(), env=nowhere).code == 0
    until(lambda: not ours(home))


@pytest.mark.parametrize("keep_alive", ["0", "1", "2s"])
def test_after_keep_alive_no_process_of_ours_is_left(keep_alive: str, home: Path) -> None:
    assert ask("--keep-alive", keep_alive, CAPITAL).out == PARIS + "\n"
    ended = time.monotonic()
    until(lambda: not ours(home), 15)
    if keep_alive == "2s":
        assert time.monotonic() - ended > 1
    assert ask("--keep-alive", keep_alive, CAPITAL).out == PARIS + "\n"


def test_minus_one_keeps_a_model_and_the_last_word_counts(home: Path) -> None:
    ask("--keep-alive", "0.5", "-n", "2", CAPITAL)
    ask("--keep-alive", "-1", "-n", "2", CAPITAL)
    time.sleep(1.5)
    only(home, "worker")
    (model,) = run("ps", "--json").json["models"]
    assert model["leaves_in"] is None
    ask("-n", "2", CAPITAL, env={"LOCALAI_KEEP_ALIVE": "0"})
    until(lambda: not ours(home), 15)


def test_a_warm_model_answers_the_call_after_which_it_is_to_leave(home: Path) -> None:
    run("warm", "tiny")
    assert ask("--keep-alive", "0", CAPITAL).out == PARIS + "\n"
    until(lambda: not ours(home), 15)
    log = (home / "state" / "localai" / "host.log").read_text()
    assert log.count("started ") == 1, "it is not loaded anew"


# What people type.


def test_ps_shows_what_is_loaded_and_stop_ends_it(home: Path) -> None:
    assert (run("ps").stdout, run("ps").err) == (b"", "no model is loaded\n")
    assert ours(home) == []  # asking does not start a host
    assert run("warm", "tiny", "--keep-alive", "1h").code == 0
    head, row = run("ps").out.splitlines()
    assert head.split()[:6] == ["MODEL", "KIND", "DEVICE", "MEMORY", "OF", "FILES"]
    assert row.split()[:3] == ["tiny", "text", "CPU"] and "60 min" in row
    (model,) = run("ps", "--json").json["models"]
    assert model["file"] == str(TINY) and model["state"] == "ready"
    assert 20e6 < model["memory"] < 500e6
    assert 0 < model["file_memory"] < model["memory"], "pages of files are a part of it"
    assert model["pid"] == only(home, "worker").pid
    done = run("stop", "tiny")
    assert (done.stdout, done.err, done.code) == (b"", "stopped tiny\n", 0)
    assert processes(home, "worker") == []
    assert run("ps", "--json").json["models"] == []
    assert ask(CAPITAL).out == PARIS + "\n"
    assert run("stop", str(TINY)).code == 0
    assert run("stop", "--all").code == 0
    until(lambda: not ours(home), 15)
    assert run("stop", "--all").code == 0


def test_stop_wants_to_know_what_and_knows_near_names(home: Path) -> None:
    ask("-n", "2", CAPITAL)
    for arguments, code, word in [
        ([], 2, "--all"),
        (["tiny", "--all"], 2, "--all"),
        (["tinny"], 3, "tiny"),
        (["nothing-like-it"], 3, "ps"),
    ]:
        done = run("stop", *arguments)
        assert (done.code, done.stdout) == (code, b"") and word in done.err
    assert len(processes(home, "worker")) == 1


def test_stop_ends_a_running_answer_with_one_sentence(asking: Callable[..., Asking]) -> None:
    client = asking()
    client.first()
    (model,) = run("ps", "--json").json["models"]
    assert (model["running"], model["waiting"], model["idle"]) == (1, 0, 0)
    assert run("stop", "tiny").code == 0
    done = client.rest()
    assert done.code == 1
    assert "stopped" in done.err.splitlines()[0] and len(done.err.splitlines()) == 2


def test_warm_says_why_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(100))
    for verb in ("warm", "ask", "ask"):
        arguments = ["-m", str(damaged), "x"] if verb == "ask" else [str(damaged)]
        done = run(verb, *arguments)
        assert (done.code, done.stdout) == (3, b"") and "damaged.gguf" in done.err
    assert run("ps").out == ""


# Many at once.


def test_sixteen_clients_with_twenty_questions_each_get_the_answers_they_get_alone() -> None:
    alone = {question: ask(question).out for question in QUESTIONS}
    assert alone[CAPITAL] == PARIS + "\n"
    wrong: list[str] = []

    def client(number: int) -> None:
        with PooledClient(SPEC, 60) as engine:
            for at in range(20):
                question = QUESTIONS[(number * 7 + at) % len(QUESTIONS)]
                said = text_of(engine.ask(request(question, max_tokens=None)))
                if said.rstrip("\n") + "\n" != alone[question]:
                    wrong.append(f"{question} {said!r}, alone {alone[question]!r}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 2)
    assert not wrong


def test_a_long_fixed_part_is_read_from_disk_after_a_restart() -> None:
    system = "You are Ada. " + "The wolf lives in the forest and eats mice at night. " * 25
    first = ask("--json", "-s", system, "Who are you?").json
    assert first["tokens"]["reused"] == 0 and first["tokens"]["prompt"] > 300
    run("stop", "--all")
    again = ask("--json", "-s", system, "Who are you?").json
    assert again["answer"] == first["answer"]
    assert again["tokens"]["reused"] > 300
    assert again["tokens"]["prompt"] - again["tokens"]["reused"] < 40


def test_a_character_is_read_from_disk_after_a_restart() -> None:
    first = ask("--json", "-c", "librarian", "-n", "8", "Who are you?").json
    assert first["tokens"]["reused"] == 0 and first["tokens"]["prompt"] > 1000
    run("stop", "--all")
    again = ask("--json", "-c", "librarian", "-n", "8", "What is 2 + 2?").json
    assert again["tokens"]["prompt"] - again["tokens"]["reused"] < 40  # the question alone


# What dies.


def test_killed_workers_fail_their_own_requests_and_nothing_else(
    home: Path, asking: Callable[..., Asking]
) -> None:
    ask("-n", "1", CAPITAL)
    host = only(home, "daemon")
    for turn in range(100):
        client = asking(
            "--unbuffered", "--regex", f"([a-z]{{3}} ){{{900 + turn}}}", "--temp", "0", f"go {turn}"
        )
        client.first()
        only(home, "worker").kill()
        killed = time.monotonic()
        done = client.rest()
        assert time.monotonic() - killed < 10
        assert done.code == 1, done
        said, next_step = done.err.splitlines()
        assert "SIGKILL" in said and "answer" in said and next_step.startswith("  next: ")
    assert ask(CAPITAL).out == PARIS + "\n"
    assert only(home, "daemon").pid == host.pid


def test_a_question_whose_workers_have_died_is_asked_anew_as_often_as_the_user_likes(
    home: Path, asking: Callable[..., Asking]
) -> None:
    ask("-n", "1", CAPITAL)
    host = only(home, "daemon")
    for _ in range(4):
        client = asking()
        client.first()
        only(home, "worker").kill()
        assert client.rest().code == 1
    client = asking()
    assert client.first()
    assert ask(CAPITAL).out == PARIS + "\n"
    assert only(home, "daemon").pid == host.pid


def test_a_worker_that_dies_idle_is_not_even_noticed(home: Path) -> None:
    with PooledClient(SPEC, 60) as engine:
        for _ in range(3):
            assert text_of(engine.ask(request(CAPITAL))) == PARIS
            worker = only(home, "worker")
            worker.kill()
            worker.wait(PATIENCE)


def test_a_worker_that_cannot_be_stopped_gently_is_killed(
    home: Path, asking: Callable[..., Asking]
) -> None:
    ask("-n", "1", CAPITAL)
    worker = only(home, "worker")
    worker.suspend()
    client = asking("go")
    until(lambda: len(run("ps", "--json").json["models"]) == 1)
    assert run("stop", "tiny").code == 0
    assert not worker.is_running()
    done = client.rest()
    assert done.code == 1 and "was stopped" in done.err.splitlines()[0]


def test_the_host_killed_answers_go_on_and_the_next_call_starts_another(
    home: Path, asking: Callable[..., Asking]
) -> None:
    client = asking("--unbuffered", "--regex", "([a-z]{3} ){300}", "--temp", "0", "go")
    begun = client.first()
    host, worker = only(home, "daemon"), only(home, "worker")
    host.kill()
    assert ask(CAPITAL).out == PARIS + "\n"
    assert only(home, "daemon").pid != host.pid
    done = client.rest()
    assert done.code == 0 and len(begun + done.stdout) == 1201
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert len(processes(home, "worker")) == 1
    only(home, "daemon").kill()
    until(lambda: not ours(home))  # no worker is left alone
    assert ask(CAPITAL).out == PARIS + "\n"


def test_stale_files_stop_nothing(home: Path) -> None:
    folder = daemon_socket.folder()
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(folder / "host.sock"))
    stale.close()
    (folder / "host.lock").write_text("4711")
    assert ask(CAPITAL).out == PARIS + "\n"


def test_a_host_of_another_build_gives_way_and_its_answers_go_on(
    home: Path, tmp_path: Path, asking: Callable[..., Asking]
) -> None:
    client = asking("--unbuffered", "--regex", "([a-z]{3} ){300}", "--temp", "0", "go")
    begun = client.first()
    first = only(home, "daemon")
    shutil.copytree(ROOT / "localai", tmp_path / "other" / "localai")
    other = {"PYTHONPATH": str(tmp_path / "other"), "PYTHONSAFEPATH": "1"}
    script = "import sys; from localai.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "ask", "-m", "tiny", "--temp", "0", CAPITAL],
        env={**os.environ, **other},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert (done.stdout.decode(), done.returncode) == (PARIS + "\n", 0), done.stderr
    rest = client.rest()
    assert rest.code == 0 and len(begun + rest.stdout) == 1201
    until(lambda: not first.is_running())
    assert ask(CAPITAL).out == PARIS + "\n"  # and back again


# Rubbish, strangers, and places that are not ours.


def wish(**more: Any) -> bytes:
    """A client's first message, with something in it changed."""
    spec = {"kind": "text", "files": ["x"]}
    good = {"spec": spec, "environment": {}, "keep_alive": 1, "memory_limit": "80%"}
    return protocol.encode("serve", build=daemon_socket.build_id(), **{**good, **more})


def test_malformed_messages_and_silent_clients_disturb_nobody(home: Path) -> None:
    ask("-n", "1", CAPITAL)
    address = str(daemon_socket.folder() / "host.sock")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    for each in silent:
        each.connect(address)
    spoilt: list[bytes] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0\0\3abc",
        protocol.encode("dance"),
        protocol.encode("serve"),
        wish(spec={}),
        wish(spec={"kind": "text", "files": []}),
        wish(spec={"kind": "text", "files": ["a\0b"]}),
        wish(spec={"kind": "text", "files": ["\ud800"]}),
        wish(spec={"kind": "smell", "files": ["x"]}),
        wish(spec={"kind": ["text"], "files": ["x"]}),
        wish(spec={"kind": "text", "files": ["x"], "options": {"colour": "red"}}),
        wish(spec={"kind": "text", "files": ["x"], "options": {"threads": [1]}}),
        wish(spec={"kind": "text", "files": ["x"], "options": "none"}),
        wish(environment={"A": 1}),
        wish(environment={"A\0": "1"}),
        wish(environment={"A": "\ud800"}),
        wish(keep_alive=float("nan")),
        wish(memory_limit="much"),
        wish(memory_limit=None),
        protocol.encode("stop", names="tiny"),
        protocol.encode("stop", names=[["tiny"], None, 5]),
        protocol.encode("status", more=[1] * 1000),
        b"\0\0\1",
    ]  # fmt: skip
    host = only(home, "daemon")
    for at in range(1000):
        data = spoilt[at % len(spoilt)]
        if data == protocol.encode("serve"):
            continue  # a client of another build: the host would give way, as it should
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(address)
            sock.settimeout(PATIENCE)
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while sock.recv(1 << 16):
                    pass
        if at % 250 == 0:
            assert ask(CAPITAL).out == PARIS + "\n"
    assert ask(CAPITAL).out == PARIS + "\n"
    assert only(home, "daemon").pid == host.pid
    for each in silent:  # those that say nothing are closed after a while
        each.settimeout(30)
        assert each.recv(1) == b""
        each.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_cannot_connect(home: Path, tmp_path: Path) -> None:
    ask("-n", "1", CAPITAL)
    address = daemon_socket.folder() / "host.sock"
    assert address.stat().st_mode & 0o777 == 0o600
    assert address.parent.stat().st_mode & 0o777 == 0o700
    knock = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534); s = socket.socket(1)\n"
        "s.settimeout(20)\n"
        "try: s.connect(sys.argv[1])\n"
        "except PermissionError: sys.exit(13)\n"
        "try: s.sendall(bytes.fromhex(sys.argv[2])); sys.exit(len(s.recv(99)))\n"
        "except ConnectionError: sys.exit(0)"
    )
    asked = [sys.executable, "-c", knock, str(address), protocol.encode("status").hex()]
    assert subprocess.run(asked).returncode == 13
    # Where the folder lets him in (it never does), the host itself sends him away.
    for folder in (address.parent, *address.parent.parents):
        with contextlib.suppress(OSError):
            folder.chmod(folder.stat().st_mode | 0o755)
    address.chmod(0o666)
    assert subprocess.run(asked, timeout=PATIENCE).returncode == 0
    assert "another user" in (home / "state" / "localai" / "host.log").read_text()


def test_a_runtime_folder_that_is_not_ours_alone_is_not_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = tmp_path / "run"
    (runtime / "localai").mkdir(parents=True, mode=0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    settings.load.cache_clear()
    assert ask(CAPITAL).out == PARIS + "\n"
    assert (runtime / "localai").stat().st_mode & 0o777 == 0o700
    run("stop", "--all")
    shutil.rmtree(runtime / "localai")
    (runtime / "localai").symlink_to(tmp_path)
    done = ask(CAPITAL)
    assert (done.out, done.code) == (PARIS + "\n", 0) and "warm host" in done.err


def test_where_no_host_can_be_the_answer_comes_all_the_same(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ask(CAPITAL, env={"XDG_RUNTIME_DIR": str(tmp_path / "file")})
    assert (done.out, done.code) == (PARIS + "\n", 0)
    assert done.err.startswith("warning: ") and "this call alone" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_long_path_of_the_runtime_folder_is_shortened(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 40)))
    settings.load.cache_clear()
    short = daemon_socket.folder()
    try:
        assert len(str(short / "host.sock")) < 100
        assert short.stat().st_mode & 0o777 == 0o700
        assert ask(CAPITAL).out == PARIS + "\n"
        assert (short / "host.sock").is_socket()
        run("stop", "--all")
    finally:
        shutil.rmtree(short)


# Memory.


def resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def room_for_one(home: Path) -> dict[str, str]:
    """The variable that leaves room for one tiny model and not for two; none is loaded then."""
    ask("-n", "1", CAPITAL)
    limit = resident(only(home, "worker")) + (60 << 20)
    run("stop", "--all")
    return {"LOCALAI_MEMORY_LIMIT": str(limit)}


def test_the_older_model_leaves_when_two_pass_the_limit(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    shutil.copy(TINY, other)
    limit = room_for_one(home)
    assert ask(CAPITAL, env=limit).out == PARIS + "\n"
    first = only(home, "worker")
    before = sum(map(resident, processes(home, "worker")))
    done = run("ask", "-m", str(other), "--temp", "0", CAPITAL, env=limit)
    assert done.out == PARIS + "\n"
    second = only(home, "worker")  # one alone
    assert second.pid != first.pid and not first.is_running()
    assert sum(map(resident, processes(home, "worker"))) < before * 1.3
    assert ask(CAPITAL, env=limit).out == PARIS + "\n"
    assert len(processes(home, "worker")) == 1


def test_a_model_that_is_busy_is_waited_for(
    home: Path, tmp_path: Path, asking: Callable[..., Asking]
) -> None:
    other = tmp_path / "other.gguf"
    shutil.copy(TINY, other)
    os.environ |= room_for_one(home)  # undone with the test's environment
    try:
        client = asking(*LONG, "go")
        begun = client.first()
        assert run("ask", "-m", str(other), "--temp", "0", CAPITAL).out == PARIS + "\n"
        done = client.rest()
        assert done.code == 0 and len(begun + done.stdout) == 3601
    finally:
        del os.environ["LOCALAI_MEMORY_LIMIT"]


def test_behind_a_model_that_waits_for_room_the_others_are_served(
    home: Path, tmp_path: Path, asking: Callable[..., Asking]
) -> None:
    other = tmp_path / "other.gguf"
    shutil.copy(TINY, other)
    limit = room_for_one(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(*limit.popitem())
        client = asking(*LONG[:2], "([a-z]{3} ){300}", *LONG[3:], "go")
        client.first()
        words = command("ask", "-m", str(other), "--temp", "0", CAPITAL)
        with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as waiting:
            time.sleep(0.5)
            assert ask(CAPITAL).out == PARIS + "\n"
            assert waiting.poll() is None, "it waits for the long answer"
            assert client.rest().code == 0
            assert waiting.communicate(timeout=60)[0] == f"{PARIS}\n".encode()


def test_a_model_beyond_the_limit_is_refused_with_the_numbers() -> None:
    done = ask(CAPITAL, env={"LOCALAI_MEMORY_LIMIT": "10M"})
    assert (done.code, done.stdout) == (4, b"")
    assert "10.5 MB" in done.err and "LOCALAI_MEMORY_LIMIT" in done.err
    assert ask("--cold", CAPITAL).out == PARIS + "\n"
    # What it advises helps: the limit is the asking command's, not the host's.
    assert ask(CAPITAL, env={"LOCALAI_MEMORY_LIMIT": "8G"}).out == PARIS + "\n"


# The client's side.


def test_errors_reach_the_client_as_what_they_are(home: Path) -> None:
    long = Constraint("regex", "([a-z]{3} ){900}")
    with pytest.raises(LocalaiError) as caught, PooledClient(SPEC, 60) as engine:
        events = engine.ask(request("go", max_tokens=None, constraint=long))
        assert next(event for event in events if isinstance(event, Text))
        only(home, "worker").kill()
        list(events)
    assert isinstance(caught.value, WorkerDied)


def test_leaving_an_answer_early_cancels_it_and_the_next_is_clean() -> None:
    with PooledClient(SPEC, 60) as engine:
        for _ in range(5):
            for event in engine.ask(request("Count to 20.", max_tokens=200)):
                if isinstance(event, Text):
                    break
            assert text_of(engine.ask(request(CAPITAL))) == PARIS
        until(lambda: daemon_client.status()["models"][0]["running"] == 0)


def test_a_client_killed_in_an_answer_leaves_the_model_idle(
    asking: Callable[..., Asking],
) -> None:
    client = asking()
    client.first()
    client.process.send_signal(signal.SIGKILL)
    client.rest()
    until(lambda: daemon_client.status()["models"][0]["running"] == 0)
    assert ask(CAPITAL).out == PARIS + "\n"


def test_benchmark_of_a_model_in_a_table_and_as_json() -> None:
    table = run("bench", "tiny").out
    assert "first token, warm" in table and "16 streams together" in table
    found: dict[str, Any] = run("bench", "tiny", "--json").json
    assert found["model"] == "tiny"
    assert 0 < found["first_token_warm"] < found["first_token_cold"]
    assert set(found["streams"]) == {"1", "2", "4", "8", "16"}
    assert min(found["prompt"], found["decode"], *found["streams"].values()) > 0


def test_benchmark_says_how_its_engine_has_ended(home: Path) -> None:
    seen: list[str] = []
    for after in (0.3, 0.9, 1.2, 1.3):
        process = subprocess.Popen(
            command("bench", "tiny"),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        until(lambda: processes(home, "worker"))
        time.sleep(after)
        for worker in processes(home, "worker"):
            worker.kill()
        seen.append(process.communicate(timeout=PATIENCE)[1].decode())
    assert not [said for said in seen if "should not have happened" in said]
    assert any("SIGKILL" in said for said in seen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_client_ended_while_it_sends_a_long_input_leaves_nothing(
    number: int, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "long").write_text("private " * 4_000_000)
    ask("-n", "1", CAPITAL)
    worker = only(home, "worker")
    for delay in (0.1, 0.2, 0.4):
        with (tmp_path / "long").open() as stdin:
            process = subprocess.Popen(
                command("ask", "-m", "tiny"),
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            time.sleep(delay)
            process.send_signal(number)
            process.wait(PATIENCE)
        files = [path for path in home.rglob("*") if path.is_file()]
        assert not [path for path in files if b"private private" in path.read_bytes()]
    assert ask(CAPITAL).out == PARIS + "\n"
    assert only(home, "worker").pid == worker.pid
    until(lambda: daemon_client.status()["models"][0]["running"] == 0)


def test_names_of_files_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "new\nline\t\x1b[2J.gguf"
    shutil.copy(TINY, path)
    shown = str(path).replace("\n", "\\n").replace("\t", "\\t").replace("\x1b", "\\x1b")
    done = run("warm", str(path))
    assert done.code == 0
    stopped = run("stop", str(path))
    assert stopped.err == f"stopped {shown}\n"
    again = run("stop", str(path))
    assert again.code == 3 and again.err.startswith(f"localai: {shown} is not loaded\n")
    measured = run("bench", str(path))
    assert measured.out.startswith("WHAT  ") and shown in measured.out.splitlines()[0]
