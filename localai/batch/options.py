"""What a person asked of a batch, and its parts put together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from localai.batch.journal import SUFFIX, BatchJournal
from localai.batch.output import CsvColumns, JsonLines, OpenAiLines, OutputLayout, write_output
from localai.batch.rows import BatchRow
from localai.errors import BadInput, SomeFailed
from localai.formats.text import shown
from localai.generation.openai_body import is_batch_line


class OutputFile(NamedTuple):
    """Where the answers go, once all are there."""

    path: Path
    overwrite: bool
    retry_failed: bool
    apart: Path | None = None  # where failures go, if not there

    @property
    def journal(self) -> Path:
        """Where finished rows lie until then."""
        return self.path.with_name(self.path.name + SUFFIX)


def layout_for(
    form: str | None, output: str, first: BatchRow, column: str, model: str
) -> OutputLayout:
    """Return how the answers are written.

    Parameters
    ----------
    form : str or None
        "jsonl" or "csv"; None: OpenAI's lines for OpenAI's lines, else by the output's name.
    first : BatchRow
        The first row: its columns are all rows'.
    column : str
        Of CSV: the name of the column that is added.

    Raises
    ------
    BadInput
        The input has that column already.
    """
    if is_batch_line(first.columns) and form is None:
        return OpenAiLines(model)
    suffix = Path(output).suffix.lower()
    if form == "csv" or (form is None and suffix in (".csv", ".tsv")):
        return CsvColumns(first.columns, column, "\t" if suffix == ".tsv" else ",")
    return JsonLines()


@contextmanager
def journal_for(output: OutputFile) -> Iterator[BatchJournal]:
    """Give the journal beside the output; one without a row in it leaves nothing behind.

    Raises
    ------
    BadInput
        The output is there already, and not from a run that was cut off.
    """
    path = output.path
    there = output.journal.exists()
    ours = there and (output.retry_failed or output.overwrite)
    if path.is_dir():
        raise BadInput(f"{shown(path)} is a folder", "name a file: -o answers.jsonl")
    for each in filter(None, (path, output.apart)):
        if each.exists() and not (there or output.overwrite):
            what = f"{shown(each)} exists already"
            raise BadInput(what, "use --force to overwrite it, or another name")
    journal = BatchJournal.open(output.journal)
    try:
        if output.overwrite and journal.written and not output.retry_failed:
            journal.remove()
            journal = BatchJournal.open(output.journal)
        if path.exists() and not (journal.writing or ours or output.overwrite):
            raise BadInput(
                f"{shown(path)} exists already",
                "--retry-failed does its failed rows again, --force all of them",
            )
        yield journal
    finally:
        if journal.begun:
            journal.close()
        else:
            journal.remove()


def finish(
    journal: BatchJournal, output: OutputFile, layout: OutputLayout, rows: int, failed: int
) -> int:
    """Write the output in the input's order; the journal stays where rows have failed.

    It stays, too, where it has more rows than the input (`--limit`): they were paid for, and a
    run that asks for them finds them.

    Returns
    -------
    int
        How many rows more it has.

    Raises
    ------
    SomeFailed
        Some rows have failed; the output is written all the same.
    """
    journal.will_write()
    write_output(output.path, layout, journal.in_order(rows))
    if not failed and output.apart:  # of an earlier try
        output.apart.unlink(missing_ok=True)
    if more := journal.count - rows:
        journal.close()
    elif failed:
        journal.has_written()
    else:
        journal.remove()
    if failed:
        where = shown(os.path.basename(output.apart or output.path))
        raise SomeFailed(
            f"{failed} of {rows} rows failed; {where} says why",
            "the same command with --retry-failed does them again",
        )
    return more
