"""Our engine as the commands use it: a worker process, asked over the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localai.pool.client import DedicatedClient
from localai.types import Finished, FinishReason, ModelSpec, Text, TextRequest, Thinking, Usage

_WORDS = (
    "time year people way day man thing woman life child world school state family student "
    "group country problem hand part place case week company system program question work "
    "government number night point home water room mother area money story fact month lot "
    "right study book eye job word business issue side kind head house service friend father "
    "power hour game line end member law car city community name president team minute idea"
)


@dataclass(frozen=True)
class Answer:
    """An answer with its cost."""

    text: str
    reason: FinishReason
    usage: Usage

    @property
    def prompt_speed(self) -> float:
        """Prompt tokens a second."""
        return (self.usage.prompt_tokens - self.usage.reused_tokens) / self.usage.prompt_seconds

    @property
    def decode_speed(self) -> float:
        """Answer tokens a second, after the first."""
        return (self.usage.answer_tokens - 1) / self.usage.answer_seconds


class Ours:
    """A worker with a model.

    Parameters
    ----------
    model : Path
        A GGUF file.
    threads : int
        CPU threads.
    """

    def __init__(self, model: Path, threads: int) -> None:
        spec = ModelSpec("text", (str(model),), model.stem, {"threads": threads})
        self._engine = DedicatedClient(spec)
        self._engine.wait()

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    @property
    def client(self) -> DedicatedClient:
        """The client, for many requests at once."""
        return self._engine

    def answer(self, request: TextRequest) -> Answer:
        """Return the whole answer to a request."""
        text = ""
        for event in self._engine.ask(request):
            if isinstance(event, Text | Thinking):
                text += event.text
            elif isinstance(event, Finished):
                assert event.usage is not None
                return Answer(text, event.reason, event.usage)
        raise AssertionError("an answer has an end")


def words(count: int, choose: Callable[[int], int]) -> str:
    """Return `count` words that are one token each with the space before them.

    Parameters
    ----------
    choose : callable
        Returns a number below its argument, `random.Random(7).randrange` for instance.
    """
    each = _WORDS.split()
    return " ".join(each[choose(len(each))] for _ in range(count))
