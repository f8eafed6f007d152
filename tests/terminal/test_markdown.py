"""Markdown on an emulated screen: the same for any chunking, and the text itself."""

from __future__ import annotations

import re

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.formats.text import cells, sanitise
from localai.terminal.markdown import Markdown
from localai.terminal.wrap import folded

SGR = re.compile(r"\x1b\[[0-9;]*m")
SAMPLE = """\
# A title

Some **bold text** and *it* and `a b`, snake_case_name, 2 * 3 and __more__, wrapped by words.

- an item that is long enough to be wrapped
  1. nested **deeper**

> a quote

| name | much |
|:-----|--:|
| a | **1,000** |
| 日本 | 2 |

```python
def f(x):
    return "**x**"  # hi
```
**open until the line ends
日本語のテキストは、どこでも折り返すことができます。
https://example.org/a/very/long/address/that/fits/no/line ok
"""


def shown(text: str, width: int = 40, color: bool = True, pieces: list[int] | None = None) -> str:
    markdown = Markdown(lambda: width, color)
    out, begin = "", 0
    for size in pieces or []:
        out += markdown.feed(text[begin : begin + size])
        begin += size
    return out + markdown.feed(text[begin:]) + markdown.close()


def screen(out: str, width: int = 40) -> list[str]:
    emulated = pyte.Screen(width, 400)
    pyte.Stream(emulated).feed(out.replace("\n", "\r\n"))
    return [line.rstrip() for line in emulated.display]


def test_the_sample_reads_well() -> None:
    assert (
        shown(SAMPLE, color=False)
        == """\
# A title

Some **bold text** and *it* and `a b`,
snake_case_name, 2 * 3 and __more__,
wrapped by words.

- an item that is long enough to be
  wrapped
  1. nested **deeper**

> a quote

| name | much      |
| :--- | --------: |
| a    | **1,000** |
| 日本 | 2         |

```python
def f(x):
    return "**x**"  # hi
```
**open until the line ends
日本語のテキストは、どこでも折り返すこと
ができます。
https://example.org/a/very/long/address/that/fits/no/line ok
"""
    )


@pytest.mark.parametrize(
    ("text", "styled"),
    [
        ("**b** c", "\x1b[1m**b**\x1b[0m c"),
        ("*i*.", "\x1b[3m*i*\x1b[0m."),
        ("***x***", "\x1b[1;3m***x***\x1b[0m"),
        ("`**c**`", "\x1b[36m`**c**`\x1b[0m"),
        ("`` a`b ``", "\x1b[36m``\x1b[0m \x1b[36ma`b\x1b[0m \x1b[36m``\x1b[0m"),
        ("_i_ a_b_c", "\x1b[3m_i_\x1b[0m a_b_c"),
        ("2 * 3 * 4 **", "2 * 3 * 4 **"),
        ("# t", "\x1b[1m#\x1b[0m \x1b[1mt\x1b[0m"),
        ("#tag", "#tag"),
        ("- *i*", "\x1b[33m-\x1b[0m \x1b[3m*i*\x1b[0m"),
        ("-5 and 3. x", "-5 and 3. x"),
        ("> q", "\x1b[2m>\x1b[0m q"),
        ("| no table", "| no table"),
        ("```x``` y", "\x1b[2m```x``` y\x1b[0m"),
        ("~~~\n*a*\n~~~\n*a*", "\x1b[2m~~~\x1b[0m\n*a*\n\x1b[2m~~~\x1b[0m\n\x1b[3m*a*\x1b[0m"),
    ],
)
def test_styles(text: str, styled: str) -> None:
    assert shown(text, 80) == styled


def test_words_are_shown_as_they_come() -> None:
    markdown = Markdown(lambda: 80)
    assert markdown.feed("Hel") == ""
    assert markdown.feed("lo wor") == "Hello"
    assert markdown.feed("ld **b") == " world"
    assert markdown.feed("old** ") == " \x1b[1m**bold**\x1b[0m"
    assert markdown.close() == ""


def test_code_is_coloured_in_the_light_of_the_lines_before() -> None:
    out = shown('```python\n"""one\nif two\n"""\n```\n', 80)
    assert "33" in out.split("\n")[2] and "if two" in out  # a text, no keyword
    assert SGR.sub("", out) == '```python\n"""one\nif two\n"""\n```\n'


def test_an_unknown_language_is_no_failure() -> None:
    assert "\nx\n" in shown("```no-such-thing\nx\n```", 80)


def test_a_table_wider_than_the_screen_stays_as_it_is() -> None:
    table = "| a | b |\n|--|--|\n| " + "x" * 40 + " | y |\n"
    assert shown(table, 40, color=False) == table


def test_the_width_is_asked_at_each_line() -> None:
    widths = iter([80, 80, 10])
    markdown = Markdown(lambda: next(widths), False)
    assert markdown.feed("aaaa bbbb cccc\naaaa bbbb cccc\n") == "aaaa bbbb cccc\naaaa bbbb\ncccc\n"


def test_what_is_said_breaks_between_words() -> None:
    text = "localai: there is nothing to say\n  next: say it, or say it not\n\nshort"
    assert folded(text, 20) == (
        "localai: there is\nnothing to say\n  next: say it, or\n  say it not\n\nshort"
    )
    path = "/a/path/that/is/longer/than/the/line"
    assert folded(f"kept in {path} as ever", 20) == f"kept in\n{path} as\never"
    assert folded("狐" * 12, 10) == "狐狐狐狐狐\n狐狐狐狐狐\n狐狐"
    assert folded(text, 80) == text


@given(st.text("ab .\n狐", max_size=80), st.integers(8, 40))
def test_what_is_said_loses_no_word(text: str, width: int) -> None:
    assert folded(text, width).split() == text.split() or "狐" in text
    assert "".join(folded(text, width).split()) == "".join(text.split())
    assert all(
        cells(line) <= width for line in folded(text, width).split("\n") if " " in line.strip()
    )


def test_very_long_lines_are_not_held() -> None:
    for begin in ("| ", "```\n", "*", "", "`", "1"):
        markdown = Markdown(lambda: 80)
        out = markdown.feed(begin + "x" * 10_000)
        assert len(out) > 7_000
        assert SGR.sub("", out + markdown.close()) == begin + "x" * 10_000


MARKS = st.text(
    st.sampled_from(list("ab  **``__~#|->:.1\n\n\t日é\u0301")) | st.characters(), max_size=120
)
BLOCKS = st.lists(
    st.sampled_from(
        [*SAMPLE.splitlines(keepends=True), "```\n", "| a | b |\n", "|-|-|\n", "*", "\x1b[2J", "\r"]
    ),
    max_size=12,
)
TEXTS = MARKS | BLOCKS.map("".join)


@settings(deadline=None)
@given(TEXTS, st.lists(st.integers(1, 9), max_size=30), st.integers(8, 60), st.booleans())
def test_any_chunking_gives_the_same_screen(
    text: str, pieces: list[int], width: int, color: bool
) -> None:
    whole = shown(text, width, color)
    parts = shown(text, width, color, pieces)
    assert parts == whole
    assert screen(parts, width) == screen(whole, width)


@settings(deadline=None)
@given(TEXTS, st.integers(8, 60))
def test_colour_changes_no_text_and_nothing_is_obeyed(text: str, width: int) -> None:
    plain = shown(text, width, color=False)
    assert SGR.sub("", shown(text, width)) == plain
    assert sanitise(plain) == plain


@settings(deadline=None)
@given(TEXTS.filter(lambda text: "|" not in text), st.integers(8, 60))
def test_what_is_copied_is_the_text(text: str, width: int) -> None:
    """But for blanks and line breaks, which wrapping exchanges."""
    plain = shown(text, width, color=False)
    assert re.sub(r"\s", "", plain) == re.sub(r"\s", "", sanitise(text))
    assert plain.count("\n") >= text.count("\n")
