"""Events on their way to the sender: nothing lost, in order, and at once what somebody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.pool import event_batcher
from localai.pool.event_batcher import EventBatcher
from localai.types import (
    Event,
    Events,
    Failed,
    FileReady,
    Finished,
    Progress,
    Text,
    Thinking,
    TokenCount,
)
from tests.support.toy_engine import Said

LONG = 60.0  # seconds between beats: what comes before has not waited for one


def text(piece: str) -> Event:
    return Text(piece)


def whole(events: Events) -> dict[str, list[tuple[type[Event], object]]]:
    """What each request has been sent: kinds in their order, with the text of each run."""
    found: dict[str, list[tuple[type[Event], object]]] = {}
    for name in {name for name, _ in events}:
        own = [event for each, event in events if each == name]
        found[name] = []
        for kind, run in groupby(own, key=type):
            parts = list(run)
            found[name].append((kind, pieces(parts) if kind in (Text, Thinking) else parts))
    return found


def pieces(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text | Thinking))


MAKE: dict[str, Callable[[int], Event]] = {
    "text": lambda at: Text(f"{at},"),
    "thinking": lambda at: Thinking(f"{at},"),
    "progress": lambda at: Progress("reading", at, 99),
    "file": lambda at: FileReady(f"/{at}", at),
}

requests = st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from([*MAKE]), max_size=8))


@settings(deadline=None)
@given(requests, st.data())
def test_every_event_comes_in_its_order(kinds: dict[str, list[str]], data: st.DataObject) -> None:
    queues: dict[str, list[Event]] = {
        name: [*(MAKE[kind](at) for at, kind in enumerate(own)), Finished("stop")]
        for name, own in kinds.items()
    }
    put: Events = []
    taken: Events = []
    box = EventBatcher()
    while any(queues.values()):
        name = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        count = data.draw(st.integers(1, len(queues[name])))
        step = [(name, event) for event in queues[name][:count]]
        del queues[name][:count]
        box.put(step)
        put += step
        if isinstance(step[-1][1], Finished):  # which is never kept waiting
            taken += box.take()
    assert whole(taken) == whole(put)


def taking(box: EventBatcher) -> tuple[threading.Thread, list[Events]]:
    """Take once, in a thread."""
    got: list[Events] = []
    thread = threading.Thread(target=lambda: got.append(box.take()), daemon=True)
    thread.start()
    return thread, got


@pytest.mark.parametrize(
    "event",
    [
        text("first"),
        Finished("stop"),
        Failed("LocalaiError", "x"),
        Progress("reading", 1, 2),
        TokenCount(3),
        FileReady("/x"),
        Said("of another engine"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_begins_or_ends_an_answer_waits_for_no_beat(
    event: Event, monkeypatch: pytest.MonkeyPatch
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
    box.put([("mine", event)])
    thread.join(10)
    assert got == [[("other", text("bc")), ("mine", event)]]
    assert type(got[0][1][1]) is type(event)


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
    taken = box.take()
    assert taken == [
        ("a", Thinking("x")),
        ("a", text("y!")),
        ("b", text("z")),
        ("a", Finished("stop")),
    ]
    assert [type(event) for _, event in taken] == [Thinking, Text, Text, Finished]


def test_a_request_of_the_same_name_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_batcher, "_BEAT", LONG)
    box = EventBatcher()
    for _ in range(3):
        box.put([("a", text("x"))])
        assert box.take() == [("a", text("x"))]
        box.put([("a", Finished("stop"))])
        assert box.take() == [("a", Finished("stop"))]
