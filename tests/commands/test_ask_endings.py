"""How an answer ended is said: cut, empty for thinking; and where thinking is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.formats.answer import Answer
from localai.types import Finished, Text, Thinking, Usage
from tests.conftest import Ran, ask, run
from tests.support.own_template import with_template

pytestmark = pytest.mark.usefixtures("warm")

CAPITAL = "What is the capital of France?"
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n{% if enable_thinking %}<think>\n{% endif %}"
)


@pytest.fixture
def thinker(tmp_path: Path) -> str:
    """The tiny model where its template opens a thinking, which it never closes."""
    return with_template(tmp_path / "thinker.gguf", THINKS)


def think(model: str, *flags: str) -> Ran:
    return run("ask", "-m", model, "--temp", "0", *flags, CAPITAL)


@pytest.mark.parametrize(
    ("flags", "finish", "words"),
    [
        ((), "stop", "all"),
        (("-n", "3"), "length", "all 3 tokens were thinking; it was cut there"),
        (("--think", "show"), "stop", "all"),
    ],
)
def test_an_answer_that_was_all_thinking_is_no_success(
    thinker: str, flags: tuple[str, ...], finish: str, words: str
) -> None:
    done = think(thinker, *flags)
    assert (done.code, done.stdout) == (1, b"")
    assert "localai: there is no answer: " in done.err and words in done.err
    assert "-n" in done.err and "--think off" in done.err
    as_json = think(thinker, "--json", *flags)
    assert as_json.code == 1 and as_json.json["finish"] == finish and as_json.json["thinking"]
    last = as_json.err.splitlines()[-1]
    assert json.loads(last)["error"]["exit"] == 1


def test_without_thinking_there_is_an_answer(thinker: str) -> None:
    for flags in (("--think", "off"), ("--choices", "Paris,Lima")):
        done = think(thinker, *flags)
        assert done.code == 0 and "Paris" in done.out and done.err == ""


def test_all_thinking_leaves_no_empty_file_and_is_no_test(thinker: str, tmp_path: Path) -> None:
    path = tmp_path / "answer"
    assert think(thinker, "-o", str(path)).code == 1 and not path.exists()
    assert think(thinker, "--test").code in (0, 1)  # which has a form, so that it does not think


def test_thinking_is_shown_on_stderr_wherever_that_is(thinker: str) -> None:
    shown = think(thinker, "--think", "show").err
    thought, _, error = shown.partition("localai: ")
    assert thought.strip() and thought.endswith("\n") and error
    assert think(thinker).err.startswith("localai: ")
    assert thought not in think(thinker, "--think", "show", "-q").err


def answer(*events: object) -> Answer:
    found = Answer("m")
    for event in events:
        found.take(event)  # type: ignore[arg-type]
    return found


USAGE = Usage(1, 0, 7, 0, 0.0, 0.0, 0.0, 0.0, 1)


@pytest.mark.parametrize(
    ("text", "thought", "alone"),
    [
        ("", "hm", True),
        ("\n \n", "hm", True),
        ("", "\n", False),
        ("x", "hm", False),
        ("", "", False),
    ],
)
def test_what_is_thinking_alone(text: str, thought: str, alone: bool) -> None:
    found = answer(Thinking(thought), Text(text), Finished("stop", USAGE))
    assert found.thinking_alone is alone


def test_why_an_answer_ended_is_told_by_its_limit() -> None:
    limited = USAGE._replace(most_tokens=7)
    assert "cut at 7 tokens; -n" in answer(Finished("length", limited)).remark()
    for usage in (USAGE, USAGE._replace(most_tokens=8)):
        assert "context is full" in answer(Finished("length", usage)).remark()
    assert "repeated itself" in answer(Finished("repetition", USAGE)).remark()
    assert answer(Finished("stop", limited)).remark() == ""


@pytest.mark.parametrize("flags", [("-n", "3"), ("-n", "3", "--json"), ("-n", "3", "--unbuffered")])
def test_an_answer_that_is_cut_says_so(flags: tuple[str, ...]) -> None:
    done = ask(*flags, CAPITAL)
    assert (
        done.code == 0 and done.err == "warning: the answer was cut at 3 tokens; -n allows more\n"
    )
    assert ask("-q", *flags, CAPITAL).err == ""


def test_a_prompt_file_s_limit_and_a_full_context_are_told_too(tmp_path: Path) -> None:
    path = tmp_path / "short.md"
    path.write_text("---\ndescription: x\nmax_tokens: 2\n---\nWhat is the capital of {{input}}?\n")
    assert "cut at 2 tokens" in ask("-p", str(path), "France").err
    assert ask("-p", str(path), "-n", "60", "France").err == ""
    output = tmp_path / "answer"
    assert "cut at 2 tokens" in ask("-n", "2", "-o", str(output), CAPITAL).err
    assert output.read_text()
