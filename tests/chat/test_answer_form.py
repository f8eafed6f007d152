"""`/set` holds the answers of a chat to a form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localai.chat import answer_form, sampling_options
from localai.errors import BadInput
from localai.types import TextRequest
from tests.conftest import run


def chat(*lines: str) -> list[str]:
    done = run(
        "chat", "-m", "tiny", "--temp", "0", "--no-save", stdin="\n".join([*lines, "/quit", ""])
    )
    assert done.code == 0, done.err
    return done.out.splitlines()


def test_answers_keep_the_form_that_was_set_until_it_is_taken_back() -> None:
    question = "What is the capital of Peru? Answer in JSON."
    held, chosen, free = chat(
        "/set schema answer", question, "/set choices red,blue", question, "/set choices -", "Who are you?"
    )  # fmt: skip
    assert json.loads(held) == {"answer": "Lima"}
    assert chosen in ("red", "blue") and free not in ("red", "blue")


def test_one_form_at_a_time() -> None:
    settings = {"schema": "a", "temperature": 1.0}
    assert answer_form.without_others("choices", settings) == {"temperature": 1.0}
    assert answer_form.without_others("temp", settings) == settings


def test_what_is_in_a_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}}')
    kept = sampling_options.value("schema", str(file))
    file.unlink()
    assert isinstance(kept, str) and sampling_options.sound({"schema": kept}) == {"schema": kept}
    held = answer_form.held(TextRequest(stop=("x",)), {"schema": kept})
    assert held.constraint is not None and held.stop == () and held.think is False


@pytest.mark.parametrize(
    "name, text",
    [("choices", "a,a"), ("regex", "["), ("schema", "age years"), ("json-object", "yes")],
)
def test_what_is_no_form_is_refused(name: str, text: str) -> None:
    with pytest.raises(BadInput):
        sampling_options.value(name, text)
