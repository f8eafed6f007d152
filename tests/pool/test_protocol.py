"""Frames on the wire: any cut gives the same, garbage is refused, nothing is believed."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localai.engines import registry
from localai.errors import BadInput, LocalaiError, TooLong, from_wire
from localai.pool import protocol
from localai.types import (
    Event,
    Failed,
    FileReady,
    Finished,
    Notice,
    Progress,
    Text,
    Thinking,
    TokenCount,
    Usage,
)
from tests.conftest import of_another_version
from tests.formats.test_serialization import plain, usages

texts = st.text(max_size=30)
names = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8)
fields = st.dictionaries(names.filter(lambda name: name not in ("v", "id", "type", "kind")), texts)
messages = st.tuples(names, texts, fields)


whole = st.integers(0, 2**31)
figures = st.dictionaries(names, whole, max_size=3)
progress = st.builds(
    Progress,
    phase=st.sampled_from(["queued", "loading", "reading", "working"]),
    done=st.floats(0, 1e9),
    total=st.floats(0, 1e9),
    unit=st.sampled_from(["requests", "bytes", "tokens", "steps", "seconds"]),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Text, texts),
    st.builds(Thinking, texts),
    st.builds(Notice, texts),
    st.builds(TokenCount, whole),
    progress,
    st.builds(FileReady, texts, whole, st.none() | whole),
    st.builds(
        Finished, st.sampled_from(["stop", "length", "repetition", "cancelled"]), st.none() | usages
    ),
    st.builds(Failed, texts, texts, texts, figures),
)
KNOWN = registry.event_types("text")


def frame(data: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I", len(data) if length is None else length) + data


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at)]


@given(said=st.lists(messages, max_size=5), places=st.lists(st.integers(0), max_size=20))
def test_messages_cut_anywhere_are_the_same(
    said: list[tuple[str, str, dict[str, str]]], places: list[int]
) -> None:
    data = b"".join(protocol.encode(kind, name, **more) for kind, name, more in said)
    decoder = protocol.Decoder()
    heard = [message for part in cut(data, places) for message in decoder.feed(part)]
    expected = [
        {"v": protocol.VERSION, "id": name, "type": kind, **more} for kind, name, more in said
    ]
    assert heard == expected


def test_byte_by_byte_each_message_comes_with_its_last_byte() -> None:
    first, second = protocol.encode("text", "1", text="é\n"), protocol.encode("cancel", "2")
    decoder, heard = protocol.Decoder(), []
    for at, byte in enumerate(first + second):
        for message in decoder.feed(bytes([byte])):
            heard.append((at + 1, message["type"]))
    assert heard == [(len(first), "text"), (len(first + second), "cancel")]


@given(garbage=st.binary(max_size=200), places=st.lists(st.integers(0), max_size=10))
@example(garbage=frame(b"[" * 100_000), places=[])
@example(garbage=frame(b"\xff\xfe"), places=[])
@example(garbage=frame(b""), places=[2])
def test_random_bytes_are_nothing_or_a_wire_error(garbage: bytes, places: list[int]) -> None:
    decoder = protocol.Decoder()
    try:
        heard = [message for part in cut(garbage, places) for message in decoder.feed(part)]
    except protocol.ProtocolError as error:
        assert error.what
    else:
        assert heard == []


@given(body=plain)
@example(body={"v": protocol.VERSION, "id": 1, "type": "text"})
@example(body={"v": protocol.VERSION, "id": "1", "type": None})
@example(body={"v": protocol.VERSION, "id": "1"})
@example(body={"v": protocol.VERSION + 1, "id": "1", "type": "text"})
@example(body={"v": None, "id": "1", "type": "text"})
@example(body=[1])
def test_json_that_is_no_message_is_refused(body: Any) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.Decoder().feed(frame(json.dumps(body).encode()))


def test_the_version_is_checked_before_anything_is_done() -> None:
    data = of_another_version(protocol.encode("generate", "1"))
    with pytest.raises(
        protocol.OtherVersion,
        match=f"version {protocol.VERSION + 1}; this is version {protocol.VERSION}",
    ):
        protocol.Decoder().feed(data)


def test_an_oversized_frame_is_refused_by_its_length_alone() -> None:
    decoder = protocol.Decoder()
    with pytest.raises(protocol.ProtocolError, match="at most"):
        decoder.feed(frame(b"", protocol.MAX_FRAME + 1))
    # The largest that is allowed is waited for.
    assert protocol.Decoder().feed(frame(b"{", protocol.MAX_FRAME)) == []


def test_a_frame_that_would_be_too_long_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_FRAME", 1000)
    longest = "x" * (1004 - len(protocol.encode("generate", "1", request={"raw": ""})))
    data = protocol.encode("generate", "1", request={"raw": longest})
    assert len(protocol.Decoder().feed(data)) == 1
    with pytest.raises(BadInput, match="a request of 1001 bytes; at most 1000 are taken"):
        protocol.encode("generate", "1", request={"raw": longest + "x"})
    with pytest.raises(BadInput, match="a request of 1001 bytes"):  # bytes, not characters
        protocol.encode("generate", "1", request={"raw": longest[1:] + "é"})


@given(event=events, name=texts)
def test_events_come_back_as_they_were(event: Event, name: str) -> None:
    (heard,) = protocol.Decoder().feed(protocol.encode_event(name, event))
    assert heard["id"] == name
    again = protocol.decode_event(heard, KNOWN)
    assert (type(again), again) == (type(event), event)


@pytest.mark.parametrize(
    "heard",
    [
        {"type": "Image"},
        {"type": ""},
        {"type": "Event"},
        {"type": "generate", "event": {}},
        {"type": "text", "event": {"text": "x"}},
        {"type": "Text"},
        {"type": "Text", "text": "x"},
        {"type": "Text", "event": "x"},
        {"type": "Text", "event": ["x"]},
        {"type": "Text", "event": {"text": None}},
        {"type": "Text", "event": {"text": "x", "more": 1}},
        {"type": "Finished", "event": {"reason": "stop", "usage": {"prompt_tokens": "many"}}},
        {"type": "Finished", "event": {"reason": "stop", "usage": {"prompt_tokens": 1}}},
        {"type": "Finished", "event": {"reason": "stop", "usage": [1]}},
        {"type": "Finished", "event": {"reason": "boredom"}},
        {"type": "Finished", "event": {}},
        {"type": "Failed", "event": {"error": "BadInput"}},
        {"type": "Failed", "event": {"error": "BadInput", "what": "x", "data": {"tokens": "9"}}},
        {"type": "FileReady", "event": {}},
        {"type": "FileReady", "event": {"path": 5}},
        {"type": "TokenCount", "event": {"tokens": 1.5}},
        {"type": "TokenCount", "event": {"tokens": True}},
        {"type": "Progress", "event": {}},
        {"type": "Progress", "event": {"phase": "lunch"}},
        {"type": "Progress", "event": {"phase": "reading", "done": "x", "total": 1}},
        {"type": "Progress", "event": {"phase": "reading", "done": 1, "total": None}},
    ],
)
def test_a_frame_that_is_no_event_is_refused_in_words(heard: dict[str, Any]) -> None:
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.decode_event({"v": protocol.VERSION, "id": "1", **heard}, KNOWN)
    assert caught.value.what


@given(data=plain, kind=st.sampled_from(sorted(KNOWN)) | texts)
def test_any_plain_data_is_an_event_or_refused(data: Any, kind: str) -> None:
    heard = {"v": protocol.VERSION, "id": "1", "type": kind, "event": data}
    try:
        event = protocol.decode_event(heard, KNOWN)
    except protocol.ProtocolError:
        return
    assert type(event).__name__ == kind


def test_only_the_events_of_its_kind_come_from_an_engine() -> None:
    (heard,) = protocol.Decoder().feed(protocol.encode_event("1", Text("x")))
    with pytest.raises(protocol.ProtocolError, match="unknown type 'Text'"):
        protocol.decode_event(heard, registry.event_types("speak"))


def test_lone_surrogates_do_not_stop_a_message() -> None:
    (message,) = protocol.Decoder().feed(protocol.encode("text", "\ud800", text="a\udcffb"))
    assert message["text"].startswith("a") and message["text"].endswith("b")


@pytest.mark.parametrize(
    "error",
    [
        TooLong("9 tokens", "cut it", tokens=9, limit=8),
        BadInput("no"),
        protocol.ProtocolError("x", "y"),
    ],
)
def test_errors_keep_class_words_and_exit_code(error: LocalaiError) -> None:
    (heard,) = protocol.Decoder().feed(protocol.failed("1", error))
    event = protocol.decode_event(heard, KNOWN)
    assert isinstance(event, Failed)
    again = from_wire(event._asdict())
    assert (type(again), again.what, again.next_step) == (type(error), error.what, error.next_step)
    assert (again.code, again.data) == (error.code, error.data)


def test_an_unknown_error_class_is_a_plain_failure() -> None:
    error = from_wire({"error": "SystemExit", "what": "over"})
    assert (type(error), error.what, int(error.code)) == (LocalaiError, "over", 1)
    assert type(from_wire({})) is LocalaiError and from_wire({}).what


def test_usage_travels_with_the_finish() -> None:
    usage = Usage(12, 3, 5, 0, 0.25, 0.5, 1.5, 0.75, 4294967294)
    (heard,) = protocol.Decoder().feed(protocol.encode_event("7", Finished("length", usage)))
    event = protocol.decode_event(heard, KNOWN)
    assert isinstance(event, Finished) and event == Finished("length", usage)
    assert type(event.usage) is Usage
