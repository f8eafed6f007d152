"""The seance's screen as lines of styled text: what it looks like at a moment. Pure.

A frame is a list of lines, each a list of (style, text); styles are classes of `STYLES`.
"""

from __future__ import annotations

import random
import textwrap
from collections import deque
from dataclasses import dataclass, field

from localai.formats.text import cells, clip, one_line
from localai.seance.band import Band, Direction
from localai.seance.events import WordPlaced

Line = list[tuple[str, str]]

STYLES = {
    "title": "#d7af5f bold",
    "dim": "#767676",
    "faint": "#4e4e4e",
    "static": "#5f5f5f",
    "static-bright": "#8a8a8a",
    "dial": "#af875f",
    "needle": "#ff5f5f bold",
    "number": "#ffd787",
    "level": "#87af5f",
    "word": "#ffffff bold",
    "fresh": "#d7d7ff",
    "you": "#87afd7",
    "spirit": "#dadada",
    "key": "#d7af5f",
}
"""What the classes look like; without colours, bold and plain remain."""

FLASHES = 2.5
"""How often a second the static changes: at most 3 flashes are safe for eyes (WCAG 2.3.1)."""
_CALM = 0.2  # with --calm
_GRAINS = " " * 12 + "·" * 5 + "░" * 6 + "▒" * 2 + "▓"
_LETTERS = 28  # that a word shows a second
_DIGITS = {
    "0": ("█▀█", "█ █", "▀▀▀"), "1": ("▀█ ", " █ ", "▀▀▀"), "2": ("▀▀█", "█▀▀", "▀▀▀"),
    "3": ("▀▀█", "▀▀█", "▀▀▀"), "4": ("█ █", "▀▀█", "  ▀"), "5": ("█▀▀", "▀▀█", "▀▀▀"),
    "6": ("█▀▀", "█▀█", "▀▀▀"), "7": ("▀▀█", "  █", "  ▀"), "8": ("█▀█", "█▀█", "▀▀▀"),
    "9": ("█▀█", "▀▀█", "▀▀▀"), ".": (" ", " ", "▀"),
}  # fmt: skip
_ARROWS: dict[Direction, str] = {"forward": "▸", "reverse": "◂", "bounce": "↔", "random": "⁂"}
KEYS = (
    ("space", "ask"), ("p", "pause"), ("q", "quit"), ("← →", "step"), ("r", "way"),
    ("b", "band"), ("↑ ↓", "volume"), ("m", "mark"),
)  # fmt: skip
"""What the keys do; a narrow screen names the first of them."""


@dataclass
class ScreenState:
    """All that the screen shows; written by the seance, read by the frame."""

    band: Band
    frequency: float
    step: int
    direction: Direction
    volume: int  # percent
    seed: int
    level: float = 0.0
    begun: bool = False
    paused: bool = False
    listening: bool = False  # somebody speaks into a microphone
    sounding: bool = True
    recording: bool = False
    calm: bool = False
    typed: str | None = None  # the question so far; None: nobody types
    notice: str = ""
    words: list[tuple[WordPlaced, float]] = field(default_factory=list)  # with when it came
    said: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=40))


def frame(state: ScreenState, width: int, height: int, now: float) -> list[Line]:
    """Return the screen at a moment.

    Parameters
    ----------
    width, height : int
        Of the terminal.
    now : float
        Seconds of a clock that only runs forward.
    """
    if not state.begun:
        return _welcome(state, width, height)
    numbers, ruler = _dial(state, width)
    # Each line with its rank: on a low screen those of the greatest go first.
    above = [(2, _title(state, width)), (4, numbers), (3, ruler)]
    if height >= 18 and width >= 40:
        above += [(8, line) for line in ([], *_number(state, width))]
    said = _said(state, width, 3 if height < 18 else 5)
    last = (*range(len(said) + 4, 5, -1), 1)  # what was said last is needed more than before
    below = [
        (10, _level(state, width)), *zip(last, said, strict=True), (0, _bottom(state, width))
    ]  # fmt: skip
    static = _static(state, width, height - len(above) - len(below), now)
    return _fitted([*above, *((11, line) for line in static), *below], height)


def _fitted(rows: list[tuple[int, Line]], height: int) -> list[Line]:
    """Return as many lines as there is room for, in their order: those of the least ranks."""
    kept = sorted(range(len(rows)), key=lambda at: rows[at][0])[:height]
    return [rows[at][1] for at in sorted(kept)]


def _welcome(state: ScreenState, width: int, height: int) -> list[Line]:
    said = _wrapped("All voices are machine-made; no one is there.", width)
    about = _wrapped("A model that was never taught to chat answers out of the noise.", width)
    notice: Line = [("dim", clip(one_line(state.notice), width))]
    rows: list[tuple[int, Line]] = [
        (3, [("title", "S P I R I T   B O X")]),
        (5, []),
        *((1, line) for line in said),
        *((4, line) for line in about),
        (5, []),
        (0, [("key", "press any key to begin")]),
        (5, []),
        (2 if state.notice else 5, notice),
    ]
    above: list[Line] = [[] for _ in range(max(0, (height - len(rows)) // 2))]
    return above + [_centred(line, width) for line in _fitted(rows, height)]


def _wrapped(text: str, width: int) -> list[Line]:
    return [[("dim", line)] for line in textwrap.wrap(text, max(1, width), break_on_hyphens=False)]


def _centred(line: Line, width: int) -> Line:
    length = sum(cells(text) for _, text in line)
    if length <= width:
        return [("", " " * ((width - length) // 2)), *line]
    return [(style, clip(text, width)) for style, text in line[:1]]


def _title(state: ScreenState, width: int) -> Line:
    """Return the first line: what is going on, and of the settings as many as there is room for."""
    line: Line = [("title", clip(f" SPIRIT BOX  {state.band.name}", width))]
    room = width - cells(line[0][1])
    marks = "  ❚❚ paused" if state.paused and not state.listening else ""
    marks += "  ● rec" if state.recording else ""
    room -= cells(marks)
    way = f" {_ARROWS[state.direction]} {state.direction}"
    for part in (way, f"  {state.step} ms", f"  seed {state.seed}"):
        if (room := room - cells(part)) < 0:
            break
        line.append(("dim", part))
    taken = sum(cells(text) for _, text in line)
    return [*line, ("needle", clip(marks, max(0, width - taken)))]


def _dial(state: ScreenState, width: int) -> list[Line]:
    """Return the numbers, the ruler and the needle on it."""
    inner = max(10, width - 8)
    band = state.band
    at = min(inner - 1, max(0, round(_share(state) * (inner - 1))))
    marks = 11 if inner >= 80 else 6  # every 2 MHz, or every 4
    numbers, ruler = [" "] * (inner + 8), ["─"] * inner
    for mark in range(marks):
        place = round(mark * (inner - 1) / (marks - 1))
        ruler[place] = "┴"
        text = f"{band.low + mark * (band.high - band.low) / (marks - 1):.0f}"
        begin = max(0, min(len(numbers) - len(text), 4 + place - len(text) // 2))
        numbers[begin : begin + len(text)] = text
    line: Line = [
        ("dial", "    " + "".join(ruler[:at])),
        ("needle", "▲"),
        ("dial", "".join(ruler[at + 1 :])),
    ]
    return [[("dim", clip("".join(numbers), width))], line]


def _number(state: ScreenState, width: int) -> list[Line]:
    """Return the frequency in large digits."""
    text = state.band.told(state.frequency).split()[0]
    rows = [" ".join(_DIGITS[char][row] for char in text) for row in range(3)]
    unit = ("", "", f" {state.band.unit}")
    return [
        _centred([("number", row), ("dim", more.ljust(4))], width)
        for row, more in zip(rows, unit, strict=True)
    ]


def _static(state: ScreenState, width: int, height: int, now: float) -> list[Line]:
    """Return the noise, and in its middle the words as they arrive."""
    if height <= 0:
        return []
    beat = int(now * (_CALM if state.calm else FLASHES))
    draw = random.Random(f"{state.seed}/{0 if state.paused else beat}")
    near = _beam(state, width)
    lines: list[Line] = []
    for _ in range(height):
        grains = "".join(draw.choices(_GRAINS, k=width))
        lines.append([("static", grains[: near.start]), ("static-bright", grains[near]),
                      ("static", grains[near.stop :])])  # fmt: skip
    words = _folded(state, min(width - 8, 64), now) if width > 12 else []
    top = max(0, (height - len(words)) // 2)
    for at, shown in enumerate(words[-height:]):
        length = sum(cells(text) for _, text in shown) + 2
        left = (width - length) // 2
        grains = "".join(text for _, text in lines[top + at])
        lines[top + at] = [
            ("static", grains[:left] + " "), *shown, ("static", " " + grains[left + length :])
        ]  # fmt: skip
    return lines


def _beam(state: ScreenState, width: int) -> slice:
    """Return the columns below the needle: what is received there is a little brighter."""
    at = 4 + round((max(10, width - 8) - 1) * _share(state))
    return slice(max(0, at - 3), max(0, at + 4))


def _share(state: ScreenState) -> float:
    """Return how far along its band a seance is, 0 to 1."""
    return (state.frequency - state.band.low) / (state.band.high - state.band.low)


def _folded(state: ScreenState, width: int, now: float) -> list[Line]:
    """Return the words of what is being said, in lines; a new one comes letter by letter."""
    lines: list[Line] = []
    used = width
    for word, came in state.words:
        text = clip(one_line(word.text), width)
        seen = len(text) if state.calm else max(0, int((now - came) * _LETTERS) + 1)
        if used + cells(text) + 1 > width:
            lines.append([])
            used = -1
        space = " " if lines[-1] else ""
        hidden = "░" * cells(text[seen:])
        lines[-1] += [("word", space + text[:seen]), ("fresh", hidden)]
        used += cells(text) + 1
    return lines


def _level(state: ScreenState, width: int) -> Line:
    bars = max(4, min(40, width - 22))
    lit = round(state.level * bars)
    volume = f" vol {state.volume:3}%" if state.sounding else " no sound"
    return [
        ("dim", " level "), ("level", "▮" * lit), ("faint", "▯" * (bars - lit)),
        ("dim", clip(volume, max(0, width - bars - 7))),
    ]  # fmt: skip


def _said(state: ScreenState, width: int, count: int) -> list[Line]:
    """Return the last lines of what was asked and said."""
    lines: list[Line] = []
    for who, text in list(state.said)[-count:]:
        style = "you" if who == "you" else "spirit"
        room = max(0, width - 11)
        told = one_line(text)
        told = told if cells(told) <= room else clip(told, max(0, room - 1)) + "…"
        lines.append([("dim", f" {who:>8}  "), (style, told)])
    return [[] for _ in range(count - len(lines))] + lines


def _bottom(state: ScreenState, width: int) -> Line:
    if state.typed is not None:
        text = one_line(state.typed)
        while cells(text) > max(1, width - 9):
            text = text[1:]
        return [("key", " ask › "), ("word", text), ("fresh", "▏")]
    if state.listening:
        return [("key", clip(" ● listening: speak; silence or space ends it", width))]
    if state.notice:
        return [("key", clip(f" {one_line(state.notice)}", width))]
    line: Line = [("", " ")]
    used = 1
    for key, meaning in KEYS:
        if used + cells(key) + cells(meaning) + 3 > width:
            break
        line += [("key", key), ("dim", f" {meaning}  ")]
        used += cells(key) + cells(meaning) + 3
    return line
