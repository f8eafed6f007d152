"""Greedy answers equal those that llama.cpp's own server gave for the same file and messages.

`python -m tests.bench.record` renews the record; it holds only answers without near ties.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from localai.catalog.gguf.check import check
from localai.catalog.names import TINY
from localai.engines.llama.chat_template import ChatTemplate
from localai.engines.llama.model import Model
from localai.types import Message, ModelSpec
from tests.conftest import GREEDY, ROOT, InProcess, run

RECORDED: list[dict[str, Any]] = json.loads((ROOT / "tests" / "recorded.json").read_text("utf-8"))


def messages(record: dict[str, Any]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in record["messages"])


def test_there_are_enough_of_them() -> None:
    assert len(RECORDED) >= 20
    assert any(len(record["messages"]) > 2 for record in RECORDED)


def test_prompts_have_the_servers_token_ids() -> None:
    model = Model(ModelSpec("text", (str(TINY),)), check(TINY))
    template = ChatTemplate(model.header.chat_template, model.vocab)
    for record in RECORDED:
        assert template.encode(messages(record)) == record["prompt"]
    model.close()


def test_answers_are_the_servers(tiny: InProcess) -> None:
    names = [
        tiny.submit(messages=messages(record), sampling=GREEDY, max_tokens=48)
        for record in RECORDED
    ]
    replies = tiny.gather(names)
    for record, name in zip(RECORDED, names, strict=True):
        reply = replies[name]
        assert reply.end is not None
        assert (reply.text, reply.end.reason) == (record["text"], record["reason"])
        ended = record["reason"] == "stop"  # the server lists the token that ends an answer, too
        assert reply.usage.answer_tokens == len(record["tokens"]) - ended


@pytest.mark.parametrize("number", [0, -1])
def test_the_command_prints_them(number: int) -> None:
    questions = [record for record in RECORDED if len(record["messages"]) == 1]
    record = questions[number]
    done = run("ask", "-m", "tiny", "--temp", "0", "-n", "48", "--", record["messages"][0][1])
    assert done.out == record["text"].rstrip("\n") + "\n"
