"""Bodies of OpenAI's API as requests, and back."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.errors import BadInput
from localai.generation import openai_client
from localai.generation.constraints import from_choices, from_regex, from_schema
from localai.generation.openai_body import (
    CHAT,
    COMPLETIONS,
    constraint_of_body,
    request_of_body,
)
from localai.generation.openai_client import body_of, reply_of, url_of
from localai.types import Message, Sampling, TextRequest

BASE = TextRequest(max_tokens=7, sampling=Sampling(temperature=0.5))
USER = [{"role": "user", "content": "x"}]


def test_what_a_body_says_goes_before_what_was_asked_of_all() -> None:
    body = {
        "messages": [{"role": "developer", "content": "s"}, *USER],
        "temperature": 0,
        "stop": ".",
    }
    request = request_of_body(CHAT, {**body, "max_completion_tokens": 9, "seed": 3}, BASE)
    assert request.messages == (Message("system", "s"), Message("user", "x"))
    assert (request.max_tokens, request.stop) == (9, (".",))
    assert (request.sampling.temperature, request.sampling.seed) == (0, 3)
    assert request_of_body(CHAT, {"messages": USER}, BASE).max_tokens == 7
    assert request_of_body(COMPLETIONS, {"prompt": ["go on"]}, BASE).raw == "go on"


@pytest.mark.parametrize(
    "body, kind",
    [
        ({"response_format": {"type": "json_object"}}, "json_object"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}}, "json_schema"),
        ({"response_format": {"type": "text"}}, None),
        ({"structured_outputs": {"choice": ["a", "b"]}}, "choices"),
        ({"guided_regex": "[ab]"}, "regex"),
        ({"structured_outputs": {"json": {"type": "object"}}}, "json_schema"),
        ({"grammar": 'root ::= "a"'}, "gbnf"),
        ({}, None),
    ],
)  # fmt: skip
def test_every_way_to_ask_for_a_form(body: dict[str, Any], kind: str | None) -> None:
    found = constraint_of_body(body)
    assert (found and found.kind) == kind


@pytest.mark.parametrize(
    "more, word",
    [
        ({"n": 2}, "`n`"),
        ({"tools": [{}]}, "`tools`"),
        ({"temperature": "hot"}, "`temperature`"),
        ({"max_tokens": 0}, "`max_tokens`"),
        ({"stop": [1]}, "`stop`"),
        ({"response_format": {"type": "xml"}}, "`response_format`"),
        ({"response_format": {}}, "`response_format`"),
        ({"response_format": {"type": "json_object", "schema": 5}}, "`schema`"),
        ({"structured_outputs": "x"}, "`structured_outputs`"),
        ({"structured_outputs": {"regex": 5}}, "`regex`"),
        ({"guided_regex": 5}, "`guided_regex`"),
        ({"guided_choice": 5}, "`guided_choice`"),
        ({"guided_choice": {"a": 1}}, "`guided_choice`"),
        ({"guided_grammar": []}, "`guided_grammar`"),
        ({"guided_json": [["a", 1]]}, "`guided_json`"),
        ({"grammar": 5}, "`grammar`"),
        ({"json_schema": "x"}, "`json_schema`"),
        ({"messages": []}, "`messages`"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image_url"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_name(more: dict[str, Any], word: str) -> None:
    with pytest.raises(BadInput) as refusal:
        request_of_body(CHAT, {"messages": USER, **more}, BASE)
    assert word in refusal.value.what


def test_a_request_becomes_the_body_it_came_from() -> None:
    for constraint in (from_schema({"type": "object"}), from_choices("a,b"), from_regex("[ab]")):
        request = TextRequest(
            (Message("user", "x"),),
            sampling=Sampling(temperature=0.25, seed=4),
            max_tokens=5,
            constraint=constraint,
        )
        body = json.loads(json.dumps(body_of(request, {"temperature", "seed"})))
        found = request_of_body(url_of(request), body, TextRequest())
        assert found.messages == request.messages and found.sampling == request.sampling
        assert found.constraint is not None and found.constraint.kind == constraint.kind


INNER_KEYS = st.sampled_from(
    ["type", "schema", "json_schema", "choice", "regex", "json", "grammar"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | INNER_KEYS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from([
    "temperature", "stop", "max_tokens", "n", "seed", "response_format", "structured_outputs", "grammar",
    "json_schema", "guided_choice", "guided_regex", "guided_json", "guided_grammar",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([CHAT, COMPLETIONS, "x"]), JSON, st.dictionaries(KEYS, JSON, max_size=4))
def test_any_json_is_a_request_or_refused(url: str, body: Any, more: dict[str, Any]) -> None:
    with contextlib.suppress(BadInput):
        request_of_body(url, body, BASE)
    with contextlib.suppress(BadInput):
        request_of_body(CHAT, {"messages": USER, **more}, BASE)
    reply_of(body)


def test_the_same_body_for_two_places_is_asked_twice() -> None:
    body = {"input": "x", "temperature": 0}
    urls = ("/v1/embeddings", "/v1/moderations")
    first, second = (openai_client.passed_on({"url": url, "body": body}) for url in urls)
    assert first != second
    assert first == openai_client.passed_on({"url": urls[0], "body": dict(body)})
