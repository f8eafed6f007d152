"""Answers of a fixed form by the thousand: of a model that was taught to write, and of the hardest
writer there is: random weights and a vocabulary of 128,256 tokens.

An answer of the latter may fail with an honest error, one in 200; none may be invalid.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.schema_rows import SCHEMAS, ask_for_schemas

pytestmark = pytest.mark.timeout(7200)
PEOPLE = ("Ada Lovelace", "Isaac Newton", "Marie Curie", "Alan Turing", "Emmy Noether")
WRITTEN = SCHEMAS[:4]  # of a person and a town, which the prompts tell of
real, soak = pytest.mark.real, pytest.mark.soak


@pytest.mark.parametrize("count", [pytest.param(100, marks=real), pytest.param(500, marks=soak)])
def test_a_taught_model_keeps_every_schema(
    real_model: Callable[[str], Path], host: dict[str, str], tmp_path: Path, count: int
) -> None:
    texts = [
        f"{PEOPLE[at % 5]} was born in {1700 + at} in the town of Place{at}. Answer in JSON."
        for at in range(count)
    ]
    model = real_model("qwen2.5-coder-0.5b")
    kept = ask_for_schemas(model, texts, WRITTEN, tmp_path, host, most=40)
    assert kept.errors == []
    named = sum(PEOPLE[at % 5].split()[-1] in kept.values[at]["name"] for at in range(0, count, 4))
    assert named >= count // 5  # of a quarter of all: the form leaves the sense alone


@pytest.mark.parametrize("count", [pytest.param(200, marks=real), pytest.param(1000, marks=soak)])
@pytest.mark.parametrize("most", [60, 200])
def test_random_weights_keep_every_schema(
    real_model: Callable[[str], Path], host: dict[str, str], tmp_path: Path, count: int, most: int
) -> None:
    texts = [f"Tell me of thing {at}, in JSON." for at in range(count)]
    kept = ask_for_schemas(real_model("small"), texts, SCHEMAS, tmp_path, host, most=most)
    print(f"{len(kept.errors)} of {count} failed")
    assert set(kept.errors) <= {"constraint_not_met"}
    assert len(kept.errors) <= count // 200
