"""Engines that do what the toy does not: read descriptors, write result files, fill a GPU.

`shelf` reads the files that come with a request and writes copies into a folder. `story` and `paint`
say that they lie on the GPU `gpu0` with as many bytes as their model's files have.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from localai.engines.base import Call, SerialEngine
from localai.engines.registry import EngineKind
from localai.errors import BadInput
from localai.system.files import partial_result, total_bytes
from localai.types import FileReady, ModelSpec, Progress


class Copy(NamedTuple):
    """Read all that comes with the request, and write it `times` times."""

    folder: str = ""
    times: int = 0
    pause: float = 0.0  # seconds before each copy
    hang: float = 0.0  # seconds in one step
    fail: str = ""  # "refuse": before anything is read; "break": after the first copy
    interactive: bool = True


class Read(NamedTuple):
    """What came with the request."""

    texts: tuple[str, ...]


class Shelf(SerialEngine):
    """Copies."""

    def load(self, spec: ModelSpec) -> None:
        time.sleep(float(spec.options.get("slow", 0)))

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Any]:
        asked = call.request
        if asked.fail == "refuse":
            raise BadInput("not this one")
        time.sleep(asked.hang)
        texts = tuple(_all_of(each) for each in call.files)
        yield Read(texts)
        for number in range(asked.times):
            end = time.monotonic() + asked.pause
            while time.monotonic() < end:
                time.sleep(0.01)
                yield Progress("working", number, asked.times, "steps")
            path = partial_result(Path(asked.folder), number)
            path.write_text("".join(texts))
            yield FileReady(str(path), number)
            if asked.fail == "break":
                raise ValueError("it broke")


def _all_of(descriptor: int) -> str:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read().decode()


class Turn(NamedTuple):
    """Work for so long."""

    seconds: float = 0.0


class OnDevice(SerialEngine):
    """Lies on a GPU."""

    device = "GPU"

    def load(self, spec: ModelSpec) -> None:
        self.memory = {"gpu0": sum(map(total_bytes, spec.files))}

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Any]:
        end = time.monotonic() + call.request.seconds
        while time.monotonic() < end and not cancelled():
            time.sleep(0.01)
            yield Progress("working")


def beyond(spec: ModelSpec, gpus: dict[str, int]) -> dict[str, int]:
    """An estimate that no GPU holds."""
    return {"cpu": 1, **{name: total + 1 for name, total in gpus.items()}}


_ME = "tests.support.odd_engines"
_GPU = EngineKind(
    f"{_ME}:OnDevice", f"{_ME}:Turn", estimate="localai.engines.estimate:on_gpu", gpu=True
)
ENGINES = {
    "shelf": EngineKind(f"{_ME}:Shelf", f"{_ME}:Copy", (f"{_ME}:Read",), hints=("slow",)),
    "story": _GPU,
    "paint": _GPU,
    "giant": _GPU._replace(estimate=f"{_ME}:beyond"),
}
