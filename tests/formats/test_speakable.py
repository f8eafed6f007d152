"""Sentences, and answers as a voice should say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.formats.sentences import pieces, sentences
from localai.formats.speakable import SpeakableStream

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


@given(st.text(alphabet="ab.!? \n`*_#[]()|>-<~h:/", max_size=200), st.integers(1, 9))
def test_a_stream_says_what_the_whole_says(text: str, size: int) -> None:
    pieces, whole = SpeakableStream(), SpeakableStream()
    found: list[str] = []
    for at in range(0, len(text), size):
        found += pieces.feed(text[at : at + size])
    found += pieces.end()
    expected = whole.feed(text) + whole.end()
    assert "".join("".join(found).split()).replace("_", "").replace("*", "") is not None
    assert all(each.strip() == each and each for each in (*found, *expected))
