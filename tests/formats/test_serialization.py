"""Records to plain data and back: nothing is lost, and nothing else comes in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import BadInput
from localai.formats.serialization import from_plain, to_plain
from localai.types import Constraint, Message, ModelSpec, Picture, Sampling, TextRequest, Usage

texts = st.text(max_size=20)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31)
maybe_count = st.none() | counts

messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=texts,
    pictures=st.lists(st.builds(Picture, counts, counts, counts), max_size=2).map(tuple),
)
samplings = st.builds(
    Sampling,
    temperature=numbers,
    top_k=counts,
    top_p=numbers,
    min_p=numbers,
    repeat_penalty=numbers,
    seed=maybe_count,
    temperature_first=st.booleans(),
)
requests = st.builds(
    TextRequest,
    messages=st.lists(messages, max_size=3).map(tuple),
    raw=st.none() | texts,
    fixed=counts,
    sampling=samplings,
    max_tokens=maybe_count,
    stop=st.lists(texts, max_size=3).map(tuple),
    constraint=st.none() | st.builds(Constraint, kind=st.just("regex"), source=texts),
    think=st.none() | st.booleans(),
    truncate=st.sampled_from([None, "head", "middle", "tail"]),
    context=maybe_count,
    interactive=st.booleans(),
)
usages = st.builds(
    Usage,
    **{
        name: {int: counts, float: numbers, bool: st.booleans()}.get(kind, st.none() | counts)
        for name, kind in get_type_hints(Usage).items()
    },
)
specs = st.builds(ModelSpec, kind=texts, files=st.lists(texts, max_size=3).map(tuple), name=texts)


@dataclass(frozen=True)
class Box:
    """Every kind of field that a record may have."""

    label: str
    size: int = 0
    weight: float = 0.0
    open: bool = False
    side: Literal["left", "right"] = "left"
    tags: tuple[str, ...] = ()
    notes: dict[str, str] | None = None
    inner: Message | None = None


@given(record=requests | usages | specs | messages)
def test_any_record_comes_back_through_json(record: Any) -> None:
    assert from_plain(type(record), json.loads(json.dumps(to_plain(record)))) == record


def test_defaults_do_not_travel() -> None:
    assert to_plain(TextRequest()) == {}
    assert to_plain(Sampling(temperature=0)) == {"temperature": 0}
    assert from_plain(TextRequest, {}) == TextRequest()
    assert to_plain(Box("a", tags=("x", "y"))) == {"label": "a", "tags": ["x", "y"]}


def test_a_whole_number_is_a_number_but_a_truth_value_is_none() -> None:
    assert from_plain(Box, {"label": "a", "weight": 3}) == Box("a", weight=3.0)
    assert type(from_plain(Box, {"label": "a", "weight": 3}).weight) is float
    for key in ("size", "weight"):
        with pytest.raises(BadInput, match=f"Box.{key} cannot be 'True'"):
            from_plain(Box, {"label": "a", key: True})


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"label": 1}, "Box.label"),
        ({"label": None}, "Box.label"),
        ({"label": "a", "size": 1.0}, "Box.size"),
        ({"label": "a", "size": "1"}, "Box.size"),
        ({"label": "a", "open": 1}, "Box.open"),
        ({"label": "a", "side": "up"}, "Box.side"),
        ({"label": "a", "side": []}, "Box.side"),
        ({"label": "a", "tags": "xy"}, "Box.tags"),
        ({"label": "a", "tags": ["x", 2]}, "Box.tags[1]"),
        ({"label": "a", "tags": {"x": 1}}, "Box.tags"),
        ({"label": "a", "notes": {"x": 1}}, "Box.notes"),
        ({"label": "a", "notes": ["x"]}, "Box.notes"),
        ({"label": "a", "inner": "hello"}, "Box.inner"),
        ({"label": "a", "inner": {"role": "pope", "content": ""}}, "Box.inner.role"),
        ({"label": "a", "inner": {"role": "user", "content": 5}}, "Box.inner.content"),
        ({"label": "a", "inner": {"role": "user"}}, "content"),
        ({"label": "a", "lid": 1}, "'lid'"),
        ({}, "label"),
        ([], "Box is not a mapping"),
        (None, "Box is not a mapping"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(data: Any, place: str) -> None:
    with pytest.raises(BadInput) as caught:
        from_plain(Box, data)
    assert place in caught.value.what


def test_an_enormous_value_is_not_repeated_in_the_message() -> None:
    with pytest.raises(BadInput) as caught:
        from_plain(Box, {"label": ["x" * 1_000_000]})
    assert len(caught.value.what) < 200


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
keys = [name for kind in (TextRequest, Sampling, Message) for name in kind._fields]


@given(data=plain | st.dictionaries(st.sampled_from(keys), plain))
def test_any_plain_data_is_a_request_or_bad_input(data: Any) -> None:
    try:
        made = from_plain(TextRequest, data)
    except BadInput:
        return
    assert isinstance(made, TextRequest)
    assert from_plain(TextRequest, to_plain(made)) == made or "nan" in repr(made)


def test_what_was_packed_holds_all_that_differs() -> None:
    request = TextRequest(messages=(Message("user", "hi"),), sampling=Sampling(seed=7))
    assert to_plain(request) == {
        "messages": [{"role": "user", "content": "hi"}],
        "sampling": {"seed": 7},
    }
    assert from_plain(TextRequest, to_plain(request)) == request
