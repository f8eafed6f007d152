"""Sentences, and answers as a voice should say them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.formats.sentences import pieces, sentences
from localai.formats.speakable import SpeakableStream, speakable

MARKDOWN = """\
# The capital

The **capital** is `Paris`. See [the map](http://example.org/a_b), or ![a photo](x.png).

```python
print("nothing of this")
```

1. First, *go* there.
2. Then come __back__!

> Quoted text.

| a | b |
|---|:-:|
| c | d |

---
The end, my friend"""
SPOKEN = [
    "The capital", "The capital is Paris.", "See the map, or a photo.", "First, go there.",
    "Then come back!", "Quoted text.", "a, b", "c, d", "The end, my friend",
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40, 10_000])
def test_markdown_and_code_are_stripped_however_the_answer_comes(size: int) -> None:
    stream = SpeakableStream()
    found: list[str] = []
    for at in range(0, len(MARKDOWN), size):
        found += stream.feed(MARKDOWN[at : at + size])
    assert found + stream.end() == SPOKEN


def test_a_sentence_is_ready_as_soon_as_the_next_one_begins() -> None:
    stream = SpeakableStream()
    assert stream.feed("It is cold. ") == []
    assert stream.feed("The door") == ["It is cold."]
    assert stream.feed(" is open.\nCome") == ["The door is open."]
    assert stream.end() == ["Come"] and stream.end() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It was ... cold. Mr. Smith came! Who?", ["It was ... cold.", "Mr. Smith came!", "Who?"]),
        ("Am 3. Mai kam Dr. Faust. Er blieb.", ["Am 3. Mai kam Dr. Faust.", "Er blieb."]),
        ("„Wer da?“ Niemand.", ["„Wer da?“ Niemand."]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("One\ntwo\n\nthree", ["One", "two", "three"]),
        ("今日は。元気？はい", ["今日は。", "元気？", "はい"]),
        ("3.5 is no end. v1.2 is none", ["3.5 is no end. v1.2 is none"]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert sentences(text) == found


@pytest.mark.parametrize("word", ["word ", "x", "\u8a71"])
def test_what_has_no_sentence_ends_is_spoken_to_its_end(word: str) -> None:
    text = word * 30_000
    stream = SpeakableStream()
    found = stream.feed(text) + stream.end()
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert max(map(len, found)) <= 1000 and all(each == each.strip() for each in found)


@given(st.text(alphabet="ab \t-", max_size=60), st.integers(1, 9))
def test_nothing_but_space_is_lost_from_pieces(text: str, most: int) -> None:
    found = pieces(text, most)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(len(each) <= most for each in found)
    if all(len(word) <= most for word in text.split()):
        assert " ".join(found).split() == text.split()  # no word is cut


@given(st.text(max_size=300))
def test_nothing_but_space_is_lost_from_sentences(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@given(st.text(alphabet="abD1.!? \n\t`*_#[]()|>-<~h:/", max_size=200), st.integers(1, 9))
def test_a_stream_says_what_the_whole_says(text: str, size: int) -> None:
    found = in_pieces(text, size)
    assert found == in_pieces(text, len(text) + 1)
    assert found == speakable_lines(text)
    assert all(each.strip() == each and each for each in found)


def in_pieces(text: str, size: int) -> list[str]:
    stream = SpeakableStream()
    found = [each for at in range(0, len(text), size) for each in stream.feed(text[at : at + size])]
    return found + stream.end()


def speakable_lines(text: str) -> list[str]:
    """The sentences of each line for itself, but for code between fences."""
    fence, found = "", []
    for line in text.split("\n"):
        mark = re.match(r"\s{0,3}(```+|~~~+)", line)
        if mark and fence:
            fence = "" if mark[1].startswith(fence) else mark[1]
        elif mark:
            fence = mark[1]
        elif not fence:
            found += speakable(line)
    return found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("name\tage", ["name age"]),
        ("a\u00a0b\u2003c\x0bd", ["a b c d"]),
        ("**Stop. Do not go.** Now", ["Stop.", "Do not go.", "Now"]),
        ("*One. Two* ~~x. Y~~ __z. Q__", ["One.", "Two x.", "Y z.", "Q"]),
        ("**Bold *and. Slanted***", ["Bold and.", "Slanted"]),
        ("Stop. *no* go", ["Stop. no go"]),
        ("5 * 3! Then 2*3 in snake_case. Yes", ["5 * 3!", "Then 2*3 in snake_case.", "Yes"]),
        ("Use a fence. ``` opens it. The end.", ["Use a fence. opens it.", "The end."]),
        ("Use a fence. ``` Opens it. The end.", ["Use a fence.", "Opens it.", "The end."]),
        ("Run `it. Be`. Then", ["Run it.", "Be.", "Then"]),
        ("It is. - A list. # A head. 1. A number", ["It is.", "- A list.", "# A head.", "1. A number"]),
        ("Go. [See. There](http://x.y/z. Q) now. Yes", ["Go.", "See.", "There now.", "Yes"]),
        ("Go. ![It. Is](x.png) red. Yes", ["Go.", "It.", "Is red.", "Yes"]),
        ("Go. [It. Is] it. Yes", ["Go.", "[It.", "Is] it.", "Yes"]),
        ("x < y. And z > w. <b>Hey. You</b> Go", ["x < y.", "And z > w.", "Hey.", "You Go"]),
    ],
)  # fmt: skip
def test_what_is_said_of_a_line_however_it_comes(line: str, found: list[str]) -> None:
    for ending in ("", "\nMore text here."):
        more = [ending.strip()] if ending else []
        assert in_pieces(line + ending, 1) == in_pieces(line + ending, 999) == found + more


@pytest.mark.parametrize(
    "text", [" ", "[", "|:-", "- ", "*", "_ ", "<a", "1. ", "# ", "`", "~", ". ", '."', "![a]("]
)
def test_a_line_is_read_in_one_go(text: str) -> None:
    """A pattern that is tried anew at each place takes minutes for a line of this size."""
    assert isinstance(speakable(f"a{text * (100_000 // len(text))}b"), list)


def test_a_link_with_brackets_in_its_address_is_its_text() -> None:
    assert speakable("See [the page](https://example.org/a_(b)) now.")[0].startswith("See the page")
