"""Loops and repeated lines are dropped and counted; what people say twice is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.media.hallucinations import Dropped, HallucinationFilter
from localai.media.segments import Segment, Word


def lines(*texts: str, no_speech: float = 0.0, logprob: float = -0.2) -> list[Segment]:
    return [
        Segment(at * 3.0, at * 3.0 + 2.5, text, (), no_speech, logprob)
        for at, text in enumerate(texts)
    ]


def kept(segments: list[Segment]) -> tuple[list[str], Dropped]:
    chosen = HallucinationFilter()
    found = [one.text for segment in segments if (one := chosen.take(segment)) is not None]
    return found, chosen.dropped


def test_a_line_that_goes_round_is_written_twice_at_most() -> None:
    found, dropped = kept(lines("Hello there.", *["I am going home."] * 20, "The end of it."))
    assert found == ["Hello there.", "I am going home.", "I am going home.", "The end of it."]
    assert dropped == Dropped(lines=18)


@pytest.mark.parametrize("marks", [("", ""), ("!", "."), (" - ", "…")])
def test_marks_and_capitals_make_no_other_line(marks: tuple[str, str]) -> None:
    one, two = (f"we GO home now{mark}" for mark in marks)
    assert len(kept(lines(one, two.lower(), one, two, one))[0]) == 2


@pytest.mark.parametrize("cycle", [2, 3, 4])
def test_lines_that_go_round_together_are_dropped(cycle: int) -> None:
    round_ = [f"line number {number} here" for number in range(cycle)]
    found, dropped = kept(lines(*round_ * 6, "another thing"))
    assert found == [*round_ * 2, "another thing"]
    assert dropped.lines == 4 * cycle


@pytest.mark.parametrize(
    "bad",
    [
        {"no_speech": 0.7},
        {"avg_logprob": -1.1},
        {"end": 3.02},
        {"start": 1.0},
    ],
)
def test_a_second_time_is_dropped_where_something_speaks_against_it(bad: dict[str, float]) -> None:
    one, two = lines("We are going home.", "We are going home.")
    assert kept([one, two])[0] == ["We are going home."] * 2
    found, dropped = kept([one, two._replace(**bad)])
    assert found == ["We are going home."]
    assert dropped.lines == 1


def test_what_people_say_again_is_kept() -> None:
    for texts in (
        ["Yes.", "Yes.", "No.", "Yes.", "Yes."],
        ["Open the door.", "Open the door."],
        ["one", "two", "one", "two", "one", "two"],
        ["Left.", "Right.", "Left.", "Left.", "Right."],
        ["No, no, no, no!", "Very, very, very good."],
        ["Ha ha ha ha.", "bye bye bye"],
        ["again and again and again"],
    ):
        assert kept(lines(*texts)) == (texts, Dropped())


def test_a_phrase_that_loops_within_a_line_is_said_once() -> None:
    found, dropped = kept(lines("So " + "I think that " * 9 + "we go"))
    assert found == ["So I think that we go"]
    assert dropped == Dropped(loops=1)
    assert kept(lines("no " * 30))[0] == ["no"]
    assert kept(lines("ご視聴" * 10))[0] == ["ご視聴"]


def test_the_words_of_a_loop_go_with_it() -> None:
    texts = [" go", *[" on", " and"] * 8, " stop"]
    words = tuple(Word(at, at + 0.9, text) for at, text in enumerate(texts))
    segment = Segment(0, 18, "".join(texts), words)
    found = HallucinationFilter().take(segment)
    assert found is not None
    assert found.text == " go on and stop"
    assert "".join(word.text for word in found.words) == found.text
    assert found.words[-1] == words[-1] and found.end == words[-1].end


@pytest.mark.parametrize(
    "text",
    ["Thank you for watching!", "Thanks for watching.", "Vielen Dank.",
     "Untertitelung des ZDF, 2020", "Untertitel der Amara.org-Community", "ご視聴ありがとうございました"],
)  # fmt: skip
def test_thanks_for_watching_are_dropped_over_silence_and_kept_in_speech(text: str) -> None:
    assert kept(lines(text))[0] == [text]
    found, dropped = kept(lines("Hello there.", text, no_speech=0.4))
    assert found == ["Hello there."]
    assert dropped == Dropped(invented=1)


def test_a_loop_goes_on_over_a_resumed_run() -> None:
    chosen = HallucinationFilter()
    for segment in lines("I am going home.", "I am going home."):
        chosen.remember(segment)
    assert chosen.take(lines("I am going home.")[0]._replace(start=9, end=11)) is None


@given(st.lists(st.text("abc .,!日", max_size=30), max_size=12))
def test_nothing_is_ever_added_and_order_is_kept(texts: list[str]) -> None:
    found, dropped = kept(lines(*texts))
    at = 0
    for text in found:
        while at < len(texts) and not _within(text, texts[at]):
            at += 1
        assert at < len(texts)
        at += 1
    assert len(found) + dropped.lines + dropped.invented == len(texts)


def _within(short: str, long: str) -> bool:
    rest = iter(long)
    return all(char in rest for char in short)
