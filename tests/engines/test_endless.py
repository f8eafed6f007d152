"""Answers that know no end: repetition, and base models, which were never taught to stop."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.catalog.names import TINY
from localai.engines.llama import preprocess, repetition
from localai.engines.llama.output_parser import OutputParser
from localai.engines.llama.repetition import Repetition
from localai.types import Constraint, Notice, TextRequest
from tests.conftest import InProcess

PASSAGE = "".join(f"{number}. The owl of the {number} valley sleeps. " for number in range(9))


def noticed(text: str, step: int = 5, patience: int = 1) -> int:
    """After how many characters a repetition is noticed; 0: never."""
    watch = Repetition(patience)
    for at in range(0, len(text), step):
        watch.feed(text[at : at + step])
        if watch.found:
            return at + step
    return 0


@pytest.mark.parametrize(
    ("unit", "within"),
    [
        ("ha ", 3400),
        ("\n", 3400),
        ("I love you. I love you.\n\n", 3400),
        ("東京へ行きます。🦊", 3400),
        (PASSAGE, 2600),
        (PASSAGE[:150], 2000),
        ("x" * 200 + "y" * 200, 2800),
    ],
)
def test_the_same_over_and_over_is_noticed_however_it_comes(unit: str, within: int) -> None:
    for step in (1, 7, 300):
        for before in ("", "A good beginning, which says what is to be said. "):
            assert 0 < noticed(before + unit * 4000, step) < within + len(before) + 300


@pytest.mark.parametrize(
    "text",
    [
        ", ".join(map(str, range(3000))),
        "I will not talk in class.\n" * 100,
        "\n".join(f"| {row} | - | - | - |" for row in range(900)),
        "".join(f"{number}. I love you.\n" for number in range(500)),
        PASSAGE * 4,
        "\n".join("#" * width for width in range(1, 120)),
        "-" * 2000,
    ],
)
def test_lists_tables_and_what_was_asked_for_often_go_on(text: str) -> None:
    assert not noticed(text)


def test_an_answer_of_a_form_may_repeat_itself_for_longer() -> None:
    assert not noticed("[a, b], " * 900, patience=4)
    assert noticed("[a, b], " * 9000, patience=4)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_SPAN": 48, "_LEAST": 48, "_LONGEST": 12, "_STEP": 4}.items():
        monkeypatch.setattr(repetition, name, value)


def test_an_engine_stops_an_answer_that_repeats_itself(tiny: InProcess, impatient: None) -> None:
    looped = tiny.ask(raw="ha ha ha ha ha ha ha ha ha ha ha ha ", max_tokens=None)
    if looped.end.reason != "repetition":
        pytest.fail(f"{looped.text!r} {looped.end}")
    assert len(looped.text) < 100


def test_a_form_is_kept_where_an_answer_repeats_itself(tiny: InProcess, impatient: None) -> None:
    endless = Constraint("regex", "(cat |dog ){300}")
    reply = tiny.ask("x", constraint=endless, max_tokens=None)
    assert reply.end.reason == "repetition" and reply.usage.closed
    assert re.fullmatch(endless.source, reply.text)


def test_a_constraint_that_cannot_be_met_for_repetition_says_so(
    tiny: InProcess, impatient: None
) -> None:
    endless = Constraint("regex", "(cat |dog ){9000}")
    end = tiny.ask("x", constraint=endless, max_tokens=None).end
    assert end.error == "ConstraintNotMet" and "the same over and over" in end.what


# Base models.


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The tiny model as one that nobody has taught to chat: no template, other marks."""
    data = TINY.read_bytes()
    for old, new in ((b"tokenizer.chat_template", b"tokenizer.chat_tempXate"),
                     (b"<|im_start|>", b"<|xx_start|>"), (b"<|im_end|>", b"<|xx_end|>")):  # fmt: skip
        assert old in data and len(old) == len(new)
        data = data.replace(old, new)
    path = tmp_path / "base.gguf"
    path.write_bytes(data)
    return path


def notices(engine: InProcess, *turns: str, **more: Any) -> list[str]:
    """What is told of a request until its end."""
    name, found = engine.submit(*turns, max_tokens=1, **more), []
    while True:
        other, event = engine.events.get(timeout=60)
        if isinstance(event, Notice):
            found.append(event.text)
        elif other == name and type(event).__name__ in ("Finished", "Failed"):
            return found


def test_a_base_model_is_told_of_unless_it_goes_on_with_a_text(
    base: Path, engine_of: Callable[..., InProcess]
) -> None:
    engine = engine_of(base)
    for more in ({}, {"system": "You are Ada."}, {"prefill": "Well, "}):
        (told,) = notices(engine, "Hi", **more)
        assert "base model" in told and "--raw" in told
    assert notices(engine, raw="Once upon a time") == []


@pytest.mark.parametrize("kept", ["template", "marks", "one mark"])
def test_a_model_that_can_chat_is_none(
    base: Path, kept: str, engine_of: Callable[..., InProcess]
) -> None:
    data = base.read_bytes()
    back = {"template": (b"chat_tempXate", b"chat_template"), "marks": (b"<|xx_", b"<|im_"),
            "one mark": (b"<|xx_end|>", b"<|im_end|>")}[kept]  # fmt: skip
    base.write_bytes(data.replace(*back))
    assert notices(engine_of(base), "Hi") == []


def test_an_answer_of_a_base_model_is_bounded(
    base: Path, engine_of: Callable[..., InProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preprocess._BASE_TOKENS == 512
    monkeypatch.setattr(preprocess, "_BASE_TOKENS", 3)
    engine = engine_of(base)
    for more in ({"raw": "The owl lives"}, {"turns": "Hi"}):
        turns = (more.pop("turns"),) if "turns" in more else ()
        usual = engine.ask(*turns, max_tokens=None, **more)
        asked = engine.ask(*turns, max_tokens=2, **more)
        assert (usual.usage.most_tokens, asked.usage.most_tokens) == (3, 2)
        assert usual.usage.answer_tokens <= 3
    formed = engine.ask("Hi", max_tokens=None, constraint=Constraint("regex", "[a-z]{40}"))
    assert len(formed.text) == 40


@pytest.mark.parametrize("mark", ["<|im_end|>", "<|im_start|>", "\n<|im_end|>\n<|im_start|>user"])
def test_marks_that_come_as_text_end_the_answer_of_a_base_model(mark: str) -> None:
    stops = preprocess._bounded(TextRequest(stop=("own",))).stop
    parser = OutputParser(stops)
    pieces = [each for char in f"Paris.{mark} more" for each in parser.feed(char.encode())]
    assert "".join(piece.text for piece in pieces).strip() == "Paris." and parser.stopped
    assert "own" in stops
    assert preprocess._bounded(TextRequest(raw="x")).stop == ()
