"""Messages on the wire: any cut gives the same, garbage is refused, nothing is believed."""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localai.errors import BadInput, LocalaiError, TooLong, from_wire
from localai.pool import protocol
from localai.types import Event, Failed, Finished, Usage
from tests.conftest import of_another_version
from tests.formats.test_serialization import plain, usages

texts = st.text(max_size=30)
names = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8)
fields = st.dictionaries(names.filter(lambda name: name not in ("v", "id", "type", "kind")), texts)
messages = st.tuples(names, texts, fields)
errors = st.fixed_dictionaries({"error": texts, "what": texts, "next": texts})


def delta_of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Event]:
    """Return deltas of a kind in which the other fields hold their defaults."""
    return st.fixed_dictionaries(fields).map(lambda given: Event(kind, **given))


deltas = st.one_of(
    delta_of("text", text=texts),
    delta_of("thinking", text=texts),
    delta_of("progress", done=st.integers(0), total=st.integers(0)),
    delta_of(
        "finish",
        reason=st.sampled_from(["stop", "length", "cancelled"]),
        usage=st.none() | usages,
    ),
    delta_of("error", error=errors),
)


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
        decoder.feed(frame(b"", protocol.MOST + 1))
    # The largest that is allowed is waited for.
    assert protocol.Decoder().feed(frame(b"{", protocol.MOST)) == []


def test_a_request_that_travels_inline_fits_a_frame() -> None:
    assert (
        len(protocol.encode("generate", "1", request={"raw": "\x01" * protocol.INLINE}))
        < protocol.MOST
    )


@given(delta=deltas, name=texts)
def test_deltas_come_back_as_they_were(delta: Event, name: str) -> None:
    (message,) = protocol.Decoder().feed(protocol.encode_delta(name, delta))
    assert message["id"] == name
    assert protocol.delta(message) == delta


@pytest.mark.parametrize(
    "message",
    [
        {"type": "image"},
        {"type": ""},
        {"type": "generate", "request": {}},
        {"type": "finish", "reason": "stop", "usage": {"prompt_tokens": "many"}},
        {"type": "finish", "reason": "stop", "usage": {"prompt_tokens": 1}},
        {"type": "finish", "reason": "stop", "usage": [1]},
        {"type": "finish", "reason": "boredom"},
        {"type": "finish"},
        {"type": "progress"},
        {"type": "progress", "done": "x", "total": 1},
        {"type": "progress", "done": 1, "total": None},
    ],
)
def test_a_message_that_is_no_delta_is_refused_in_words(message: dict[str, Any]) -> None:
    with pytest.raises(LocalaiError):
        protocol.delta({"v": protocol.VERSION, "id": "1", **message})


def test_lone_surrogates_do_not_stop_a_message() -> None:
    (message,) = protocol.Decoder().feed(protocol.encode("text", "\ud800", text="a\udcffb"))
    assert message["text"].startswith("a") and message["text"].endswith("b")


@pytest.mark.parametrize(
    "error", [TooLong("9 tokens", "cut it"), BadInput("no"), protocol.ProtocolError("x", "y")]
)
def test_errors_keep_class_words_and_exit_code(error: LocalaiError) -> None:
    (message,) = protocol.Decoder().feed(protocol.encode_delta("1", Failed(**error.to_wire())))
    again = from_wire(protocol.delta(message).error or {})
    assert (type(again), again.what, again.next_step) == (type(error), error.what, error.next_step)
    assert again.code == error.code


def test_an_unknown_error_class_is_a_plain_failure() -> None:
    error = from_wire({"error": "SystemExit", "what": "over"})
    assert (type(error), error.what, int(error.code)) == (LocalaiError, "over", 1)
    assert type(from_wire({})) is LocalaiError and from_wire({}).what


def test_usage_travels_with_the_finish() -> None:
    usage = Usage(12, 3, 5, 0, 0.25, 0.5, 1.5, 0.75, 4294967294)
    (message,) = protocol.Decoder().feed(
        protocol.encode_delta("7", Finished("length", usage=usage))
    )
    assert protocol.delta(message) == Finished("length", usage=usage)
