"""Bytes to pieces of text: UTF-8, thinking, stop strings, however the bytes are cut."""

import itertools

from hypothesis import assume, given
from hypothesis import strategies as st

from localai.engines.llama.output_parser import OutputParser, Piece
from localai.engines.llama.reasoning import STYLES, ReasoningTags, reasoning_tags
from localai.types import Text, Thinking

THINK = STYLES[0]
words = st.text(alphabet="ab<>/think\n é😀", max_size=60)


def run(data: bytes, cuts: list[int], flow: OutputParser) -> list[Piece]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces: list[Piece] = []
    for start, end in itertools.pairwise(edges):
        if not flow.stopped:
            pieces += flow.feed(data[start:end])
    return pieces + flow.close()


def joined(pieces: list[Piece], kind: type[Piece]) -> str:
    return "".join(piece.text for piece in pieces if type(piece) is kind)


@given(words, st.lists(st.integers(0, 200)))
def test_without_marks_and_stops_every_character_comes_out(text: str, cuts: list[int]) -> None:
    pieces = run(text.encode(), cuts, OutputParser())
    assert joined(pieces, Text) == text
    assert joined(pieces, Thinking) == ""


@given(st.binary(max_size=40), st.lists(st.integers(0, 200)))
def test_bytes_that_are_no_utf8_are_replaced_as_python_does(data: bytes, cuts: list[int]) -> None:
    assert joined(run(data, cuts, OutputParser()), Text) == data.decode("utf-8", "replace")


@given(
    words,
    st.lists(st.text("ab<\n", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 200)),
)
def test_a_stop_string_ends_the_text_before_its_first_place(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    flow = OutputParser(tuple(stops))
    shown = joined(run(text.encode(), cuts, flow), Text)
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    assert flow.stopped == bool(ends)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
    if not ends:
        assert shown == text


@given(words, words, st.lists(st.integers(0, 200)), st.sampled_from(STYLES))
def test_thinking_is_split_off_for_every_style(
    thought: str, answer: str, cuts: list[int], style: ReasoningTags
) -> None:
    assume((thought + style.closing).find(style.closing) == len(thought))
    text = style.opening + thought + style.closing + answer
    pieces = run(text.encode(), cuts, OutputParser((), style))
    assert joined(pieces, Thinking) == thought.lstrip("\n")
    assert joined(pieces, Text) == answer.lstrip("\n")


def test_a_template_that_opens_the_thinking_itself() -> None:
    pieces = run(b"so it is\n</think>\n\nYes.", [3, 9, 12], OutputParser((), THINK, thinking=True))
    assert pieces and joined(pieces, Thinking) == "so it is\n"
    assert joined(pieces, Text) == "Yes."


def test_marks_inside_an_answer_are_text() -> None:
    text = "Write <think>like this</think>."
    assert joined(run(text.encode(), [7, 12], OutputParser((), THINK)), Text) == text


def test_stops_are_not_looked_for_in_the_thinking() -> None:
    flow = OutputParser(("stop",), THINK)
    pieces = run(b"<think>stop it</think>go stop go", [], flow)
    assert joined(pieces, Thinking) == "stop it"
    assert joined(pieces, Text) == "go "
    assert flow.stopped


def test_an_answer_without_thinking_may_have_a_mark_to_skip() -> None:
    gpt = reasoning_tags("x <|channel|>analysis<|message|> y")
    assert joined(run(b"<|channel|>final<|message|>Hi", [5], OutputParser((), gpt)), Text) == "Hi"


def test_text_is_shown_as_soon_as_it_is_clear() -> None:
    flow = OutputParser(("END",), THINK)
    assert flow.feed(b"Hello") == [Text("Hello")]
    assert flow.feed(b" E") == [Text(" ")]
    assert flow.feed(b"go") == [Text("Ego")]


def test_the_style_is_read_from_the_template() -> None:
    assert reasoning_tags("{{ '<think>' }}") is THINK
    assert reasoning_tags("{{ '[THINK]' }}").closing == "[/THINK]"
    assert reasoning_tags("no marks at all") is THINK
