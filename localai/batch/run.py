"""A batch: rows are taken in windows, ordered for reuse, answered, and kept as they finish."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from localai.batch.answers import Record, RowAnswer, RowJob, record_of
from localai.batch.journal import BatchJournal
from localai.batch.output import OrderedHead, OutputLayout
from localai.batch.row_requests import RowRequests
from localai.batch.rows import BatchRow
from localai.batch.source import RowSource
from localai.errors import BadConstraint, BadInput
from localai.types import TextRequest

WINDOW = 2048  # rows
_WINDOW_TEXT = 1 << 25  # characters of a window; a row's may be as many
_PIECE = 32  # rows that are taken at a time
_FILL_SECONDS = 0.5


class RowEngine(Protocol):
    """What answers rows: an engine here, or another server."""

    @property
    def room(self) -> int:
        """How many more rows may be sent now."""

    @property
    def waiting(self) -> int:
        """How many rows were sent and are not answered."""

    def send(self, job: RowJob) -> None:
        """Take a row."""

    def receive(self) -> list[tuple[RowJob, RowAnswer]]:
        """Wait for news; return the rows that are finished."""


class BatchProgress(NamedTuple):
    """How far a batch is."""

    done: int  # rows, those of an earlier run among them
    total: int  # 0: not known
    failed: int
    answered: int  # in this run
    answer_tokens: int  # in this run


class JournalStore:
    """Finished rows in a journal.

    Parameters
    ----------
    journal : BatchJournal
        Where they lie.
    layout : OutputLayout
        Says what of a row itself is kept; that may have changed since an earlier run.
    retry_failed : bool
        Whether rows that failed in an earlier run are done again.
    """

    def __init__(self, journal: BatchJournal, layout: OutputLayout, *, retry_failed: bool) -> None:
        self.journal, self._layout, self._retry = journal, layout, retry_failed

    def known(self, row: BatchRow, key: int) -> bool | None:
        """Return whether a finished row had failed; None: it is still to be done."""
        if (offset := self.journal.find(row.number, key)) is None:
            return None
        failed = self.journal.has_failed(offset)
        if failed and self._retry:
            return None
        self.journal.update(row.number, key, offset, self._layout.of_row(row))
        return failed

    def keep(self, rows: list[tuple[int, int, Record]]) -> None:
        """Keep rows that are finished."""
        self.journal.add(rows)


class StreamStore:
    """Finished rows that are written in order as they come, and not kept.

    Parameters
    ----------
    write : callable
        Takes lines.
    """

    def __init__(self, layout: OutputLayout, write: Callable[[str], None]) -> None:
        self._layout, self._write = layout, write
        self._head = OrderedHead()
        self._begun = False

    def known(self, row: BatchRow, key: int) -> bool | None:
        """Return None: no row is known."""
        return None

    def keep(self, rows: list[tuple[int, int, Record]]) -> None:
        """Write the rows whose turn it is."""
        lines = [] if self._begun else [self._layout.head()]
        self._begun = True
        for row, _, record in rows:
            lines += map(self._layout.line, self._head.push(row, record))
        if text := "".join(lines):
            self._write(text)


class BatchRun:
    """One batch.

    Parameters
    ----------
    source : RowSource
        The rows.
    requests : RowRequests
        What is asked for a row.
    engine : RowEngine
        What answers.
    store : JournalStore or StreamStore
        What keeps the answers.
    window : int
        How many rows are ordered at a time.
    """

    def __init__(
        self,
        source: RowSource,
        requests: RowRequests,
        engine: RowEngine,
        store: JournalStore | StreamStore,
        layout: OutputLayout,
        window: int = WINDOW,
    ) -> None:
        self._source, self._requests, self._engine = source, requests, engine
        self._store, self._layout, self._window = store, layout, window
        self._pending: deque[RowJob] = deque()
        # Greedy requests on their way, each with the later rows that ask the same.
        self._same: dict[tuple[TextRequest, tuple[str, ...]], list[RowJob]] = {}
        self._exhausted = False
        self.rows = self.done = self.failed = self.answered = self.answer_tokens = 0

    def events(self) -> Iterator[BatchProgress]:
        """Answer all rows; yield how far it is, whenever that changes.

        Raises
        ------
        BadInput
            The first row cannot be read or asked: then the whole input is another one.
        BadConstraint
            What all rows are held to cannot be kept.
        LocalaiError
            There is nothing that answers; what was answered is kept.
        """
        while True:
            self._fill()
            yield self.progress()
            if not self._engine.waiting:
                if self._exhausted and not self._pending:
                    return
                continue
            if finished := self._engine.receive():
                self._keep(finished)

    def progress(self) -> BatchProgress:
        """Return how far it is."""
        total = self._source.total or (self.rows if self._exhausted else 0)
        return BatchProgress(self.done, total, self.failed, self.answered, self.answer_tokens)

    def _fill(self) -> None:
        """Send rows while there is room for some, and no answer has to wait long for that."""
        begin = time.monotonic()
        while self._engine.room > 0:
            if not self._pending:
                # Sounds are heard and long texts are read meanwhile.
                late = time.monotonic() - begin > _FILL_SECONDS
                if (late and self._engine.waiting) or not self._read_window():
                    return
            if self._pending:
                self._engine.send(self._pending.popleft())

    def _read_window(self) -> bool:
        """Take the next rows and put them in order; False: none are there."""
        if self._exhausted:
            return False
        rows = self._take()
        refused: list[tuple[int, int, Record]] = []
        jobs: list[RowJob] = []
        for row in rows:
            self.rows += 1
            key = self._requests.key(row)
            if (failed := self._store.known(row, key)) is not None:
                self.done += 1
                self.failed += failed
                continue
            try:
                jobs += self._first_of_its_kind(self._requests.job(row, key))
            except BadInput as error:
                if row.number == 0:
                    raise
                refused.append((row.number, key, self._refused(row, error)))
        if refused:
            self._store.keep(refused)
        self._pending.extend(sorted(jobs, key=_prompt))
        return bool(rows)

    def _take(self) -> list[BatchRow]:
        """Return the rows of a window, which is shorter where rows are long."""
        rows: list[BatchRow] = []
        text = 0
        while len(rows) < self._window and text < _WINDOW_TEXT:
            most = min(_PIECE, self._window - len(rows))
            more = self._source.take(most, wait=not (rows or self._engine.waiting))
            if not more:
                self._exhausted = self._source.ended
                break
            rows += more
            text += sum(
                len(each) for row in more for each in row.columns.values() if isinstance(each, str)
            )
        return rows

    def _first_of_its_kind(self, job: RowJob) -> list[RowJob]:
        """Return a job, unless a row before it asks the same and chance has no part in it."""
        if job.request.sampling.temperature > 0:
            return [job]
        if (same := self._same.get(job.asks)) is not None:
            same.append(job)
            return []
        self._same[job.asks] = []
        return [job]

    def _refused(self, row: BatchRow, error: BadInput) -> Record:
        self.done += 1
        self.failed += 1
        return self._record(row, RowAnswer(error=error))

    def _keep(self, finished: list[tuple[RowJob, RowAnswer]]) -> None:
        kept = []
        for first, answer in finished:
            if isinstance(answer.error, BadConstraint) and self._is_of_all(first):
                raise answer.error
            self.answer_tokens += answer.answer_tokens
            for job in (first, *self._same.pop(first.asks, ())):
                kept.append((job.row.number, job.key, self._record(job.row, answer)))
                self.done += 1
                self.answered += 1
                self.failed += answer.error is not None
        self._store.keep(kept)

    def _record(self, row: BatchRow, answer: RowAnswer) -> Record:
        """Return what is kept of a row."""
        return {**record_of(answer), **self._layout.of_row(row)}

    def _is_of_all(self, job: RowJob) -> bool:
        """Whether a row's constraint is that of all rows."""
        return job.request.constraint == self._requests.constraint


def _prompt(job: RowJob) -> tuple[str, ...]:
    """Sorts rows that begin alike next to each other."""
    request = job.request
    return (request.raw or "", *(message.content for message in request.messages))
