"""Deltas on their way to the sender: nothing lost, in order, and at once what somebody waits for."""

from __future__ import annotations

import threading
import time
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.pool import event_batcher
from localai.pool.event_batcher import EventBatcher
from localai.types import Event, Failed, Finished, Progress, Text, Thinking

LONG = 60.0  # seconds between beats: what comes before has not waited for one


def text(piece: str) -> Event:
    return Text(piece)


def whole(deltas: Deltas) -> dict[str, list[tuple[str, str]]]:
    """What each request has been sent: kinds in their order, with the text of each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name in {name for name, _ in deltas}:
        own = [delta for each, delta in deltas if each == name]
        found[name] = [
            (kind, "".join(delta.text for delta in run))
            for kind, run in groupby(own, key=lambda delta: delta.kind)
        ]
    return found


requests = st.dictionaries(
    st.sampled_from("abc"), st.lists(st.sampled_from(["text", "thinking", "progress"]), max_size=8)
)


@settings(deadline=None)
@given(requests, st.data())
def test_every_delta_comes_in_its_order(kinds: dict[str, list[str]], data: st.DataObject) -> None:
    queues = {
        name: [Event(kind, text=f"{at},") if kind != "progress" else Event(kind, done=at)  # type: ignore[arg-type]
               for at, kind in enumerate(own)] + [Finished("stop")]
        for name, own in kinds.items()
    }  # fmt: skip
    put: Deltas = []
    taken: Deltas = []
    box = EventBatcher()
    while any(queues.values()):
        name = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        count = data.draw(st.integers(1, len(queues[name])))
        step = [(name, delta) for delta in queues[name][:count]]
        del queues[name][:count]
        box.put(step)
        put += step
        if isinstance(step[-1][1], Finished):  # which is never kept waiting
            taken += box.take()
    assert whole(taken) == whole(put)


def taking(box: EventBatcher) -> tuple[threading.Thread, list[Deltas]]:
    """Take once, in a thread."""
    got: list[Deltas] = []
    thread = threading.Thread(target=lambda: got.append(box.take()), daemon=True)
    thread.start()
    return thread, got


@pytest.mark.parametrize(
    "delta",
    [text("first"), Finished("stop"), Failed("LocalaiError", "x"), Progress("reading", 1, 2)],
    ids=lambda delta: delta.kind,
)
def test_what_begins_or_ends_an_answer_waits_for_no_beat(
    delta: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_batcher, "_BEAT", LONG)
    box = EventBatcher()
    box.put([("other", text("a"))])
    assert box.take() == [("other", text("a"))]
    thread, got = taking(box)
    box.put([("other", text("b"))])
    box.put([("other", text("c"))])
    thread.join(0.1)
    assert thread.is_alive()  # text behind text waits for the beat
    box.put([("mine", delta)])
    thread.join(10)
    assert got == [[("other", text("bc")), ("mine", delta)]]


def test_text_comes_with_the_next_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_batcher, "_BEAT", 0.2)
    box = EventBatcher()
    box.put([("a", text("one"))])
    began = time.monotonic()
    box.take()
    for word in ("two", "three"):
        box.put([("a", text(word))])
    assert box.take() == [("a", text("twothree"))]
    assert time.monotonic() - began >= 0.2


def test_text_that_comes_seldom_goes_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_batcher, "_BEAT", 0.001)
    box = EventBatcher()
    for word in ("one", "two", "three"):
        box.put([("a", text(word))])
        assert box.take() == [("a", text(word))]
        time.sleep(0.002)


def test_thinking_and_text_are_not_joined() -> None:
    box = EventBatcher()
    box.put([("a", Thinking("x")), ("a", text("y")), ("b", text("z"))])
    box.put([("a", text("!")), ("a", Finished("stop"))])
    assert box.take() == [
        ("a", Thinking("x")),
        ("a", text("y!")),
        ("b", text("z")),
        ("a", Finished("stop")),
    ]


def test_a_request_of_the_same_name_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_batcher, "_BEAT", LONG)
    box = EventBatcher()
    for _ in range(3):
        box.put([("a", text("x"))])
        assert box.take() == [("a", text("x"))]
        box.put([("a", Finished("stop"))])
        assert box.take() == [("a", Finished("stop"))]
