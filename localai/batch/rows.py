"""A batch's input as rows: JSON lines, CSV, a prompt a line, a folder of prompt files.

A row that cannot be read is a row with a `problem`, which names its line: it fails alone. Blank
lines are no rows. Whatever is read is read as a stream: a file may be larger than the memory.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from localai.errors import BadInput
from localai.formats.text import decode, shown
from localai.system.files import read_text

Format = Literal["jsonl", "csv", "text", "folder"]
INPUT = "input"  # the column of a row that has but one text
_LONGEST = 1 << 26  # bytes of a row
_SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv",
    ".txt": "text", ".md": "text",
}  # fmt: skip
_DELIMITERS = ",;\t"
_BOM = b"\xef\xbb\xbf"


class BatchRow(NamedTuple):
    """A row of the input."""

    number: int  # from 0
    line: int  # from 1, where it begins
    id: str | int  # its own, else what tells it from others
    columns: Mapping[str, Any] = {}
    problem: str = ""  # why it cannot be read; then columns are there as far as they are known


def format_of(name: str, head: bytes) -> Format:
    """Return the format of an input by its name, else by its first bytes."""
    if Path(name).is_dir():
        return "folder"
    if known := _SUFFIXES.get(Path(name).suffix.lower()):
        return known
    return "jsonl" if head.removeprefix(_BOM).lstrip()[:1] in (b"{", b'"') else "text"


def read_rows(lines: Iterable[bytes], format: Format, name: str) -> Iterator[BatchRow]:
    """Yield the rows of a stream of lines.

    Parameters
    ----------
    lines : iterable of bytes
        Each with its newline, as `split_lines` gives them.
    format : Format
        Any but "folder".
    name : str
        What the user calls the input, for messages.
    """
    if format == "csv":
        return _csv_rows(lines, name)
    return _line_rows(lines, name, _json_columns if format == "jsonl" else _text_columns)


def split_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines, without a byte order mark; one that is too long comes cut."""
    first = True
    while line := file.readline(_LONGEST + 1):
        if first:
            line, first = line.removeprefix(_BOM), False
        yield line
        while len(line) > _LONGEST and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)


def folder_rows(files: Iterable[Path]) -> Iterator[BatchRow]:
    """Yield a row for each file of a folder."""
    for number, path in enumerate(files):
        identity = shown(path.name)
        try:
            text = read_text(path, _LONGEST)
        except BadInput as error:
            yield BatchRow(number, 1, identity, problem=error.what)
        else:
            yield BatchRow(number, 1, identity, {INPUT: text, "file": str(path)})


def folder_files(folder: Path, output: Collection[Path] = ()) -> list[Path]:
    """Return the files of a folder that are rows, by name: not hidden ones, nor the output's."""
    ours = {os.path.realpath(path) for path in output}
    try:
        found = (each for each in folder.iterdir() if not each.name.startswith("."))
        return sorted(p for p in found if p.is_file() and os.path.realpath(p) not in ours)
    except OSError as error:
        raise BadInput(f"{shown(folder)} cannot be read: {error.strerror}") from None


def count_rows(path: Path, format: Format) -> int:
    """Return how many rows a file has; takes a second a gigabyte, CSV some more."""
    with path.open("rb") as file:
        if format == "csv":
            return sum(1 for _ in _csv_rows(split_lines(file), str(path)))
        return sum(1 for line in split_lines(file) if line.strip())


def _line_rows(lines: Iterable[bytes], name: str, read: Any) -> Iterator[BatchRow]:
    number = 0
    for line, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        place = f"{name}:{line}"
        try:
            if len(raw) > _LONGEST:
                raise BadInput(f"{place}: the row is longer than {_LONGEST >> 20} MB")
            columns = read(decode(raw, place).rstrip("\r\n"), place)
        except BadInput as error:
            yield BatchRow(number, line, line, problem=error.what)
        else:
            yield BatchRow(number, line, _own_id(columns, line), columns)
        number += 1


def _text_columns(text: str, place: str) -> Mapping[str, Any]:
    return {INPUT: text}


def _json_columns(text: str, place: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise BadInput(f"{place}: this is not JSON: {why}") from None
    if isinstance(value, str):
        return {INPUT: value}
    if not isinstance(value, dict):
        raise BadInput(f"{place}: a row is a JSON object or a text, not {text[:20]!r}")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _own_id(columns: Mapping[str, Any], otherwise: int) -> str | int:
    """Return what a row calls itself; a truth value is no name."""
    for key in ("id", "custom_id"):
        given = columns.get(key)
        if isinstance(given, str | int) and not isinstance(given, bool) and given != "":
            return given
    return otherwise


def _csv_rows(lines: Iterable[bytes], name: str) -> Iterator[BatchRow]:
    """Yield the rows below the header; a field may hold quoted newlines."""
    csv.field_size_limit(_LONGEST)
    texts = (raw.decode("utf-8", "surrogateescape") for raw in lines)
    above, first = 0, ""
    for first in texts:
        if first.strip():
            break
        above += 1
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(_with_first(first, texts), delimiter=delimiter, strict=True)
    header: list[str] = []
    number = 0
    while True:
        line = above + reader.line_num + 1
        place = f"{name}:{line}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the next line begins a record again
            end = above + reader.line_num
            lost = f"; lines {line} to {end} are one row for it" if end > line else ""
            what = f"{place}: this is not CSV: {error}{lost}"
            if not header:
                raise BadInput(what, "the first line of CSV names the columns") from None
            yield BatchRow(number, line, number + 1, problem=what)
            number += 1
            continue
        if not header:
            header = _header(fields, place)
        elif fields:
            problem = _csv_problem(fields, header, place)
            columns = dict(zip(header, map(_text_of, fields), strict=False))
            yield BatchRow(number, line, _own_id(columns, number + 1), columns, problem)
            number += 1


def _with_first(first: str, texts: Iterable[str]) -> Iterator[str]:
    yield first
    yield from texts


def _header(fields: list[str], place: str) -> list[str]:
    names = [field.strip() for field in fields]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or not all(names):
        what = "a column has no name" if not twice else f"the column {twice!r} is there twice"
        raise BadInput(f"{place}: {what}", "the first line of CSV names the columns")
    if any(not name.isprintable() for name in names):
        raise BadInput(f"{place}: the names of the columns are no UTF-8 text")
    return names


def _text_of(field: str) -> str:
    """Return a field without bytes that are no text."""
    return (
        field.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "\ufffd")
    )


def _csv_problem(fields: list[str], header: list[str], place: str) -> str:
    if len(fields) != len(header):
        return f"{place}: {len(fields)} fields, and the header has {len(header)}"
    if any("\udc80" <= letter <= "\udcff" for field in fields for letter in field):
        return f"{place}: this is not UTF-8"
    if any("\0" in field for field in fields):
        return f"{place}: this is no text: it holds NUL bytes"
    return ""
