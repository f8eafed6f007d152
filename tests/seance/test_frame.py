"""What the screen looks like, without any screen."""

from __future__ import annotations

import html
import itertools
import re
from typing import Any

import pytest

from localai.formats.text import cells
from localai.seance.band import BANDS
from localai.seance.events import WordPlaced
from localai.seance.frame import STYLES, Line, ScreenState, frame
from tests.conftest import ROOT


def state(**more: Any) -> ScreenState:
    fm = BANDS["fm"]
    return ScreenState(**{"band": fm, "frequency": 93.4, "step": 100, "direction": "forward",
                          "volume": 80, "seed": 7, "begun": True, **more})  # fmt: skip


def text(lines: list[Line]) -> list[str]:
    return ["".join(part for _, part in line) for line in lines]


@pytest.mark.parametrize("width", [8, 20, 40, 80, 120, 250])
@pytest.mark.parametrize("height", [1, 5, 14, 24, 60])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    placed = [(WordPlaced(word, 1.0, 93.4), 0.0) for word in ("nobody", "日本語", "x" * 300, "a")]
    for more in ({}, {"begun": False}, {"typed": "a long question " * 30}, {"notice": "n" * 400},
                 {"paused": True, "recording": True, "words": placed}):  # fmt: skip
        shown = state(**more)
        shown.said.extend([("you", "Who?" * 100), ("93.4", "I am \x1b[2J here.\n" * 40)])
        lines = frame(shown, width, height, 5.0)
        assert len(lines) <= height
        for line in lines:
            assert all(style == "" or style in STYLES for style, _ in line)
        if width >= 40:
            assert max(cells(line) for line in text(lines)) <= width
        assert "\x1b" not in "".join(text(lines))


@pytest.mark.parametrize("height", range(1, 9))
def test_a_low_screen_keeps_what_is_needed_most(height: int) -> None:
    """The line below, what was said last, what this is; the oldest words and the level go first."""
    shown = state(typed="Who are you")
    shown.said.extend([("93.4", "first"), ("93.4", "then"), ("93.4", "last")])
    lines = text(frame(shown, 40, height, 5.0))
    assert len(lines) == height and "Who are you" in lines[-1]
    whole = "\n".join(lines)
    wanted = ["Who are you", "last", "SPIRIT", "▲", "88", "then", "first", "level"]
    assert [each in whole for each in wanted] == [at < height for at in range(8)]
    begun = "\n".join(text(frame(state(begun=False), 20, height, 5.0)))
    assert "press any key" in begun and ("machine-made" in begun) == (height > 2)
    told = "\n".join(text(frame(state(begun=False, notice="no mic"), 60, height, 5.0)))
    assert ("no mic" in told) == (height > 2)


def test_the_needle_goes_with_the_frequency() -> None:
    places = []
    for frequency in (88.0, 93.0, 98.0, 103.0, 108.0):
        line = next(
            line for line in text(frame(state(frequency=frequency), 100, 30, 0)) if "▲" in line
        )
        places.append(line.index("▲"))
    assert places == sorted(set(places)) and (places[0], places[-1]) == (4, 95)
    numbers = next(line for line in text(frame(state(), 100, 30, 0)) if "88" in line)
    assert numbers.split() == [str(n) for n in range(88, 109, 2)]


def test_a_word_arrives_letter_by_letter_in_the_static() -> None:
    word = [(WordPlaced("nobody", 1.0, 93.4), 10.0)]
    seen = []
    for now in (10.0, 10.1, 10.2, 10.5):
        lines = frame(state(words=word), 80, 30, now)
        seen.append("".join(part for line in lines for style, part in line if style == "word"))
    assert seen[0] == "n" and seen[-1] == "nobody" and seen == sorted(seen, key=len)
    calm = frame(state(words=word, calm=True), 80, 30, 10.0)
    assert "nobody" in "".join(text(calm))


def test_nothing_flashes_more_than_three_times_a_second() -> None:
    """The static changes as a whole; everything else on the screen moves a cell at a time."""

    def static(shown: ScreenState, now: float) -> str:
        lines = frame(shown, 80, 30, now)
        return "".join(part for line in lines for style, part in line if style.startswith("static"))

    for calm, most in ((False, 3.0), (True, 0.5)):
        looks = [static(state(calm=calm), at / 50) for at in range(1000)]  # 20 seconds
        changes = sum(one != other for one, other in itertools.pairwise(looks))
        assert 1 <= changes <= most * 20
    assert static(state(paused=True), 0.0) == static(state(paused=True), 9.0)


def test_how_bright_the_static_is_hardly_changes() -> None:
    def light(now: float) -> float:
        shown = "".join(text(frame(state(), 100, 40, now)))
        return sum(
            shown.count(grain) * weight for grain, weight in zip("·░▒▓", (1, 3, 6, 9), strict=True)
        )

    values = [light(at / 2) for at in range(40)]
    assert max(values) < 1.25 * min(values)


def test_the_keys_and_a_question_stand_below() -> None:
    assert "space ask" in text(frame(state(), 100, 30, 0))[-1]
    assert text(frame(state(typed="Who are"), 100, 30, 0))[-1] == " ask › Who are▏"
    assert "marked" in text(frame(state(notice="marked at 93.4"), 100, 30, 0))[-1]


def test_a_narrow_screen_leaves_out_whole_things_and_the_least_needed_first() -> None:
    title = text(frame(state(paused=True, recording=True, seed=12345), 40, 24, 0))[0]
    assert title == " SPIRIT BOX  FM  ❚❚ paused  ● rec"
    assert text(frame(state(seed=12345), 40, 24, 0))[0] == " SPIRIT BOX  FM ▸ forward  100 ms"
    assert "q quit" in text(frame(state(), 40, 24, 0))[-1]


@pytest.mark.parametrize("width", [24, 40, 80])
def test_the_first_screen_says_what_this_is(width: int) -> None:
    shown = " ".join(" ".join(text(frame(state(begun=False), width, 24, 0))).split())
    assert "All voices are machine-made; no one is there." in shown
    assert "out of the noise." in shown and "press any key" in shown


def test_the_picture_in_the_readme_is_the_screen() -> None:
    """Made anew with `python -m tests.support.spirit_picture`."""
    from tests.support import spirit_picture as picture

    kept = picture.PATH.read_text("utf-8")
    plain = html.unescape(re.sub(r"<[^>]*>", "", kept)).replace("\xa0", " ")
    lines = text(frame(picture.state(), picture.WIDTH, picture.HEIGHT, 1.9))
    for line in (lines[0], lines[1], lines[-1], *(each for each in lines if "cried" in each)):
        for word in line.split():
            assert word in plain, word
    assert "tests/golden/spirit.svg" in (ROOT / "README.md").read_text("utf-8")
    assert set(re.findall(r"https?://[^\"' ]*", kept)) <= {"http://www.w3.org/2000/svg",
        "https://www.textualize.io"}  # fmt: skip
