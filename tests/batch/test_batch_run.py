"""What a batch does in which order, with an engine that answers when it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.batch import run as batch_run
from localai.batch.answers import RowAnswer, RowJob
from localai.batch.output import JsonLines
from localai.batch.row_requests import RowRequests, RowTemplate
from localai.batch.rows import read_rows
from localai.batch.run import BatchRun, StreamStore
from localai.batch.source import RowSource
from localai.generation.build import GenerateOptions


class Echo:
    """Answers the row that it got first, with its own text."""

    room = 128

    def __init__(self) -> None:
        self.sent: list[RowJob] = []

    @property
    def waiting(self) -> int:
        return len(self.sent)

    def send(self, job: RowJob) -> None:
        self.sent.append(job)

    def receive(self) -> list[tuple[RowJob, RowAnswer]]:
        job = self.sent.pop(0)
        return [(job, RowAnswer(job.request.messages[-1].content))]


def test_no_answer_waits_for_rows_that_take_long_to_prepare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sound takes seconds to hear, and the engine has room for a hundred rows."""
    monkeypatch.setattr(batch_run, "_FILL_SECONDS", 0)
    lines = [f'{{"input": "row", "sound": "{at}"}}\n'.encode() for at in range(40)]
    for at in range(40):
        (tmp_path / str(at)).touch()
    monkeypatch.chdir(tmp_path)
    heard: list[str] = []

    def hear(name: str) -> str:
        heard.append(name)
        return name

    requests = RowRequests(RowTemplate.read(GenerateOptions()), "echo", audio="sound", hear=hear)
    written: list[str] = []
    layout = JsonLines()
    store = StreamStore(layout, written.append)
    rows = RowSource(read_rows(lines, "jsonl", "rows"), "jsonl", len(lines), None)
    run = BatchRun(rows, requests, Echo(), store, layout, window=4)
    for _ in run.events():
        assert len(heard) <= 4 * (len(written) + 1)
    assert len(heard) == 40 and run.failed == 0
