"""What a server or a batch does: a request built and answered with no click and no console."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from localai.catalog.gguf_models import GgufModels
from localai.catalog.names import ModelFile
from localai.chat import open as opening
from localai.chat.model_handle import ModelHandle
from localai.generation import build
from localai.generation.build import GenerateOptions
from localai.generation.model_spec import ModelOptions, model_spec
from localai.pool.client import open_engine
from localai.types import Finished, ModelSpec, Text
from tests.conftest import ROOT

CODE = """
import sys
from localai.catalog.gguf_models import GgufModels
from localai.generation import build
from localai.generation.build import GenerateOptions
from localai.generation.model_spec import ModelOptions, model_spec
from localai.pool.client import open_engine
from localai.types import Text
spec = model_spec(lambda options, name, role: GgufModels().resolve(name), ModelOptions("tiny"))
request = build.request(GenerateOptions(temperature=0.0), "What is the capital of France?")
with open_engine(spec, warm=False, keep_alive=0, warn=print) as engine:
    print("".join(event.text for event in engine.ask(request) if isinstance(event, Text)))
wrong = [name for name in sys.modules if name.startswith(("localai.terminal", "localai.commands", "click"))]
assert not wrong, wrong
"""


def obtain(options: ModelOptions, name: str, kind: str) -> ModelFile:
    found = GgufModels().resolve(name)
    assert isinstance(found, ModelFile)
    return found


SPEC = partial(model_spec, obtain)


def test_a_request_is_built_and_answered_without_click_and_console(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.stdout == "The capital of France is Paris.\n", done.stderr


def test_options_that_a_server_fills_go_the_way_of_flags(home: Path) -> None:
    options = GenerateOptions(system="You are Ada.", temperature=0.0, max_tokens=20)
    with open_engine(
        SPEC(ModelOptions("tiny", threads=1)), warm=False, keep_alive=0, warn=pytest.fail
    ) as engine:
        answers = [engine.ask(build.request(options, text)) for text in ("Who are you?", "Hello!")]
        said = [
            "".join(event.text for event in events if isinstance(event, Text)) for events in answers
        ]
    assert said[0] == "I am Ada." and said[1]


def test_a_chat_is_held_without_a_console(home: Path) -> None:
    def open_one(spec: ModelSpec):  # type: ignore[no-untyped-def]
        return open_engine(spec, warm=False, keep_alive=0, warn=pytest.fail)

    models = ModelHandle(lambda name, role: SPEC(ModelOptions(name, threads=1)), open_one)
    asked = opening.ChatRequest(None, False, False, {"model": "tiny"}, {"temperature": 0.0})
    with opening.begin(models, asked) as chat:
        for question, answer in (
            ("My name is Kensou.", "Nice to meet you, Kensou."),
            ("What is my name?", "Your name is Kensou."),
        ):
            events = list(chat.ask(question))
            assert "".join(each.text for each in events if isinstance(each, Text)) == answer
            assert isinstance(events[-1], Finished)
        assert [turn.role for turn in chat.transcript.turns] == ["user", "assistant"] * 2
        interrupted = chat.ask("Count to 12.")
        assert any(isinstance(event, Text) for event in interrupted)
        interrupted.close()
        assert chat.transcript.turns[-1].finish == "interrupted"
