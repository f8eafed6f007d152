"""What becomes of a row: its answer or its error, and how both are written down."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from localai.batch.rows import BatchRow
from localai.errors import ExitCode, LocalaiError
from localai.formats.answer import Answer
from localai.types import TextRequest

Record = dict[str, Any]

_OK = 200
_STATUS: dict[int, int] = {  # HTTP's, by exit code
    ExitCode.USAGE: 400,
    ExitCode.TOO_LONG: 400,
    ExitCode.CONSTRAINT: 422,
    ExitCode.UNAVAILABLE: 404,
}


class RowJob(NamedTuple):
    """A row that is to be answered."""

    row: BatchRow
    key: int  # of all that its answer depends on, 64 bits
    request: TextRequest
    images: tuple[str, ...] = ()  # files of the pictures that it shows

    @property
    def asks(self) -> tuple[TextRequest, tuple[str, ...]]:
        """What is asked: two rows of which that is equal have equal answers, but for chance."""
        return self.request, self.images


class RowAnswer(NamedTuple):
    """What has become of a row: an answer, or an error."""

    answer: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    seed: int | None = None
    error: LocalaiError | None = None
    body: Record | None = None  # what another server has answered, as it is
    status: int = _OK  # HTTP's, where another server has answered

    @property
    def usage(self) -> Record:
        """What it has cost, under OpenAI's names."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.answer_tokens,
            "total_tokens": self.prompt_tokens + self.answer_tokens,
        }


def row_answer(answer: Answer) -> RowAnswer:
    """Return an engine's whole answer as a row's; one that is all thinking is a failure."""
    try:
        answer.refuse_thinking_alone()
    except LocalaiError as error:
        return RowAnswer(error=error)
    usage = answer.usage
    assert usage is not None
    return RowAnswer(
        answer.content, answer.finish, usage.prompt_tokens, usage.answer_tokens, usage.seed
    )


def record_of(answer: RowAnswer) -> Record:
    """Return what is kept of a row's answer, whatever the form of the output; keys are stable."""
    failed = answer.error is not None
    record: Record = {
        "answer": answer.answer,
        "finish_reason": answer.finish_reason,
        "usage": None if failed else answer.usage,
        "seed": answer.seed,
        "error": answer.error.to_json() if answer.error else None,
        "created": int(time.time()),
    }
    if answer.body is not None:
        record["body"] = answer.body
    if answer.status != _OK:
        record["status"] = answer.status
    return record


def status_of(record: Record) -> int:
    """Return the HTTP status that says what has become of a row."""
    if "status" in record or not record["error"]:
        return int(record.get("status", _OK))
    return _STATUS.get(record["error"]["exit"], 500)
