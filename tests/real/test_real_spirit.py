"""A seance with three real models: Gemma 3 270M answers, Whisper base hears, a Piper voice speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localai.seance import prompts
from tests.conftest import Ran
from tests.conftest import run as run_with

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ASKED = "Where did you live when you were a child?"


def words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


Run = Callable[..., Ran]


@pytest.fixture
def three(real_model: Callable[[str], Path], host: dict[str, str]) -> Run:
    """Runs a command on one warm host with the three models."""
    gemma, whisper = real_model("gemma-3-270m-base"), real_model("whisper-base")
    piper = real_model("piper-joe") / "en_US-joe-medium.onnx"
    names = {"SPIRIT": gemma, "HEAR": whisper, "SPEAK": piper}
    models = {f"LOCALAI_{role}_MODEL": str(path) for role, path in names.items()}

    def run(*arguments: str) -> Ran:
        return run_with(*arguments, timeout=280, env={**host, **models})

    return run


def test_a_spoken_question_is_heard_answered_and_the_answer_understood(
    three: Run, tmp_path: Path
) -> None:
    question, voice, log = tmp_path / "question.wav", tmp_path / "voice.wav", tmp_path / "log.jsonl"
    assert three("speak", "-o", str(question), ASKED).code == 0
    done = three(
        "spirit", "--audio", str(question), "--languages", "en,de", "--seed", "12",
        "-n", "40", "--count", "2", "--record", str(tmp_path / "all.wav"), "--record-voice", str(voice),
        "--log", str(log),
    )  # fmt: skip
    assert done.code == 0, done.err
    _, asked, *answered = map(json.loads, log.read_text("utf-8").splitlines())
    assert asked["language"] == "en" and words(asked["text"]) == words(ASKED)
    assert [line["answer"] for line in answered] == done.out.splitlines() and len(answered) == 2
    assert prompts.language_of(done.out, prompts.load().values(), "") == "en"
    heard = set(words(three("transcribe", "-l", "en", str(voice)).out))
    said = [word for line in answered for word in words(line["answer"])]
    assert len(said) >= 6
    understood = sum(word in heard for word in said)
    assert understood >= 0.7 * len(said), (said, heard)


def test_a_typed_german_question_is_answered_in_german(three: Run) -> None:
    lines = ""
    for seed in range(2):
        done = three("spirit", "--seed", str(seed), "-n", "40", "--count", "3", "--once",
                   "Wo hast du gewohnt, als du ein Kind warst?", "--silent")  # fmt: skip
        assert done.code == 0 and "[de]" in done.err
        lines += done.out
    assert prompts.language_of(lines, prompts.load().values(), "") == "de", lines


def test_two_seances_at_one_seed_are_the_same(three: Run) -> None:
    def seance(seed: int) -> Any:
        # One thread: of several, a busy machine takes fewer, and that rounds differently.
        done = three("spirit", "--silent", "--cold", "--threads", "1", "--seed", str(seed),
                     "-n", "40", "--count", "3", "--once", "Who are you?")  # fmt: skip
        assert done.code == 0
        return done.out

    assert seance(5) == seance(5) != seance(6)


def test_a_card_is_the_spirit(three: Run) -> None:
    done = three("spirit", "--silent", "-c", "ghost", "--seed", "2", "-n", "40", "--count", "3",
               "--once", "What do you remember of the house?")  # fmt: skip
    assert done.code == 0 and len(done.out.splitlines()) == 3
    assert "<" not in done.out and "{{" not in done.out


def test_the_piper_voice_is_understood_word_for_word(three: Run, tmp_path: Path) -> None:
    text = "The kettle is on the table, and nobody has opened the window since yesterday."
    path = tmp_path / "out.wav"
    assert three("speak", "-o", str(path), text).code == 0
    assert words(three("transcribe", str(path)).out) == words(text)
