"""How a batch's answers are written: JSON lines, CSV with a column added, OpenAI's lines."""

from __future__ import annotations

import csv
import io
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from localai.batch.answers import Record, status_of
from localai.batch.rows import BatchRow
from localai.errors import BadInput, LocalaiError
from localai.formats.text import json_safe, sanitise, shown
from localai.generation.openai_body import COMPLETIONS
from localai.system.files import atomic_replace

_KEYS = ("id", "answer", "finish_reason", "usage", "seed", "error")
_NAMES = uuid.UUID("7c9e9f4e-0d3f-4d0c-9d53-1f1f4b1c7a11")  # of the ids of answers


class OutputLayout(Protocol):
    """How a row and its answer are written down."""

    keeps_apart: bool  # failures go to a file of their own
    left_out: AbstractSet[str]  # columns that rows have, and not the first one

    def of_row(self, row: BatchRow) -> Record:
        """Return what of a row itself is written; it is kept with the row's answer."""

    def head(self) -> str:
        """Return what stands before all rows."""

    def harmless(self, text: str) -> str:
        """Return lines as a terminal may have them."""

    def line(self, record: Record) -> str:
        """Return the line of a row, with its newline, from what is kept of it."""


class _ObjectLines:
    """What all layouts have in common of which a line is a JSON object."""

    left_out: AbstractSet[str] = frozenset()

    def head(self) -> str:
        """Return nothing."""
        return ""

    def harmless(self, text: str) -> str:
        """Return the same JSON with control characters as escapes."""
        return json_safe(text)


class JsonLines(_ObjectLines):
    """One object a row: id, answer, finish_reason, usage, seed, error."""

    keeps_apart = False

    def of_row(self, row: BatchRow) -> Record:
        """Return what the row is called."""
        return {"id": row.id}

    def line(self, record: Record) -> str:
        """Return the object as a line of JSON."""
        return json.dumps({key: record[key] for key in _KEYS}, ensure_ascii=False) + "\n"


class CsvColumns:
    """The input's columns, the answer, and the error of a row that failed.

    Parameters
    ----------
    columns : sequence of str
        The input's.
    answer : str
        The name of the column that is added; that of the errors is `error`, or `NAME_error`.
    delimiter : str
        Between two fields.

    Raises
    ------
    BadInput
        The input has a column of that name.
    """

    keeps_apart = False

    def __init__(self, columns: Iterable[str], answer: str, delimiter: str = ",") -> None:
        self._columns = list(columns)
        if answer in self._columns:
            raise BadInput(f"the input has a column {answer!r} already", "--column NAME")
        self._answer = answer
        self._error = "error" if "error" not in (*self._columns, answer) else f"{answer}_error"
        self._delimiter = delimiter
        self.left_out: AbstractSet[str] = set()  # there is no place for them

    def of_row(self, row: BatchRow) -> Record:
        """Return the row's columns."""
        self.left_out |= set(row.columns).difference(self._columns)
        return {"id": row.id, "columns": dict(row.columns)}

    def head(self) -> str:
        """Return the line that names the columns."""
        return self._row([*self._columns, self._answer, self._error])

    def harmless(self, text: str) -> str:
        """Return the text with control characters shown."""
        return sanitise(text)

    def line(self, record: Record) -> str:
        """Return the row; what is no text in it is written as JSON."""
        columns, error = record["columns"], record["error"]
        fields = [_field(columns.get(name)) for name in self._columns]
        return self._row([*fields, record["answer"] or "", error["message"] if error else ""])

    def _row(self, fields: list[str]) -> str:
        text = io.StringIO()
        # With this end of a line both of its letters are quoted in a field.
        csv.writer(text, delimiter=self._delimiter, lineterminator="\r\n").writerow(fields)
        return text.getvalue().removesuffix("\r\n") + "\n"


class OpenAiLines(_ObjectLines):
    """Lines as OpenAI's batches give them; failures go to a file of their own.

    Parameters
    ----------
    model : str
        What answers.
    """

    keeps_apart = True

    def __init__(self, model: str) -> None:
        self._model = model

    def of_row(self, row: BatchRow) -> Record:
        """Return what the line is called, and where it was to be sent."""
        return {
            "id": f"{row.number} {row.id}",
            "custom_id": row.columns.get("custom_id", row.id),
            "url": row.columns.get("url"),
        }

    def line(self, record: Record) -> str:
        """Return the object as a line of JSON."""
        name = uuid.uuid5(_NAMES, record["id"]).hex
        error = record["error"]
        body = record.get("body") or self._body(record, name)
        told = {
            "id": f"batch_req_{name}",
            "custom_id": record["custom_id"],
            "response": {"status_code": status_of(record), "request_id": name, "body": body},
            "error": {"code": error["code"], "message": error["message"]} if error else None,
        }
        return json.dumps(told, ensure_ascii=False) + "\n"

    def _body(self, record: Record, name: str) -> Record:
        if error := record["error"]:
            told = {"message": error["message"], "type": error["code"]}
            return {"error": {**told, "param": None, "code": error["code"]}}
        # OpenAI knows two ends: what was stopped because it repeated itself was cut, too.
        finish = "stop" if record["finish_reason"] == "stop" else "length"
        choice: Record = {"index": 0, "logprobs": None, "finish_reason": finish}
        plain = record["url"] == COMPLETIONS
        if plain:
            choice["text"] = record["answer"]
        else:
            choice["message"] = {"role": "assistant", "content": record["answer"], "refusal": None}
        return {
            "id": f"{'cmpl' if plain else 'chatcmpl'}-{name}",
            "object": "text_completion" if plain else "chat.completion",
            "created": record["created"],
            "model": self._model,
            "choices": [choice],
            "usage": record["usage"],
        }


def errors_file(path: Path) -> Path:
    """Return where the rows go that are kept apart: `out.jsonl` has `out.errors.jsonl`."""
    return path.with_name(f"{path.stem}.errors{path.suffix}")


def write_output(path: Path, layout: OutputLayout, records: Iterable[Mapping[str, Any]]) -> None:
    """Write all rows; the file is whole or not there, also after a power cut.

    Raises
    ------
    LocalaiError
        It cannot be written; what was there stays.
    """
    apart = errors_file(path)
    try:
        with ExitStack() as files:
            partial = files.enter_context(atomic_replace(path))
            aside: Path | None = None
            with ExitStack() as opened:
                output = opened.enter_context(partial.open("wb"))
                errors = None
                output.write(layout.head().encode())
                for record in records:
                    line = layout.line(dict(record)).encode("utf-8", "backslashreplace")
                    if not (layout.keeps_apart and record["error"]):
                        output.write(line)
                        continue
                    if errors is None:
                        aside = files.enter_context(atomic_replace(apart))
                        errors = opened.enter_context(aside.open("wb"))
                    errors.write(line)
                for file in filter(None, (output, errors)):
                    file.flush()
                    os.fsync(file.fileno())
    except OSError as error:
        raise LocalaiError(
            f"{shown(path)} cannot be written: {error.strerror}",
            "make room; the same command goes on where it stopped",
        ) from None


class OrderedHead:
    """Rows that are printed in order as they come: what is ahead of its turn waits in memory."""

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, Record] = {}

    def push(self, row: int, record: Record) -> Iterator[Record]:
        """Take a finished row; yield those whose turn it is now."""
        self._early[row] = record
        while self._next in self._early:
            yield self._early.pop(self._next)
            self._next += 1


def _field(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
