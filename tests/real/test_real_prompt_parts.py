"""What a real model would get, and what it has in memory: measured, and the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run

pytestmark = pytest.mark.real

MODELS = ("qwen2.5-coder-0.5b", "gemma-3-270m-base")
CARD = {
    "name": "Ada", "system": "You are {{char}}, of {{weekday}}.", "first_message": "Hello, {{user}}!",
    "post_history": "Be brief.", "persona": "Tom sails.",
    "examples": "<START>\n{{user}}: Who are you?\n{{char}}: I am Ada.",
    "lorebook": {"entries": [{"keys": ["storm"], "content": "The storm took the boat."}]},
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", ["plain", "system", "raw", "card"])
def test_what_is_shown_is_what_is_asked(
    name: str, how: str, real_model: Callable[[str], Path], host: dict[str, str], tmp_path: Path
) -> None:
    card = tmp_path / "ada.yaml"
    card.write_text(json.dumps(CARD))
    given = {
        "plain": ["Wie heißt du? 😀"],
        "system": ["-s", "Be brief.\n\n", "  Hi there  "],
        "raw": ["--raw", "Once upon a time"],
        "card": ["-c", str(card), "--seed", "1", "Tell me of the storm."],
    }[how]
    model = str(real_model(name))
    shown = run("ask", "-m", model, "--show-prompt", "--json", *given, env=host)
    assert shown.code == 0, shown.err
    tokens = shown.json["tokens"]
    assert sum(tokens["parts"].values()) == tokens["total"]
    done = run("ask", "-m", model, "--json", "-n", "1", *given, env=host, timeout=280)
    assert done.json["tokens"]["prompt"] == tokens["total"], done.err
    assert given[-1].strip() in shown.json["prompt"] and "{{" not in shown.json["prompt"]
    if name.startswith("gemma"):
        assert shown.json["prompt"].count("<bos>") == 1
    if how == "card":
        filled = {part for part, count in tokens["parts"].items() if count}
        assert {"card", "persona", "lore", "examples", "history", "input"} <= filled


@pytest.mark.parametrize("name", ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
def test_what_a_model_needs_lies_between_what_is_its_own_and_all_that_it_has(
    name: str, real_model: Callable[[str], Path], host: dict[str, str]
) -> None:
    model = str(real_model(name))
    needs = run("models", "show", model, "--json", env=host).json["memory"]
    assert run("ask", "-m", model, "-n", "2", "Hi", env=host, timeout=280).code == 0
    loaded = run("ps", "--json", env=host).json["models"]
    (found,) = [each for each in loaded if each["file"] == model]
    assert found["memory"] - found["file_memory"] < needs < found["memory"]
