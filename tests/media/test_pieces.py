"""Cutting a long sound at pauses: nothing lost, never too long, never within a word."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.media.clips import RATE, Block
from localai.media.pieces import FIRST, LONGEST, AudioPiece, pieces
from tests.support import sounds


def blocks_of(sound: sounds.Samples, lengths: list[int], start: int = 0) -> Iterator[Block]:
    """A sound in blocks of these lengths, over and over."""
    at = turn = 0
    while at < len(sound):
        length = lengths[turn % len(lengths)]
        yield Block(start + at, sound[at : at + length])
        at, turn = at + length, turn + 1


def spoken(seconds: float, seed: int) -> tuple[sounds.Samples, list[tuple[int, int]]]:
    """Words of noise and the pauses between them, in samples, with some noise below all."""
    r = np.random.default_rng(seed)
    total = int(seconds * RATE)
    sound = r.normal(0, 0.002, total).astype(np.float32)
    words, at = [], 0
    while at < total:
        length = int(r.uniform(0.3, 3) * RATE)
        sound[at : at + length] += r.normal(0, 0.2, len(sound[at : at + length]))
        words.append((at, min(total, at + length)))
        at += length + int(r.uniform(0.8, 2.0) * RATE)
    return sound, words


@given(
    st.integers(0, 60 * RATE),
    st.lists(st.integers(1, 5 * RATE), min_size=1, max_size=5),
    st.floats(1, 30),
    st.floats(1, 30),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_each_sample_is_in_one_piece_in_order_and_no_piece_is_too_long(
    total: int, lengths: list[int], longest: float, first: float, seed: int
) -> None:
    lengths = [max(length, 500) for length in lengths]
    sound = np.random.default_rng(seed).normal(0, 0.1, total).astype(np.float32)
    found = list(pieces(blocks_of(sound, lengths), longest=longest, first=first))
    assert np.array_equal(
        np.concatenate([piece.samples for piece in found]) if found else sound[:0], sound
    )
    at = 0
    for number, piece in enumerate(found):
        assert piece.start == at
        at = piece.end
        assert 0 < len(piece.samples) <= longest * RATE
        assert piece.last == (number == len(found) - 1)
    if found:
        assert len(found[0].samples) <= first * RATE


@given(st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_cuts_lie_in_pauses(seed: int) -> None:
    sound, words = spoken(90, seed)
    found = list(pieces(blocks_of(sound, [RATE]), longest=20, first=10))
    assert len(found) > 4
    for piece in found[:-1]:
        assert not any(start < piece.end < end for start, end in words)


def test_cuts_lie_in_the_pauses_of_speech() -> None:
    sound = sounds.speechlike(120.0, seed=3)
    quiet = np.convolve(np.abs(sound), np.ones(1600) / 1600, "same") < 1e-3
    for piece in list(pieces(blocks_of(sound, [RATE]), longest=15, first=15))[:-1]:
        assert quiet[piece.end]


def test_the_next_pieces_do_not_depend_on_what_came_before() -> None:
    sound, _ = spoken(120, 5)
    found = list(pieces(blocks_of(sound, [RATE]), longest=20, first=10))
    for number in (1, 2, 4):
        start = found[number].start
        again = list(pieces(blocks_of(sound[start:], [777], start), longest=20, first=20))
        assert [(p.start, p.end, p.last) for p in again] == [
            (p.start, p.end, p.last) for p in found[number:]
        ]


def test_a_piece_ends_where_a_clip_does() -> None:
    sound, _ = spoken(30, 2)
    clips = [Block(0, sound[:RATE]), Block(RATE, sound[RATE : 2 * RATE])]
    clips += [Block(5 * RATE, sound[5 * RATE : 6 * RATE])]
    found = list(pieces(clips))
    assert [(p.start, p.end, p.last) for p in found] == [
        (0, 2 * RATE, True),
        (5 * RATE, 6 * RATE, True),
    ]


def test_sound_without_a_pause_and_silence_are_cut_as_late_as_may_be() -> None:
    tone = sounds.tone(100.0)
    for sound in (tone, np.zeros(100 * RATE, np.float32)):
        found: list[AudioPiece] = list(pieces(blocks_of(sound, [RATE]), longest=20, first=20))
        assert len(found) <= 6
        assert sum(len(piece.samples) for piece in found) == 100 * RATE


def test_no_sound_has_no_piece() -> None:
    assert list(pieces([])) == []


def test_the_first_piece_is_short_and_none_longer_than_ten_minutes() -> None:
    sound = np.tile(spoken(60, 1)[0], 25)
    lengths = [len(piece.samples) / RATE for piece in pieces(blocks_of(sound, [RATE]))]
    assert lengths[0] <= FIRST == 60
    assert max(lengths) <= LONGEST == 600
    assert len(lengths) <= 4


def test_hours_are_cut_in_seconds_within_bounded_memory() -> None:
    minute = spoken(60, 4)[0]

    def hours() -> Iterator[Block]:
        for at in range(60 * 60):
            first = at % 60 * RATE
            yield Block(at * RATE, minute[first : first + RATE])

    tracemalloc.start()
    began = time.process_time()
    total = sum(len(piece.samples) for piece in pieces(hours()))
    spent = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 3600 * RATE
    assert peak < 200e6  # a piece is 38 MB; joining and measuring need some more
    assert spent < 10
