"""Rows answered by an engine: many at a time on one connection, whatever becomes of its worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from localai.batch.answers import RowAnswer, RowJob, row_answer
from localai.errors import BadInput, ModelStopped, WorkerDied, from_wire
from localai.formats.answer import Answer
from localai.pool.engine_client import EngineClient, RequestsReturned
from localai.types import Event, Failed, Finished, Notice, Progress

_DEATHS = 2  # of its worker, that a row may be the cause of
_IDLE_DEATHS = 3  # of workers, one after the other, with no row at work: it is not for the rows


class _Sent:
    """A row that the engine has."""

    def __init__(self, job: RowJob, model: str) -> None:
        self.job = job
        self.answer = Answer(model)
        self.begun = False  # the engine is at work on it


class EngineRows:
    """Answers rows with one model.

    When the worker dies, each row that it was at work on may be why: those are asked again one by
    one, and a row that is alone when its worker dies again is at fault, and fails.

    Parameters
    ----------
    engine : EngineClient
        The model's.
    model : str
        Its name.
    most : int
        How many rows may be with the engine at one time.
    note : callable
        Told what whoever asks should know, once each.
    """

    def __init__(
        self, engine: EngineClient, model: str, most: int, note: Callable[[str], None]
    ) -> None:
        self._engine, self._model, self._most, self._note = engine, model, most, note
        self._sent: dict[str, _Sent] = {}
        self._again: deque[RowJob] = deque()  # were sent to a worker that is no more
        self._refused: list[tuple[RowJob, RowAnswer]] = []
        self._suspects: deque[RowJob] = deque()
        self._deaths: dict[int, int] = {}  # row to how often its worker has died
        self._idle_deaths = 0
        self._noted: set[str] = set()

    @property
    def room(self) -> int:
        """How many more rows may be sent now."""
        return 0 if self._suspects else self._most - self.waiting

    @property
    def waiting(self) -> int:
        """How many rows were sent and are not answered."""
        waiting = (self._sent, self._again, self._suspects, self._refused)
        return sum(map(len, waiting))

    def send(self, job: RowJob) -> None:
        """Take a row."""
        try:
            name = self._send_now(job)
        except BadInput as error:  # a picture that is none
            self._refused.append((job, RowAnswer(error=error)))
        else:
            self._sent[name] = _Sent(job, self._model)

    def _send_now(self, job: RowJob) -> str:
        if not job.images:
            return self._engine.send(job.request)
        from localai.generation.pictures import Attachments, load  # with Pillow

        with Attachments(load(job.images)) as shown:
            return self._engine.send(shown.to(job.request), shown.files)

    def receive(self) -> list[tuple[RowJob, RowAnswer]]:
        """Wait for news of the rows that were sent; return those that are finished.

        Raises
        ------
        LocalaiError
            There is no worker any more, and there will be none.
        """
        self._send_again()
        if self._refused:
            refused, self._refused = self._refused, []
            return refused
        try:
            events = self._engine.receive()
        except RequestsReturned:
            self._again.extend(each.job for each in self._sent.values())
            self._sent.clear()
            return []
        except WorkerDied as error:
            return self._after_death(error)
        finished = []
        for name, event in events:
            if (sent := self._sent.get(name)) and (answer := self._take(sent, event)):
                del self._sent[name]
                self._deaths.pop(sent.job.row.number, None)
                finished.append((sent.job, answer))
        return finished

    def _take(self, sent: _Sent, event: Event) -> RowAnswer | None:
        """Add what an event brings; return the answer if it is whole."""
        match event:
            case Failed():
                error = from_wire(event._asdict())
                if isinstance(error, ModelStopped):  # the whole run's, not the row's
                    raise error
                return RowAnswer(error=error)
            case Notice(text):
                if text not in self._noted:
                    self._noted.add(text)
                    self._note(text)
            case Progress(phase):
                sent.begun = phase in ("reading", "working")
            case _:
                sent.begun = True
                sent.answer.take(event)
        self._idle_deaths = 0
        return row_answer(sent.answer) if isinstance(event, Finished) else None

    def _send_again(self) -> None:
        """Send what another worker has lost: suspects one by one, before all others."""
        if self._suspects:
            if not self._sent:
                self.send(self._suspects.popleft())
        else:
            while self._again:
                self.send(self._again.popleft())

    def _after_death(self, error: WorkerDied) -> list[tuple[RowJob, RowAnswer]]:
        sent, self._sent = list(self._sent.values()), {}
        begun = [each.job for each in sent if each.begun]
        self._again.extend(each.job for each in sent if not each.begun)
        if not begun:
            self._idle_deaths += 1
            if self._idle_deaths >= _IDLE_DEATHS:
                raise error
        for job in begun:
            self._deaths[job.row.number] = self._deaths.get(job.row.number, 0) + 1
        if len(begun) == 1 and self._deaths[begun[0].row.number] >= _DEATHS:
            what = f"{error.what}; it has ended {_DEATHS} times at this row"
            return [(begun[0], RowAnswer(error=WorkerDied(what, error.next_step)))]
        self._suspects.extend(begun)
        return []
