"""An engine kind in forty lines: what somebody else's engine needs to be part of the package."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from localai.engines.base import Call, SerialEngine
from localai.engines.registry import EngineKind
from localai.types import ModelSpec


class Count(NamedTuple):
    word: str
    to: int
    pause: float = 0.0  # seconds before each step
    interactive: bool = True


class Step(NamedTuple):
    number: int


class Said(NamedTuple):
    word: str


class ToyEngine(SerialEngine):
    def load(self, spec: ModelSpec) -> None:
        self._names = sorted(each.name for each in Path(spec.files[0]).iterdir())

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Any]:
        for number in range(call.request.to):
            time.sleep(call.request.pause)
            yield Step(number)
        yield Said(f"{call.request.word} {self._names[0]}")


_ME = "tests.support.toy_engine"
ENGINES = {"toy": EngineKind(f"{_ME}:ToyEngine", f"{_ME}:Count", (f"{_ME}:Step", f"{_ME}:Said"))}
