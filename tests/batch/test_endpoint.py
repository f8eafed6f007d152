"""Rows answered by another server: a small one of the standard library, with all its moods."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localai.batch.endpoint import parse_endpoint
from localai.errors import BadInput
from tests.conftest import Ran, run

Mood = Callable[["Server", dict[str, Any]], "tuple[int, Any]"]


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
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    def start(self) -> None:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.reply(200, {"data": [{"id": "served"}]})

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


def test_what_may_pass_is_tried_again(served: Callable[[Mood], Server], rows: Path) -> None:
    def moody(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
        with server.lock:
            tried = sum(each["messages"] == body["messages"] for each in server.bodies)
        if tried == 1 and body["messages"][-1]["content"].endswith(("3", "7")):
            return (429, {"error": {"message": "slow down"}}) if tried % 2 else (503, b"busy")
        return echo(server, body)

    server = served(moody)
    done = batch(server, rows)
    assert done.code == 0, done.err
    assert [each["answer"] for each in answers(done.out)] == [f"ROW {at}" for at in range(60)]
    assert server.asked == 60 + 12


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
    path, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    body = {"model": "other", "messages": [{"role": "user", "content": "x"}], "n": 2, "tools": [1]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    path.write_text(json.dumps(line) + "\n")
    server = served(lambda server, body: (200, completion("Y", system_fingerprint="f")))
    assert batch(server, path, "-o", str(output), "-m", "mine").code == 0
    sent = server.bodies[0]
    assert (sent["n"], sent["tools"], sent["model"]) == (2, [1], "mine")
    (found,) = answers(output.read_text())
    assert found["custom_id"] == "a" and found["response"]["status_code"] == 200
    assert found["response"]["body"] == completion("Y", system_fingerprint="f")


@pytest.mark.parametrize(
    "url, address",
    [
        ("localhost:8000", "http://localhost:8000"),
        ("https://host/v1", "https://host"),
        ("https://host/api/v1/chat/completions", "https://host/api"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert parse_endpoint(url, None).address == address


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://h:x/", "http://h/?q=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        parse_endpoint(url, None)
