"""Rows whose worker dies: a fake engine forces what no real one does on demand."""

from __future__ import annotations

from typing import Any

import pytest

from localai.batch.answers import RowJob
from localai.batch.engine_rows import EngineRows
from localai.batch.rows import BatchRow
from localai.errors import LocalaiError, ModelStopped, WorkerDied
from localai.pool.engine_client import RequestsReturned
from localai.types import Events, Failed, Finished, Progress, Text, TextRequest, Usage

USAGE = Usage(1, 0, 1, 0, 0, 0, 0, 0, 1)


class Fragile:
    """Answers all rows at once; dies when it has begun one that is poison."""

    def __init__(self, *poison: str) -> None:
        self.poison, self.open, self.deaths, self.count = poison, {}, 0, 0  # type: ignore[var-annotated]
        self.alone: list[str] = []  # what was asked by itself

    def send(self, request: Any, files: Any = ()) -> str:
        self.count += 1
        self.open[str(self.count)] = request.raw
        return str(self.count)

    def receive(self) -> Events:
        begun = dict(list(self.open.items())[:4])
        if len(self.open) == 1:
            self.alone += begun.values()
        if not hasattr(self, "told") or self.told != begun:
            self.told = begun
            return [(name, Progress("reading")) for name in begun]
        if set(begun.values()) & set(self.poison):
            self.open.clear()
            self.deaths += 1
            raise WorkerDied("the engine died", "try again")
        for name in begun:
            del self.open[name]
        return [
            (name, event)
            for name, text in begun.items()
            for event in (Text(text.upper()), Finished("stop", USAGE))
        ]


def answered(engine: Any, texts: list[str]) -> dict[str, Any]:
    rows = EngineRows(engine, "fake", 8, lambda note: None)
    pending = [
        RowJob(BatchRow(at, at, at), at, TextRequest(raw=text)) for at, text in enumerate(texts)
    ]
    found: dict[str, Any] = {}
    while pending or rows.waiting:
        while pending and rows.room > 0:
            rows.send(pending.pop(0))
        for job, answer in rows.receive():
            assert job.request.raw not in found
            found[str(job.request.raw)] = answer
    return found


def test_a_row_that_kills_its_worker_twice_fails_and_no_other() -> None:
    texts = [f"t{at}" for at in range(20)]
    engine = Fragile("t9")
    found = answered(engine, texts)
    assert {text for text, answer in found.items() if answer.error} == {"t9"}
    assert isinstance(found["t9"].error, WorkerDied) and "2 times" in found["t9"].error.what
    assert all(found[text].answer == text.upper() for text in texts if text != "t9")
    assert engine.deaths == 2


def test_several_of_them() -> None:
    texts = [f"t{at}" for at in range(30)]
    found = answered(Fragile("t3", "t4", "t25"), texts)
    assert sorted(text for text, answer in found.items() if answer.error) == ["t25", "t3", "t4"]


class Loading(Fragile):
    """Dies before it begins anything."""

    def receive(self) -> Events:
        self.deaths += 1
        self.open.clear()
        raise WorkerDied("the engine died while it loaded", "see localai doctor")


def test_a_worker_that_never_begins_ends_the_run() -> None:
    engine = Loading()
    with pytest.raises(WorkerDied, match="while it loaded"):
        answered(engine, ["a", "b"])
    assert engine.deaths == 3


class Leaving(Fragile):
    """Gives its requests back once."""

    def receive(self) -> Events:
        if not self.deaths:
            self.deaths = 1
            self.open.clear()
            raise RequestsReturned
        return super().receive()


def test_what_a_worker_gives_back_is_sent_again() -> None:
    found = answered(Leaving(), [f"t{at}" for at in range(12)])
    assert len(found) == 12 and not any(answer.error for answer in found.values())


class Stopped(Fragile):
    """Is stopped by its user."""

    def receive(self) -> Events:
        stopped = ModelStopped("the model was stopped", "try again")
        return [(next(iter(self.open)), Failed(**stopped.to_wire()))]


def test_a_model_that_is_stopped_ends_the_run_and_fails_no_row() -> None:
    with pytest.raises(LocalaiError, match="was stopped"):
        answered(Stopped(), ["a", "b"])
