"""Gemma 3 270M, which nobody has taught to chat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("warm")]


def test_a_question_to_a_base_model_says_what_it_is_and_ends(
    real_model: Callable[[str], Path],
) -> None:
    model = str(real_model("gemma-3-270m-base"))
    for question in ("What is the capital of France?", "Tell me a story about a fox."):
        done = run("ask", "-m", model, "--json", "--seed", "3", question, timeout=280)
        answer = json.loads(done.stdout)
        assert done.err.count("is a base model") == 1 and "--raw" in done.err
        assert "<|im_" not in answer["answer"] and answer["tokens"]["answer"] <= 512
        assert ("cut at 512 tokens" in done.err) == (answer["finish"] == "length")


def test_raw_text_is_gone_on_with_and_nothing_is_said(real_model: Callable[[str], Path]) -> None:
    model = str(real_model("gemma-3-270m-base"))
    done = run("ask", "-m", model, "--raw", "--temp", "0", "-qn8", "1, 2, 3, 4, 5,", timeout=280)
    assert " 6, 7" in done.out and done.err == ""


def test_a_chat_says_it_once(real_model: Callable[[str], Path]) -> None:
    model = str(real_model("gemma-3-270m-base"))
    done = run("chat", "-m", model, "--no-save", "-n", "4", stdin="Hi\nWho are you?\n", timeout=280)
    assert done.code == 0 and done.err.count("is a base model") == 1
