"""Rows answered by another server: a small one of the standard library, with all its moods."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from localai.batch import endpoint_rows
from localai.batch.answers import RowAnswer, RowJob
from localai.batch.endpoint import parse_endpoint
from localai.batch.endpoint_rows import EndpointRows, RowBodies
from localai.batch.rows import BatchRow
from localai.errors import BadInput, Unavailable
from localai.types import Message, TextRequest
from tests.conftest import Ran, run, until

Mood = Callable[["Server", dict[str, Any]], "tuple[int, Any]"]


class Dropped(Exception):
    """The server closes the connection, after half of an answer where there is one."""

    def __init__(self, answer: dict[str, Any] | None = None) -> None:
        self.half = json.dumps(answer).encode() if answer else b""


def completion(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage, **more}


def echo(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
    return 200, completion(body["messages"][-1]["content"].upper())


class Server:
    """A server with OpenAI's API; `mood` answers."""

    def __init__(self, mood: Mood) -> None:
        self.mood, self.bodies, self.headers = mood, [], []  # type: ignore[var-annotated]
        self.asked = self.busy = self.busiest = 0
        self.retry_after = ""
        self.models: tuple[int, Any] | None = (200, {"data": [{"id": "served"}]})
        self.closes = False  # each connection after its first answer, and says nothing of it
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    def start(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if owner.models is not None:
                    self.reply(*owner.models)
                self.close_connection = self.close_connection or owner.models is None

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner.lock:
                    owner.asked += 1
                    owner.busy += 1
                    owner.busiest = max(owner.busiest, owner.busy)
                    owner.bodies.append({**body, "url": self.path})
                    owner.headers.append(dict(self.headers))
                try:
                    self.reply(*owner.mood(owner, body))
                except Dropped as drop:
                    if drop.half:
                        self.send_response(200)
                        self.send_header("Content-Length", str(2 * len(drop.half)))
                        self.end_headers()
                        self.wfile.write(drop.half)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                finally:
                    with owner.lock:
                        owner.busy -= 1

            def reply(self, status: int, answer: Any) -> None:
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if owner.retry_after:
                    self.send_header("Retry-After", owner.retry_after)
                self.end_headers()
                self.wfile.write(data)
                self.close_connection = self.close_connection or owner.closes

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            allow_reuse_address = daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A connection that is closed on us is part of the play."""

        self.http = Quiet(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@pytest.fixture
def served() -> Iterator[Callable[[Mood], Server]]:
    servers: list[Server] = []

    def make(mood: Mood) -> Server:
        servers.append(Server(mood))
        return servers[-1]

    yield make
    for each in servers:
        each.stop()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text("".join(f"row {at}\n" for at in range(60)))
    return path


def batch(server: Server, source: Path, *arguments: str, **more: Any) -> Ran:
    return run("batch", str(source), "--endpoint", server.url, *arguments, **more)


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def rows_of(
    server: Server, most: int = 1, sleep: Callable[[float], object] = time.sleep
) -> EndpointRows:
    """What asks a server in this process."""
    endpoint = parse_endpoint(server.url, None)
    return EndpointRows(endpoint, RowBodies("served"), most, lambda _: None, sleep)


def job_of(text: str, number: int) -> RowJob:
    row = BatchRow(number, 1, number, {"input": text})
    return RowJob(row, number, TextRequest((Message("user", text),)))


def answered(asking: EndpointRows, *texts: str) -> list[RowAnswer]:
    """What has become of rows, one a text, which are all sent at once."""
    for number, text in enumerate(texts):
        asking.send(job_of(text, number))
    found: dict[int, RowAnswer] = {}
    with contextlib.closing(asking):
        while len(found) < len(texts):
            found |= {job.row.number: answer for job, answer in asking.receive()}
    return [found[number] for number in range(len(texts))]


def openai_line(name: str, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    told = {"messages": [{"role": "user", "content": name}], **body}
    return {"custom_id": name, "method": "POST", "url": url, "body": told}


def openai_file(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_rows_come_back_in_order_with_so_many_on_their_way(
    served: Callable[[Mood], Server], rows: Path
) -> None:
    def slow(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        time.sleep(0.01 + 0.03 * (hash(str(body)) % 3))
        return echo(server, body)

    server = served(slow)
    done = batch(server, rows, "--concurrency", "5", "--temp", "0", "-n", "9")
    assert done.code == 0, done.err
    assert "served at" in done.err
    assert [each["answer"] for each in answers(done.out)] == [f"ROW {at}" for at in range(60)]
    assert 2 <= server.busiest <= 5
    body = server.bodies[0]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("served", 0.0, 9)
    assert "top_p" not in body and "Authorization" not in server.headers[0]


def tried(server: Server, body: dict[str, Any]) -> int:
    """How often a server was asked this, now included."""
    with server.lock:
        return sum(each["messages"] == body["messages"] for each in server.bodies)


def test_what_may_pass_is_tried_again(served: Callable[[Mood], Server], rows: Path) -> None:
    def moody(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if tried(server, body) == 1:
            match body["messages"][-1]["content"][-1]:
                case "3":
                    return 429, {"error": {"message": "slow down"}}
                case "5":
                    return 503, b"busy"
                case "7":
                    raise Dropped(completion("half of it is not enough"))
                case "9":
                    raise Dropped
        return echo(server, body)

    server = served(moody)
    done = batch(server, rows)
    assert done.code == 0, done.err
    assert [each["answer"] for each in answers(done.out)] == [f"ROW {at}" for at in range(60)]
    assert server.asked >= 60 + 4 * 6


def test_what_goes_on_is_given_up_and_fails_its_row(served: Callable[[Mood], Server]) -> None:
    server = served(lambda server, body: (500, {"error": {"message": "busy"}}))
    pauses: list[float] = []
    (answer,) = answered(rows_of(server, sleep=pauses.append), "x")
    assert answer.status == 500 and answer.error and "busy" in answer.error.what
    assert server.asked == len(pauses) + 1 > 5
    assert pauses[0] < 1 < pauses[-1], "it asks less and less often"


def test_a_server_says_how_long_to_wait(served: Callable[[Mood], Server]) -> None:
    def busy(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        return echo(server, body) if tried(server, body) > 1 else (429, {})

    pauses: list[float] = []
    server = served(busy)
    for given in ("21", "999999", "soon", "-5"):
        server.retry_after = given
        (answer,) = answered(rows_of(server, sleep=pauses.append), given)
        assert answer.answer == given.upper()
    assert pauses[0] == 21 and 21 < pauses[1] < 100, "nobody is waited for that long"
    assert pauses[2] < 1 and pauses[3] < 1, "what is no time is not obeyed"


def test_what_does_not_pass_fails_alone(served: Callable[[Mood], Server], rows: Path) -> None:
    def refuses(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        text = body["messages"][-1]["content"]
        if text == "row 4":
            return 400, {"error": {"message": "no such thing\x1b[2J"}}
        return (200, {"nothing": 1}) if text == "row 5" else echo(server, body)

    done = batch(served(refuses), rows)
    found = answers(done.out)
    assert done.code == 6 and "2 of 60 rows failed" in done.err
    assert "400: no such thing\\x1b[2J" in found[4]["error"]["message"]
    assert "none" in found[5]["error"]["message"]


def test_a_row_that_ends_its_connection_fails_alone(
    served: Callable[[Mood], Server], rows: Path, tmp_path: Path
) -> None:
    def dies(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if body["messages"][-1]["content"] in ("row 4", "row 59"):
            raise Dropped
        return echo(server, body)

    output = tmp_path / "out.jsonl"
    done = batch(served(dies), rows, "-o", str(output))
    found = answers(output.read_text())
    assert done.code == 6 and "2 of 60 rows failed" in done.err
    assert "cannot be reached" not in done.err
    for at, each in enumerate(found):
        assert each["answer"] == (None if at in (4, 59) else f"ROW {at}")
    assert "connection" in found[4]["error"]["message"]


def test_a_row_that_ends_the_server_for_all_fails_alone(
    served: Callable[[Mood], Server],
) -> None:
    ends = [threading.Event()]  # of its lives

    def dies(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        end = ends[-1]
        if body["messages"][-1]["content"] == "c":
            time.sleep(0.1)
            ends.append(threading.Event())
            end.set()
            raise Dropped
        if end.wait(0.3):
            raise Dropped
        return echo(server, body)

    found = answered(rows_of(served(dies), 8, sleep=lambda _: None), *"abcdefgh")
    assert [each.answer for each in found] == ["A", "B", None, *"DEFGH"]


def test_a_row_that_is_never_answered_fails_alone(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if body["messages"][-1]["content"] == "b":
            over.wait(60)
        return echo(server, body)

    monkeypatch.setattr(endpoint_rows, "_ANSWER", 0.2)
    first, second, third = answered(rows_of(served(hangs), 3), "a", "b", "c")
    over.set()
    assert (first.answer, third.answer) == ("A", "C")
    assert second.error and "nothing has come" in second.error.what


def test_rows_may_wait_for_each_other_at_a_server_that_answers_one_at_a_time(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = threading.Lock()

    def slow(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        with one:
            time.sleep(0.1)
            return echo(server, body)

    monkeypatch.setattr(endpoint_rows, "_ANSWER", 0.4)  # seconds: the last one waits for longer
    found = answered(rows_of(served(slow), 8), *"abcdefgh")
    assert [each.answer for each in found] == list("ABCDEFGH")


def test_an_error_that_nobody_has_thought_of_is_its_row_s_alone(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = endpoint_rows.reply_of

    def breaks(body: Any) -> Any:
        if "B" in str(body):
            raise ZeroDivisionError("odd")
        return usual(body)

    monkeypatch.setattr(endpoint_rows, "reply_of", breaks)
    first, second, third = answered(rows_of(served(echo)), "a", "b", "c")
    assert (first.answer, third.answer) == ("A", "C")
    assert second.error and "odd" in second.error.what


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("loads", [200, 1000])
def test_a_server_that_loads_its_model_is_waited_for(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch, loads: float
) -> None:
    """It answers 503 to everybody meanwhile, which is no row's fault."""
    clock = Clock()

    def loading(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if clock.now < loads:
            return 503, {"error": {"message": "Loading model"}}
        return echo(server, body)

    monkeypatch.setattr(endpoint_rows, "time", clock)
    found = answered(rows_of(served(loading), 1, sleep=clock.sleep), *"ab")
    if loads == 200:
        assert [each.answer for each in found] == ["A", "B"]
    else:
        assert [each.status for each in found] == [503, 503]


def test_a_row_that_alone_is_refused_as_if_the_server_loaded_fails(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def moody(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if body["messages"][-1]["content"] == "bad":
            return 503, {"error": {"message": "not this"}}
        return echo(server, body)

    monkeypatch.setattr(endpoint_rows, "time", clock)
    found = answered(rows_of(served(moody), 2, sleep=clock.sleep), "bad", *["x"] * 20)
    assert [each.status for each in found if each.error] == [503]


@pytest.mark.parametrize("back", [True, False])
def test_patience_begins_each_time_the_server_goes_away(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    clock = Clock()

    def goes(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if server.asked > 2:
            return echo(server, body)
        clock.now += 1000  # a long answer, which never comes
        server.stop()
        clock.then = partial(returns, clock.now + 200)
        raise Dropped

    def returns(when: float) -> None:
        if back and clock.now > when:
            clock.then = lambda: None
            server.start()

    server = served(goes)
    monkeypatch.setattr(endpoint_rows, "time", clock)
    asking = rows_of(server, sleep=clock.sleep)
    if back:
        (answer,) = answered(asking, "a")
        assert answer.answer == "A" and server.asked == 3
        return
    with pytest.raises(Unavailable, match="cannot be reached"):
        answered(asking, "a")
    assert 1300 < clock.now < 1400
    server.start()  # so that it can be stopped


def test_a_server_that_answers_rows_is_not_away_whatever_else_it_does_not_answer(
    served: Callable[[Mood], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    def drops(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if body["messages"][-1]["content"] == "bad":
            raise Dropped
        return echo(server, body)

    server = served(drops)
    usual, server.models = server.models, None
    clock = Clock()

    def others() -> None:
        enough = min(server.asked + 2, 60)  # then the first of the two is answered
        until(lambda: server.asked >= enough)
        if enough == 60:
            server.models = usual

    clock.then = others
    monkeypatch.setattr(endpoint_rows, "time", clock)
    found = answered(rows_of(server, 2, sleep=clock.sleep), "bad", *["x"] * 60)
    assert clock.now > 350 and found[0].error
    assert {each.answer for each in found[1:]} == {"X"}


def test_a_row_that_comes_together_with_the_end_is_not_lost(
    served: Callable[[Mood], Server],
) -> None:
    def half(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        return (401, {}) if body["messages"][-1]["content"] == "b" else echo(server, body)

    asking = rows_of(served(half), 2)
    for number, text in enumerate("ab"):
        asking.send(job_of(text, number))
    time.sleep(0.3)  # both are there
    with contextlib.closing(asking):
        ((job, answer),) = asking.receive()
        assert (job.row.number, answer.answer) == (0, "A")
        assert asking.room == 0 and asking.waiting
        with pytest.raises(Unavailable):
            asking.receive()


@pytest.mark.parametrize("status, word", [(401, "LOCALAI_API_KEY"), (404, "-m")])
def test_rows_that_were_answered_are_kept_when_the_run_ends(
    served: Callable[[Mood], Server], rows: Path, tmp_path: Path, status: int, word: str
) -> None:
    numbers = count(1)

    def revoked(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if (number := next(numbers)) > 30:
            return status, {"error": {"message": "no"}}
        time.sleep(0.05 * (number % 3))  # some are still being answered when all ends
        return echo(server, body)

    server = served(revoked)
    done = batch(server, rows, "-o", str(tmp_path / "out.jsonl"), "--concurrency", "16")
    assert done.code == 3 and word in done.err
    kept = (tmp_path / "out.jsonl.journal").read_text()
    assert kept.count("ROW ") == 30
    server.mood = echo
    again = batch(server, rows, "-o", str(tmp_path / "out.jsonl"), "--stats")
    assert again.code == 0 and "30 rows in" in again.err


def test_a_connection_that_the_server_has_closed_is_opened_anew_at_once(
    served: Callable[[Mood], Server],
) -> None:
    server = served(echo)
    server.closes = True
    pauses: list[float] = []
    found = answered(rows_of(server, sleep=pauses.append), *"abcdefgh")
    assert [each.answer for each in found] == list("ABCDEFGH")
    assert server.asked == 8 and not pauses


@pytest.mark.parametrize("status, word", [(401, "LOCALAI_API_KEY"), (404, "/v1")])
def test_a_server_that_refuses_everything_ends_the_run(
    served: Callable[[Mood], Server], rows: Path, tmp_path: Path, status: int, word: str
) -> None:
    server = served(lambda server, body: (status, {"error": {"message": "no"}}))
    done = batch(server, rows, "-o", str(tmp_path / "out.jsonl"))
    assert done.code == 3 and word in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_the_key_comes_from_the_environment_alone(
    served: Callable[[Mood], Server], rows: Path
) -> None:
    server = served(echo)
    done = batch(server, rows, "--limit", "2", env={"LOCALAI_API_KEY": "secret"})
    assert done.code == 0
    assert server.headers[0]["Authorization"] == "Bearer secret"
    assert "secret" not in done.out + done.err
    assert run("batch", str(rows), "--endpoint", "http://me:secret@localhost/v1").code == 2
    assert "secret" not in repr(parse_endpoint("localhost:1", "secret"))


@pytest.mark.parametrize("around", ["secret\r", "secret\r\n", "\t secret "])
def test_blanks_around_the_key_are_no_part_of_it(
    served: Callable[[Mood], Server], rows: Path, around: str
) -> None:
    server = served(echo)
    done = batch(server, rows, "--limit", "1", env={"LOCALAI_API_KEY": around})
    assert done.code == 0, done.err
    assert server.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("key", ["zq7\rzq7", "“zq7”", "zq7 zq7", "zq7ü", "zq7\x7fzq7"])
def test_a_key_that_cannot_be_sent_is_refused_and_never_shown(
    served: Callable[[Mood], Server], rows: Path, key: str
) -> None:
    server = served(echo)
    done = batch(server, rows, env={"LOCALAI_API_KEY": key, "LOCALAI_DEBUG": "1"})
    assert done.code == 2 and "LOCALAI_API_KEY" in done.err
    assert "zq7" not in done.out + done.err
    assert not server.asked


def test_a_server_that_is_not_there_is_told_at_once(rows: Path) -> None:
    begin = time.monotonic()
    done = run("batch", str(rows), "--endpoint", "http://127.0.0.1:1")
    assert done.code == 3 and "cannot be reached" in done.err
    assert time.monotonic() - begin < 20
    assert run("batch", str(rows), "--endpoint", "127.0.0.1:1", "--offline").code == 2


def test_a_server_that_ends_and_comes_again_loses_none(
    served: Callable[[Mood], Server], rows: Path, tmp_path: Path
) -> None:
    def ending(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if server.asked == 25:
            threading.Thread(target=restart, args=(server,)).start()
        time.sleep(0.02)
        return echo(server, body)

    def restart(server: Server) -> None:
        server.stop()
        time.sleep(1)
        server.start()

    output = tmp_path / "out.jsonl"
    done = batch(served(ending), rows, "-o", str(output), "--concurrency", "4")
    assert done.code == 0, done.err
    assert [each["answer"] for each in answers(output.read_text())] == [
        f"ROW {at}" for at in range(60)
    ]


CONSTRAINTS: dict[tuple[str, ...], tuple[str, str]] = {  # what is kept, and what is not
    ("--choices", "yes,no"): ("no", "maybe"),
    ("--regex", "[a-z]{3}"): ("abc", "abcd"),
    ("--schema", "name, age int"): ('{"age": 3, "name": "x"}', '{"name": "x"}'),
    ("--schema", r'{"type": "object", "properties": {"a": {"type": "string", "pattern": "^\\p{L}+$"}}}'): ('{"a": "Zoë"}', '{"a": "Zo3"}'),
    ("--schema", r'{"type": "object", "patternProperties": {"^\\p{Lu}": {}}, "additionalProperties": false}'): ('{"Ä": 1}', '{"ä": 1}'),
    ("--json-object",): ("{}", "[]"),
    ("--grammar", 'root ::= "a"+ "b"'): ("aab", "aa"),
}  # fmt: skip


@pytest.mark.parametrize("words", list(CONSTRAINTS), ids=lambda words: words[0])
def test_a_constraint_is_passed_on_and_checked_on_arrival(
    served: Callable[[Mood], Server], rows: Path, words: tuple[str, ...]
) -> None:
    kept, broken = CONSTRAINTS[words]

    def half(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, completion(kept if body["messages"][-1]["content"] == "row 0" else broken)

    server = served(half)
    done = batch(server, rows, "--limit", "2", *words)
    first, second = answers(done.out)
    assert done.code == 6
    assert first["answer"] == kept and first["error"] is None
    assert second["answer"] is None and second["error"]["exit"] == 5
    body = server.bodies[0]
    assert "response_format" in body or "structured_outputs" in body


def test_openai_s_lines_pass_through_as_they_are(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    reply = completion("", system_fingerprint="f")
    reply["choices"][0] |= {
        "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": None, "tool_calls": [call]},
    }
    vectors = {"object": "list", "data": [{"embedding": [0.5]}]}

    def mood(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        return 200, reply if "tools" in body else vectors if "input" in body else completion("Y")

    odd = {"n": 2, "response_format": {"type": "of its own"}, "guided_regex": 5}
    lines = (
        openai_line("plain", model="own", **odd),
        openai_line("call", tools=[call], stream=True, stream_options={"include_usage": True}),
        openai_line("vector", "/v1/embeddings", model="own", input="x"),
    )
    path = openai_file(tmp_path, *lines)
    server = served(mood)
    done = batch(server, path, "-o", str(output), "--concurrency", "1")
    assert done.code == 0, done.err
    sent = {body["messages"][0]["content"]: body for body in server.bodies}
    assert sent["plain"] == {**lines[0]["body"], "stream": False, "url": lines[0]["url"]}
    assert "stream_options" not in sent["call"] and sent["call"]["stream"] is False
    assert sent["call"]["model"] == "served", "it names none"
    assert sent["vector"]["url"] == "/v1/embeddings"
    found = {each["custom_id"]: each for each in answers(output.read_text())}
    bodies = {name: each["response"]["body"] for name, each in found.items()}
    assert bodies == {"plain": completion("Y"), "call": reply, "vector": vectors}
    assert {each["response"]["status_code"] for each in found.values()} == {200}
    assert batch(server, path, "-o", str(output), "--force", "-m", "mine").code == 0
    assert {body["model"] for body in server.bodies[3:]} == {"mine"}


ODD_PLACES = [
    "/v1/chat completions",
    "/v1/chät",
    "/v1/x\ny",
    "/../admin",
    "http://other/x",
    5,
    None,
]


def test_a_line_for_a_place_that_nobody_has_fails_alone(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    odd = [{**openai_line(str(at)), "url": url} for at, url in enumerate(ODD_PLACES)]
    server = served(echo)
    path = openai_file(tmp_path, openai_line("first"), *odd, openai_line("last"))
    done = batch(server, path, "-o", str(tmp_path / "out.jsonl"))
    assert done.code == 6 and f"{len(odd)} of {len(odd) + 2} rows failed" in done.err
    assert server.asked == 2
    assert [each["custom_id"] for each in answers((tmp_path / "out.jsonl").read_text())] == [
        "first",
        "last",
    ]
    for each in answers((tmp_path / "out.errors.jsonl").read_text()):
        assert "`url`" in each["error"]["message"]


def test_what_a_server_has_not_for_one_line_fails_that_line(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    def lacks(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        if body["model"] == "none" or "input" in body:
            return 404, {"error": {"message": "there is no such thing"}}
        if body["messages"][0]["content"] == "filtered":
            return 403, {"error": {"message": "not this text"}}
        return echo(server, body)

    lines = [
        openai_line("model", model="none"),
        openai_line("place", "/v1/embeddings", input="x"),
        openai_line("good"),
        openai_line("filtered"),
    ]
    output = tmp_path / "out.jsonl"
    path = openai_file(tmp_path, *lines)
    done = batch(served(lacks), path, "-o", str(output), "--concurrency", "1")
    assert done.code == 6 and "3 of 4 rows failed" in done.err, done.err
    (good,) = answers(output.read_text())
    assert good["custom_id"] == "good"
    told = answers((tmp_path / "out.errors.jsonl").read_text())
    assert [each["response"]["status_code"] for each in told] == [404, 404, 403]


def test_a_wrong_address_ends_the_run_for_lines_that_pass_through_as_well(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    server = served(lambda server, body: (404, {"error": {"message": "no"}}))
    server.models = (404, {})
    path = openai_file(tmp_path, openai_line("a"), openai_line("b"))
    done = batch(server, path, "-o", str(tmp_path / "out.jsonl"), "-m", "mine")
    assert done.code == 3 and "check the address" in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_line_is_asked_again_where_m_names_another_model(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    server = served(
        lambda server, body: (400, {}) if body["model"] == "bad" else echo(server, body)
    )
    path = openai_file(tmp_path, openai_line("a", model="own"), openai_line("b", model="bad"))
    words = ("-o", str(tmp_path / "out.jsonl"))
    assert batch(server, path, *words).code == 6
    assert batch(server, path, *words, "--retry-failed").code == 6
    assert sorted(body["model"] for body in server.bodies) == ["bad", "bad", "own"]
    assert batch(server, path, *words, "--retry-failed", "-m", "served").code == 0
    assert [body["model"] for body in server.bodies[3:]] == ["served", "served"]


def test_what_was_said_is_sent_and_what_was_not_is_left_to_the_server(
    served: Callable[[Mood], Server], rows: Path, tmp_path: Path
) -> None:
    server = served(echo)
    words = "--temp 0.8 --top-p 0.95 --top-k 40 --min-p 0.05 --repeat-penalty 1 --repeat-last-n 64"
    said = (*words.split(), "--think", "off", "--seed", "3", "-s", "Be brief.")
    assert batch(server, rows, "--limit", "1", *said).code == 0
    batch(server, rows, "--limit", "1", "--schema", "a")
    prompt = tmp_path / "p.md"
    prompt.write_text("---\ndescription: x\ntemperature: 0.8\n---\n{{input}}\n")
    assert batch(server, rows, "--limit", "1", "-p", str(prompt)).code == 0
    loud, quiet, from_file = server.bodies
    url = quiet.pop("url")
    assert loud == {
        **{"model": "served", "temperature": 0.8, "top_p": 0.95, "top_k": 40, "min_p": 0.05},
        **{"repeat_penalty": 1, "repetition_penalty": 1, "repeat_last_n": 64, "seed": 3},
        "chat_template_kwargs": {"enable_thinking": False},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "row 0"},
        ],
        "url": url,
    }
    assert set(quiet) == {"model", "messages", "response_format"}
    assert set(from_file) == {"model", "messages", "temperature", "url"}


def test_equal_rows_are_asked_once_when_chance_has_no_part(
    served: Callable[[Mood], Server], tmp_path: Path
) -> None:
    path = tmp_path / "in.txt"
    path.write_text("the same\n" * 50)
    server = served(echo)
    done = batch(server, path, "--temp", "0")
    assert [each["answer"] for each in answers(done.out)] == ["THE SAME"] * 50
    assert server.asked == 1
    assert batch(server, path, "--temp", "0.5", "--seed", "7").code == 0
    assert sorted(body["seed"] for body in server.bodies[1:]) == list(range(7, 57))


@pytest.mark.parametrize(
    "url, address",
    [
        ("localhost:8000", "http://localhost:8000"),
        ("https://host/v1", "https://host"),
        ("https://host/api/v1/chat/completions", "https://host/api"),
        ("http://[::1]/v1", "http://[::1]"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert parse_endpoint(url, None).address == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "http://",
        "http://h:x/",
        "http://h/?q=1",
        "http://h/ä/v1",
        "http://h/a b",
        "http://a..b/v1",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        parse_endpoint(url, None)


def test_an_address_of_ipv6_needs_no_port() -> None:
    try:
        parse_endpoint("http://[::1]/v1", None).connect(1).open()
    except OSError as error:  # nobody listens there, or this machine has no IPv6
        assert not isinstance(error, socket.gaierror), "it is looked up as a name"
