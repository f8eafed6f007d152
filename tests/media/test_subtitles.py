"""Every format from the same segments: golden files, parsers made by others, any text at all.

`REWRITE_TRANSCRIPTS=1 python -m pytest tests/media/test_subtitles.py` writes the golden files anew.
"""

from __future__ import annotations

import json
import os
import re
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from localai.errors import BadInput
from localai.formats.text import cells
from localai.media.captions import BROADCAST, Layout, captions, tokens_of
from localai.media.segments import Segment, Word, interleaved, joined, moved, tidy
from localai.media.subtitles import FORMATS, About, Paragraphs, line, render
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "transcripts"


def said(start: float, text: str, step: float = 0.4, **more: object) -> Segment:
    """A segment whose words come one every `step` seconds."""
    words = tuple(
        Word(start + at * step, start + (at + 0.8) * step, f" {word}", 0.9)
        for at, word in enumerate(text.split())
    )
    return Segment(start, words[-1].end, f" {text}", words, 0.02, -0.25, **more)  # type: ignore[arg-type]


SPEECH = (
    said(0.32, "And so, my fellow Americans, ask not what your country can do for you,"),
    said(6.4, "ask what you can do for your country."),
    said(11.5, "Q&A: is 3 < 5? *Yes*, and <b>so</b> on --> [applause]"),
    Segment(15.2, 19.5, "Öffne die Tür! 東京は日本の首都です。とても大きい町です。"),
)
TALK = (
    said(0.0, "Where is the key?", speaker="left"),
    said(1.2, "It is in the garden.", speaker="right"),
    said(5.0, "Thank you.", speaker="left"),
)
ABOUT = About("talk.flac", "en", 19.5, "whisper-base")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("name", "segments", "layout"),
    [
        ("speech", SPEECH, BROADCAST),
        ("narrow", SPEECH, Layout(width=24, lines=1)),
        ("words", SPEECH[:1], Layout(highlight=True)),
        ("talk", TALK, BROADCAST),
        ("silence", (), BROADCAST),
    ],
)
def test_each_format_is_as_its_golden_file(
    kind: str, name: str, segments: tuple[Segment, ...], layout: Layout
) -> None:
    path = GOLDEN / f"{name}.{kind}"
    found = render(kind, segments, layout, ABOUT)
    if os.environ.get("REWRITE_TRANSCRIPTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")


def words_of(kind: str, document: str) -> str:
    """The text of a document, read by a parser made by others where there is one."""
    readers = {
        "txt": lambda: document,
        "srt": lambda: " ".join(cue.content for cue in srt.parse(document)),
        "vtt": lambda: " ".join(
            unescape(re.sub(r"</?v[^>]*>", "", cue.raw_text))
            for cue in webvtt.from_string(document)
        ),
        "tsv": lambda: " ".join(row.split("\t")[2] for row in document.splitlines()[1:]),
        "json": lambda: str(json.loads(document)["text"]),
        "jsonl": lambda: " ".join(json.loads(row)["text"] for row in document.splitlines()),
        "lrc": lambda: " ".join(
            re.sub(r"^\[\d+:\d\d\.\d\d\]", "", r) for r in document.split("\n")
        ),
        "md": lambda: _markdown(document),
    }
    return readers[kind]()


def _markdown(document: str) -> str:
    text = []
    for token in MarkdownIt("commonmark").enable("strikethrough").enable("table").parse(document):
        assert token.type in (
            "paragraph_open", "paragraph_close", "inline", "heading_open", "heading_close",
        ), token.type  # fmt: skip
        for child in token.children or ():
            assert child.type in ("text", "strong_open", "strong_close", "text_special"), child.type
            text.append(child.content)
        text.append(" " if token.type.endswith(("open", "close")) else "")
    return re.sub(r"(^| )\d+:\d\d:\d\d ", " ", "".join(text).removeprefix(" talk.flac "))


def bare(text: str) -> str:
    """Text without white space, which line ends and scripts without spaces make differ."""
    return "".join(text.split())


# Letters, marks of every format, control characters, scripts without spaces, white space.
LETTERS = st.sampled_from(
    [*"abcXYZ0189äß", *"<>&*_[]()#|\\`~{}-=+.,;:!?'\"/", *"東京はก့。、", "-->", "1\n", "\n\n",
     "\t", " ", "\x00", "\x1b[2J", "\u202e", "\u2028", "\x85", "\u200b", "\ud800", "🎵", "é", "e\u0301"]
)  # fmt: skip
TEXTS = st.lists(LETTERS, max_size=30).map("".join)
NUMBERS = st.one_of(
    st.floats(0, 20000), st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 1e300, 1e-9])
)


@st.composite
def any_segment(draw: st.DrawFn) -> Segment:
    if draw(st.booleans()):
        words = tuple(
            Word(draw(NUMBERS), draw(NUMBERS), draw(st.sampled_from(["", " "])) + text, 0.5)
            for text in draw(st.lists(TEXTS, max_size=8))
        )
        text = "".join(word.text for word in words)
    else:
        words, text = (), draw(TEXTS)
    return Segment(
        draw(NUMBERS), draw(NUMBERS), text, words, draw(NUMBERS), draw(NUMBERS),
        draw(st.sampled_from(["", "", "left", "a<b>: \n&"])),
    )  # fmt: skip


@given(st.lists(any_segment(), max_size=6), st.integers(1, 60), st.integers(1, 3))
@settings(max_examples=120, deadline=None)
def test_any_segments_have_the_same_text_in_every_format(
    segments: list[Segment], width: int, lines: int
) -> None:
    plain = [s._replace(speaker="") for s in segments]
    wanted = bare(joined(found.text for s in plain if (found := tidy(s))))
    layout = Layout(width=width, lines=lines)
    for kind in FORMATS:
        document = render(kind, plain, layout, About("talk.flac"))
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", document)
        found = bare(words_of(kind, document))
        assert found == wanted, kind


@given(st.lists(any_segment(), max_size=6), st.integers(1, 60), st.integers(1, 3), st.booleans())
@settings(max_examples=120, deadline=None)
def test_captions_are_valid_for_parsers_made_by_others(
    segments: list[Segment], width: int, lines: int, highlight: bool
) -> None:
    layout = Layout(width=width, lines=lines, highlight=highlight)
    document = render("srt", segments, layout)
    cues = list(srt.parse(document))  # strict: raises where anything is not of a cue
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
    for cue in cues:
        assert cue.start < cue.end
        assert cue.content.strip()
        assert len(cue.content.split("\n")) <= lines
    starts = [cue.start for cue in cues]
    assert starts == sorted(starts) or highlight
    captioned = list(webvtt.from_string(render("vtt", segments, layout)))
    assert len(captioned) == len(cues)
    for caption, cue in zip(captioned, cues, strict=True):
        assert caption.start_in_seconds == pytest.approx(cue.start.total_seconds(), abs=1.001)


@given(st.lists(st.text("abcdefgh, .", min_size=1, max_size=200), max_size=4), st.integers(8, 50))
@settings(max_examples=80, deadline=None)
def test_lines_fit_and_hold_all_words_in_order(texts: list[str], width: int) -> None:
    segments = [
        clean
        for at, text in enumerate(texts)
        if (clean := tidy(Segment(at * 10, at * 10 + 9, text))) is not None
    ]
    layout = Layout(width=width)
    found = captions(segments, layout)
    shown = [token for caption in found for row in caption.lines for token in row]
    assert [t.text for t in shown] == [t.text for s in segments for t in tokens_of(s)]
    for caption in found:
        assert 1 <= len(caption.lines) <= layout.lines
        for row, text in zip(caption.lines, caption.texts, strict=True):
            assert cells(text) <= width or len(row) == 1
    for before, after in pairwise(found):
        assert before.start < before.end
        assert before.end <= after.start or after.start <= before.start + 1


def test_captions_are_shown_long_enough_and_not_too_long() -> None:
    long = said(0, " ".join(["word"] * 60), step=0.7)
    for caption in captions([tidy(long) or long], BROADCAST):
        assert caption.end - caption.start <= 7000
    short = [tidy(said(at, "Yes.", step=0.2)) for at in (0.0, 0.5, 10.0)]
    spans = [(c.start, c.end) for c in captions([s for s in short if s], BROADCAST)]
    assert spans == [(0, 500), (500, 1333), (10_000, 10_833)]


def test_a_caption_ends_at_a_pause_and_at_a_sentence() -> None:
    words = [Word(0, 0.5, " Stop"), Word(4, 4.5, " here")]
    paused = Segment(0, 4.5, " Stop here", tuple(words))
    assert [c.texts for c in captions([paused], BROADCAST)] == [("Stop",), ("here",)]
    text = (
        "This is a sentence of some length, it is. And this one is even longer than the first, too."
    )
    found = captions([tidy(said(0, text, step=0.2)) or paused], BROADCAST)
    assert [" ".join(c.texts) for c in found] == [
        "This is a sentence of some length, it is.",
        "And this one is even longer than the first, too.",
    ]


def test_two_lines_are_about_as_long() -> None:
    text = "the quick brown fox jumps over the lazy dog now"
    (caption,) = captions([Segment(0, 5, text)], BROADCAST)
    one, two = map(len, caption.texts)
    assert abs(one - two) <= 8


def test_pieces_of_words_are_never_torn_apart() -> None:
    words = (Word(0, 1, " don"), Word(1, 2, "'t"), Word(2, 3, " stop"), Word(3, 4, "ping"))
    segment = Segment(0, 4, " don't stopping", words)
    assert [token.text for token in tokens_of(segment)] == ["don't", "stopping"]
    assert tokens_of(segment)[0][1:] == (0, 2)


def test_scripts_without_spaces_are_wrapped_and_no_mark_begins_a_line() -> None:
    text = "これはとても長い文章です、そしてまだまだ続きますよ。" * 3
    for caption in captions([Segment(0, 20, text)], Layout(width=20)):
        for row in caption.texts:
            assert cells(row) <= 22
            assert row[0] not in "、。"
            assert " " not in row


def test_overlapping_speakers_overlap_and_a_speaker_never_does() -> None:
    segments = list(interleaved([TALK[0], TALK[2]], [TALK[1]]))
    assert segments == list(TALK)
    found = captions([s for t in segments if (s := tidy(t))], BROADCAST)
    assert found[0].end > found[1].start
    same = [s for t in segments if (s := tidy(t._replace(speaker="")))]
    found = captions(same, BROADCAST)
    assert found[0].end <= found[1].start


def test_segments_that_overlap_keep_the_order_of_their_words() -> None:
    segments = [said(0, "one two three four five six"), said(2.0, "seven eight nine")]
    document = render("srt", segments, Layout(width=10, lines=1))
    assert words_of("srt", document) == "one two three four five six seven eight nine"
    backwards = [Segment(5, 6, "first"), Segment(4, 5, "second"), Segment(4, 4, "third")]
    assert words_of("srt", render("srt", backwards)) == "first second third"


def test_plain_text_streams_to_the_same_text() -> None:
    stream = Paragraphs()
    parts = [stream.add(segment) for segment in SPEECH] + [stream.end()]
    assert "".join(parts) == render("txt", SPEECH)
    assert parts[1] == " ask what you can do for your country."
    assert parts[2].startswith("\nQ&A")
    assert Paragraphs().end() == ""


def test_a_line_of_jsonl_is_written_as_it_comes() -> None:
    lines = [line(segment) for segment in SPEECH]
    assert "".join(f"{row}\n" for row in lines) == render("jsonl", SPEECH)
    assert line(Segment(0, 1, " \n ")) == ""


def test_json_has_the_names_that_whisper_s_have() -> None:
    data = json.loads(render("json", SPEECH, BROADCAST, ABOUT))
    assert data["language"] == "en" and data["duration"] == 19.5
    first = data["segments"][0]
    assert set(first) == {
        "id", "start", "end", "text", "words", "avg_logprob", "no_speech_prob"
    }  # fmt: skip
    assert "".join(word["word"] for word in first["words"]).strip() == first["text"]


def test_names_and_texts_cannot_leave_their_place() -> None:
    evil = About("# [x](y)\n\n<script>.mp3")
    shown = render(
        "md", [Segment(0, 1, "# no\n\n---\n> quote"), Segment(9, 10, "1. a")], about=evil
    )
    assert "script" in _markdown(shown)
    talk = Segment(0, 1, "hi", speaker="a>b\n00:00:00.000 --> 00:00:09.000\nx")
    assert len(list(webvtt.from_string(render("vtt", [talk])))) == 1
    assert len(list(srt.parse(render("srt", [talk])))) == 1


def test_words_that_do_not_join_to_the_text_are_left_out() -> None:
    clean = tidy(Segment(0, 1, "one two", (Word(0, 1, " three"),)))
    assert clean is not None and clean.words == ()


def test_numbers_of_a_library_become_plain_ones() -> None:
    one = np.float64(0.12345678)
    clean = tidy(Segment(one, one * 9, " hi", (Word(one, one, " hi", one),), one, -one))
    assert clean is not None
    numbers = [*clean[:2], *clean[4:6], *clean.words[0][:2], clean.words[0].probability]
    assert {type(number) for number in numbers} == {float}
    assert clean.start == 0.123


def test_segments_move_with_their_words() -> None:
    later = moved(SPEECH[0], 600)
    assert later.start == pytest.approx(600.32) and later.words[0].start == pytest.approx(600.32)
    assert later.text == SPEECH[0].text


def test_an_unknown_format_is_told_with_the_nearest() -> None:
    with pytest.raises(BadInput) as raised:
        render("str", SPEECH)
    assert "srt" in raised.value.next_step


def test_three_hours_are_written_in_seconds() -> None:
    import time

    many = [moved(SPEECH[0], at * 6.0) for at in range(1800)]
    began = time.process_time()
    for kind in FORMATS:
        render(kind, many)
    assert time.process_time() - began < 15
