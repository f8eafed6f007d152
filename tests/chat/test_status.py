"""What a chat says of itself is measured, or it is not said: memory, cost, what is waited for."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from localai.catalog.names import TINY
from localai.chat import repl
from localai.pool import daemon_client
from localai.pool.client import PooledClient
from localai.terminal.answer import Waiting
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from localai.types import ModelSpec, Notice, Progress, Text, TextRequest
from tests.chat.test_chat import Held, broken, held, say, view_of
from tests.chat.test_chat import chat as piped
from tests.conftest import ROOT, command, request, run, until
from tests.support.chat_screen import CAPITAL, LONG, Open, begun

__all__ = ["held"]  # a fixture

ROWS = re.compile(r"^([a-z]+) +(\d+)", re.M)

CARD = (
    "name: Ada\ndescription: Ada keeps a lighthouse.\nfirst_message: Hello! A storm is near.\n"
    "examples: |\n  <START>\n  {{user}}: Who are you?\n  {{char}}: I am Ada.\n"
    "lorebook:\n  scan_depth: 1\n  entries:\n"
    "    - {keys: [storm], content: 'The storm took the boat of the keeper, and his lamp.'}\n"
)


def rows(table: str) -> dict[str, int]:
    return {name: int(count) for name, count in ROWS.findall(table)}


@pytest.fixture
def ada(tmp_path: Path) -> str:
    path = tmp_path / "ada.yaml"
    path.write_text(CARD)
    return str(path)


# How full the memory is.


def test_context_waits_for_the_model_instead_of_saying_nothing() -> None:
    told = piped(stdin="/context\n").err
    assert rows(told)["total"] == rows(told)["template"] > 0
    assert "0 tokens" not in told and re.search(r"total +\d+ of 4096 tokens, 0%", told)


def test_the_table_is_all_of_the_meter_at_any_time(held: Held, ada: str) -> None:
    one = held.talk(character=ada, system="Be brief.", settings={"max_tokens": 12})
    view_of(one).greet()
    for line in (
        "",
        CAPITAL,
        "/retry",
        "What storm?",
        "/continue",
        "/undo",
        "!note",
        "/role a cat",
    ):
        if line:
            say(one, line)
        told = rows(say(one, "/context"))
        total = told.pop("total")
        assert sum(told.values()) == total, line
        assert one.models.engine.ready() and one.meter() == (f"{total}/4096", total / 4096)


def test_a_cards_chat_does_not_open_with_more_than_its_first_question_finds(
    held: Held, ada: str
) -> None:
    one = held.talk(character=ada, settings={"max_tokens": 4})
    view_of(one).greet()
    opening = rows(say(one, "/context"))
    assert "lore" not in opening, "nothing has called for it yet"
    say(one, "Who are you?")
    first = rows(say(one, "/context"))
    assert first["total"] > opening["total"]
    for part in ("card", "examples"):
        assert first[part] == opening[part]
    say(one, "What storm?")
    assert rows(say(one, "/context"))["lore"] > 4


def test_what_is_counted_is_what_was_asked_and_answered(held: Held, ada: str) -> None:
    one = held.talk(character=ada, settings={"max_tokens": 8})
    say(one, CAPITAL)
    assert one.last and one.last.usage
    known = one.last.usage.prompt_tokens + one.last.usage.answer_tokens
    assert 0 <= rows(say(one, "/context"))["total"] - known < 8  # the next answer's own beginning


def test_where_nothing_can_be_measured_nothing_is_shown(held: Held) -> None:
    one = held.talk(context=64, system="long " * 80)
    one.models.engine.wait()
    assert one.meter() == (" ", 0.0)


# What an answer has cost.


def test_an_answer_that_was_stopped_has_its_cost(chat: Open) -> None:
    shown = begun(chat(*LONG, "--no-save").ready())
    shown.press("\x03")
    shown.ready().say("/stats").say("/context")
    (stats,) = [line for line in shown.lines if line.startswith("prompt ")]
    at = shown.lines.index(stats)
    assert re.search(r"answer [1-9]\d* tokens", " ".join(shown.lines[at : at + 3]))
    table = "\n".join(shown.lines)
    assert rows(table)["total"] > rows(table)["history"] > 5


def test_an_answer_that_was_left_early_has_its_cost(held: Held) -> None:
    one = held.talk(
        settings={"temperature": 100.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "seed": 5}
    )
    events = one.ask("Go.")
    for _ in range(5):
        next(event for event in events if isinstance(event, Text))
    events.close()
    assert one.last and one.last.usage and one.last.usage.answer_tokens >= 5
    assert one.last.finish == "interrupted"
    assert "answer" in say(one, "/stats")
    one.models.engine.ask(request(CAPITAL)).close()
    assert say(one, "/stats").startswith("prompt"), "the next request is not disturbed"


def test_an_answer_that_broke_has_none(held: Held) -> None:
    one = held.talk()
    engine = broken(one, Text("Hel"), KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        repl.handle(view_of(one), "Hello!")
    assert engine.cancelled and say(one, "/stats") == "there is no answer yet"


# What is waited for.


def waiting(loaded: bool) -> Waiting:
    return Waiting(Console(Stream(None), Stream(io.BytesIO()), Stream(io.BytesIO())), "m", loaded)


@pytest.mark.parametrize("loaded", [True, False])
def test_what_is_waited_for_is_what_is_known(loaded: bool) -> None:
    with waiting(loaded) as line:
        assert line._line and line._line.label == ("reading the prompt" if loaded else "loading m")
        line.note(Progress("queued", 0, 3, "requests"))
        assert line._line.line().startswith("waiting: 3 other requests go first")
        line.note(Progress("queued", 0, 0, "requests"))
        assert line._line.label == "reading the prompt"
        line.note(Progress("reading", 5, 10))
        assert line._line.line().startswith("reading the prompt  5/10 tokens")
        line.note(Notice("It is a base model."))
        line.note(Progress("reading", 7, 10))
        assert line._line.line().startswith("reading the prompt  7/10 tokens")
        line.note(Text("It"))
        before = line._line
        line.note(Progress("queued", 0, 1, "requests"))
        assert line._line is before, "an answer that has begun is not disturbed"


def test_a_warm_model_is_known_to_be_loaded_without_a_question_to_it(warm: Path) -> None:
    spec = ModelSpec("text", (str(TINY),), "tiny", {"threads": 1})
    with PooledClient(spec, 300) as first:
        first.wait()
        # The worker tells its client and the daemon at once; a later client asks the daemon.
        until(lambda: daemon_client.status()["models"][0]["state"] == "ready")
        for _ in range(3):
            with PooledClient(spec, 300) as again:
                assert again.ready()
                assert again.count_tokens(TextRequest(raw="a b c")) > 0


@pytest.mark.parametrize("lines", [1, 400, 1200])
def test_a_new_text_for_a_warm_model_is_never_loading(lines: int, warm: Path) -> None:
    run("ask", "-m", "tiny", "-n", "1", "Hi")
    master, slave = pty.openpty()
    with subprocess.Popen(
        command("ask", "-m", "tiny", "-n", "1", "--truncate", "tail", "-I", f"{lines} foxes. " * lines),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    ) as process:  # fmt: skip
        assert process.wait(120) == 0
    os.write(slave, b"end")
    said = os.read(master, 1 << 16)
    os.close(slave)
    os.close(master)
    assert b"loading" not in said
