"""A real model of 1.5B knows who it is and who asks, in every form that a persona has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("warm")]

MODEL = "qwen2.5-coder-1.5b"

FORMS = {
    "first person": "My name is Tom. I am a baker and I hate the sea.\n",
    "name line": "Name: Tom\nI am a baker.\n\nI hate the sea.\n",
    "third person": "Name: Tom\n{{user}} is a baker. {{user}} hates the sea.\n",
    "lines": "I am a baker.\nMy name is Tom.\n",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("question", "wanted", "unwanted"),
    [
        ("What is my name?", "Tom", "Vera"),
        ("What is your job?", "librar", "baker"),
    ],
)
def test_a_persona_is_the_users(
    form: str,
    question: str,
    wanted: str,
    unwanted: str,
    tmp_path: Path,
    real_model: Callable[[str], Path],
) -> None:
    card, persona = tmp_path / "vera.yaml", tmp_path / "me.txt"
    card.write_text(
        "name: Vera\npersonality: dry\ndescription: |\n"
        "  {{char}} keeps the library of a small town. {{char}} is calm and likes old maps.\n"
    )
    persona.write_text(FORMS[form])
    done = run(
        "ask", "-m", str(real_model(MODEL)), "--temp", "0", "-n", "40", "-c", str(card),
        "--persona", str(persona), question,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert wanted in done.out and unwanted not in done.out
