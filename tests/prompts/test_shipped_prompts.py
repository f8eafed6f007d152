"""Every shipped prompt does, on the tiny model, what its own example says."""

from __future__ import annotations

import pytest

from localai import settings
from localai.prompts import files
from tests.conftest import run

NAMES = sorted(path.stem for path in settings.shipped("prompts").glob("*.md"))


def test_there_are_enough_of_them_and_each_says_what_it_is_for() -> None:
    assert len(NAMES) >= 15
    listed = run("prompts")
    for name in NAMES:
        prompt = files.load(name)
        assert name in listed.out
        assert prompt.description in " ".join(listed.out.split())
        assert prompt.example is not None


@pytest.mark.parametrize("name", NAMES)
def test_the_example_holds(name: str) -> None:
    example = files.load(name).example
    assert example is not None
    variables = [part for pair in example.variables.items() for part in ("--var", "=".join(pair))]
    ran = run("ask", "-m", "tiny", "-p", name, "--temp", "0", *variables, stdin=example.input)
    assert (ran.out, ran.err, ran.code) == (example.answer.rstrip("\n") + "\n", "", 0)
