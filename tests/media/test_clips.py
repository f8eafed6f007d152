"""Times and clips as people write them, and blocks cut by them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import BadInput
from localai.media.clips import (
    LONGEST,
    RATE,
    Block,
    Clip,
    after,
    cut,
    merged,
    parse_clip,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0), ("90", 90), ("90.5", 90.5), ("90,5", 90.5), ("90s", 90), ("1:30", 90),
        ("1:30.25", 90.25), ("01:02:03.5", 3723.5), ("100:00", 6000), ("2m", 120),
        ("1h2m3s", 3723), ("1h", 3600), ("1.5h", 5400), (" 1M30S ", 90), ("0:00", 0),
        ("1h30", 3630), ("1m30", 90),
    ],
)  # fmt: skip
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", " ", "-5", "1:60", "1:75:00", "1:2:3:4", "x", "1d", "1e3", "nan", "inf", "99999999", "1:",
     ":30", "٣", "1h2h", "9" * 400],
)  # fmt: skip
def test_what_is_no_time_is_told_with_examples(text: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_time(text)
    assert "1:30" in raised.value.next_step


@pytest.mark.parametrize(
    ("text", "clip"),
    [
        ("1:30-2:10", Clip(90, 130)), ("90-130", Clip(90, 130)), ("1:30-", Clip(90, None)),
        ("-2:10", Clip(0, 130)), ("1m30s - 2m10s", Clip(90, 130)), ("1:30–2:10", Clip(90, 130)),
    ],
)  # fmt: skip
def test_clips_are_read(text: str, clip: Clip) -> None:
    assert parse_clip(text) == clip


@pytest.mark.parametrize("text", ["", "-", "1:30", "2:10-1:30", "5-5", "a-b", "1-2-3", "--3"])
def test_what_is_no_clip_is_told(text: str) -> None:
    with pytest.raises(BadInput):
        parse_clip(text)


seconds = st.integers(0, 40).map(lambda n: n / 2)
clips = st.builds(lambda a, n: Clip(a, None if n == 0 else a + n / 4), seconds, st.integers(0, 30))


@given(st.lists(clips, max_size=6))
def test_merged_clips_are_in_order_apart_and_cover_the_same(given_clips: list[Clip]) -> None:
    found = merged(given_clips)
    for before, later in pairwise(found):
        assert before.end is not None and before.end < later.start

    def inside(time: float, some: tuple[Clip, ...]) -> bool:
        return any(c.start <= time and (c.end is None or time < c.end) for c in some)

    wanted = tuple(given_clips) or (Clip(0.0),)
    for tick in range(0, 300):
        assert inside(tick / 8, found) == inside(tick / 8, wanted)


@given(st.lists(clips, max_size=5), st.lists(st.integers(1, 3 * RATE), min_size=1, max_size=12))
def test_cutting_keeps_each_sample_in_a_clip_once_and_in_place(
    given_clips: list[Clip], lengths: list[int]
) -> None:
    total = sum(lengths)
    whole = np.arange(total, dtype=np.float32)

    def blocks() -> Iterator[Block]:
        at = 0
        for length in lengths:
            yield Block(at, whole[at : at + length])
            at += length

    wanted = np.zeros(total, bool)
    for clip in merged(given_clips):
        wanted[round(clip.start * RATE) : None if clip.end is None else round(clip.end * RATE)] = 1
    got = np.zeros(total, int)
    last = 0
    for block in cut(blocks(), given_clips):
        assert len(block.samples) and block.start >= last
        last = block.end
        assert np.array_equal(block.samples, whole[block.start : block.end])
        got[block.start : block.end] += 1
    assert np.array_equal(got, wanted.astype(int))


def test_reading_ends_with_the_last_clip() -> None:
    def endless() -> Iterator[Block]:
        at = 0
        while True:
            yield Block(at, np.zeros(RATE, np.float32))
            at += RATE

    assert sum(len(b.samples) for b in cut(endless(), [Clip(2, 3), Clip(5, 5.5)])) == 1.5 * RATE


def test_a_time_has_a_longest() -> None:
    assert parse_time(str(int(LONGEST))) == LONGEST
    with pytest.raises(BadInput):
        parse_time(str(int(LONGEST) + 1))


@given(st.lists(clips, max_size=5), st.integers(0, 30 * RATE))
def test_what_is_left_of_clips_is_what_a_whole_run_hears_from_there(
    given_clips: list[Clip], start: int
) -> None:
    whole = [Block(0, np.arange(30 * RATE, dtype=np.float32))]

    def samples(some: tuple[Clip, ...]) -> list[int]:
        return [int(x) for b in cut(whole, some) for x in b.samples[:: RATE // 4]] if some else []

    left = after(given_clips, start)
    heard = [b for b in cut(whole, merged(given_clips)) if b.end > start]
    assert sum(len(b.samples[max(0, start - b.start) :]) for b in heard) == (
        sum(len(b.samples) for b in cut(whole, left)) if left else 0
    )
    assert all(round(clip.start * RATE) >= start for clip in left)
    assert samples(after(given_clips, 0)) == samples(merged(given_clips))
