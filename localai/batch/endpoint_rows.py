"""Rows answered by another server: so many at a time, tried again where that may help.

What is wrong with one row fails that row, whatever it is; the run ends where the server refuses
every row, or has been away for too long.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any, NamedTuple, TypeVar

from localai.batch.answers import RowAnswer, RowJob
from localai.batch.arrival import ArrivalCheck
from localai.batch.endpoint import Endpoint
from localai.batch.endpoint_connection import (
    EndpointConnection,
    LostConnection,
    ServerReply,
    SlowAnswer,
)
from localai.errors import BadInput, ConstraintNotMet, LocalaiError, Unavailable
from localai.formats.text import shown
from localai.generation.openai_body import is_batch_line
from localai.generation.openai_client import body_of, passed_on_body, reply_of, url_of
from localai.types import Constraint

_TRIES = 8  # of a row that the server could not answer now
_LOSSES = 4  # connections that a row may lose
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries
_PATIENCE = 300.0  # seconds that the server may be away
_ANSWER = 600.0  # seconds of one answer, of a server that may answer one row after the other
_FAREWELL = 30.0  # seconds without a row, when those that were sent are waited for at the end
_SHOWN = 300  # characters of an error

Finished = tuple[RowJob, RowAnswer]
_Found = TypeVar("_Found")


class RowBodies(NamedTuple):
    """Makes the bodies that a server is asked."""

    model: str  # where a row names none
    asked: str | None = None  # goes before the model that a row names
    said: frozenset[str] = frozenset()  # settings, as `body_of` takes them

    def of(self, job: RowJob) -> tuple[str, dict[str, Any]]:
        """Return where a row goes, and its body."""
        columns = job.row.columns
        if is_batch_line(columns):
            return columns["url"], passed_on_body(columns["body"], self.model, self.asked)
        return url_of(job.request), {"model": self.model, **body_of(job.request, self.said)}


class EndpointRows:
    """Answers rows through a server.

    Parameters
    ----------
    endpoint : Endpoint
        The server.
    bodies : RowBodies
        What it is asked.
    most : int
        How many rows are asked at a time.
    note : callable
        Told that the server is away; called in any thread.
    sleep : callable
        Waits some seconds; given by tests.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        bodies: RowBodies,
        most: int,
        note: Callable[[str], None],
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._endpoint, self._bodies, self._most, self._note = endpoint, bodies, most, note
        self._over = threading.Event()  # nothing more is asked
        self._sleep = sleep or self._over.wait
        self._jobs: queue.SimpleQueue[RowJob | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[Finished | Unavailable] = queue.SimpleQueue()
        self._waiting = 0
        self._ending: Unavailable | None = None  # is raised once all that comes has come
        self._answered = 0  # rows, in this run
        self._away_since: float | None = None
        self._suspects = threading.Lock()  # held for one of them at a time
        self._checks: dict[Constraint, ArrivalCheck] = {}
        for number in range(most):
            threading.Thread(target=self._serve, name=f"endpoint {number}", daemon=True).start()

    @property
    def room(self) -> int:
        """How many more rows may be sent now."""
        return 0 if self._ending else self._most - self._waiting

    @property
    def waiting(self) -> int:
        """How many rows were sent and are not answered, and an error that is not told yet."""
        return self._waiting + (self._ending is not None)

    def send(self, job: RowJob) -> None:
        """Take a row."""
        self._waiting += 1
        self._jobs.put(job)

    def receive(self) -> list[Finished]:
        """Wait for rows that are finished, and return them.

        Raises
        ------
        Unavailable
            The server is away, or refuses everything. Rows that it has answered meanwhile were
            returned before.
        """
        while True:
            found = self._arrived()
            self._waiting -= len(found)
            rows = []
            for each in found:
                if isinstance(each, Unavailable):
                    self._ending = self._ending or each
                else:
                    rows.append(each)
            if rows:
                return rows
            if self._ending and not (found and self._waiting):
                raise self._ending

    def _arrived(self) -> list[Finished | Unavailable]:
        """Wait for what comes; nothing where nothing comes any more."""
        wait = None if self._ending is None else _FAREWELL if self._waiting else 0
        found: list[Finished | Unavailable] = []
        with suppress(queue.Empty):
            found.append(self._finished.get(timeout=wait))
            while True:
                found.append(self._finished.get_nowait())
        return found

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        for _ in range(self._most):
            self._jobs.put(None)

    def _serve(self) -> None:
        connection = self._endpoint.connect(_ANSWER * self._most)
        while (job := self._jobs.get()) is not None:
            try:
                answer = self._answer(job, self._reply(connection, job))
            except Unavailable as error:
                self._over.set()
                self._finished.put(error)
                continue
            except LocalaiError as error:
                answer = RowAnswer(error=error)
            except Exception as error:  # whatever it is, it is not for the other rows
                connection.close()
                what = shown(f"{type(error).__name__}: {error}"[:_SHOWN])
                answer = RowAnswer(error=LocalaiError(what))
            self._finished.put((job, answer))
        connection.close()

    def _reply(self, connection: EndpointConnection, job: RowJob) -> ServerReply:
        """Return the server's last word on a row."""
        url, body = self._bodies.of(job)
        tries = turns = 0
        begin, answered = time.monotonic(), self._answered
        while True:
            reply = self._had(connection, url, body)
            self._answered += reply.status == 200
            if reply.refuses and not self._is_own(job, reply):
                raise self._endpoint.refusal(reply)
            # One that loads its model refuses everybody for minutes: that is not the row's fault.
            patient = self._answered == answered and time.monotonic() - begin < _PATIENCE
            answered = self._answered
            tries += not (reply.status == 503 and patient)
            if not reply.temporary or tries >= _TRIES:
                return reply
            turns += 1
            self._pause(turns, reply.retry_after)

    def _is_own(self, job: RowJob, reply: ServerReply) -> bool:
        """Whether a refusal is a row's alone: of its own address or model, or of its text."""
        passed = is_batch_line(job.row.columns)
        if reply.status == 401 or not (passed or reply.status == 403):
            return False
        return self._answered > 0 or (
            passed and self._patiently(self._endpoint.models).status == 200
        )

    def _had(self, connection: EndpointConnection, url: str, body: Any) -> ServerReply:
        """Return what the server answers, whatever it is.

        Raises
        ------
        Unavailable
            It is away.
        LocalaiError
            It ends the connection at this row time and again, and answers others.
        """
        losses = 0
        while True:
            # A row may end the server, and with it the connections of all. Which one it is, is
            # seen where none of those that have lost theirs so often is asked beside another.
            with self._suspects if losses == _LOSSES - 1 else nullcontext():
                self._patiently(connection.open)
                try:
                    reply = connection.ask(url, body)
                except LostConnection as error:
                    losses += _LOSSES if isinstance(error, SlowAnswer) else 1
                    if losses >= _LOSSES:
                        self._patiently(self._endpoint.models)
                        what = f"the server is there, and has no answer to this row: {error}"
                        raise LocalaiError(shown(what[:_SHOWN])) from None
                else:
                    self._away_since = None
                    return reply
            self._pause(losses, None)

    def _patiently(self, ask: Callable[[], _Found]) -> _Found:
        """Return what is asked of the server; while it is away, it is waited for."""
        tries = 0
        while True:
            if self._over.is_set():
                raise Unavailable("nothing more is asked")
            tries += 1
            try:
                found = ask()
            except (OSError, LostConnection) as error:
                since = self._away_since
                if since is not None and time.monotonic() - since > _PATIENCE:
                    raise self._endpoint.unreachable(error) from None
                if since is None:
                    self._away_since = time.monotonic()
                    told = f"{self._endpoint.address} cannot be reached"
                    self._note(f"{told}; trying again for {_PATIENCE / 60:.0f} minutes")
                self._pause(tries, None)
                continue
            if tries > 1:
                self._away_since = None
            return found

    def _pause(self, tries: int, asked: float | None) -> None:
        """Wait before another try: longer each time, and not all at once."""
        usual = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        self._sleep(min(max(usual, asked or 0.0), 2 * _LONGEST_PAUSE))

    def _answer(self, job: RowJob, reply: ServerReply) -> RowAnswer:
        """Return a reply as a row's answer; one that we have asked for must keep its constraint."""
        passed = is_batch_line(job.row.columns)
        told = reply.body if isinstance(reply.body, dict) else None
        body = told if passed else None  # what is kept of it: all, or the answer alone
        if reply.status != 200:
            kind = LocalaiError if reply.temporary else BadInput
            error = kind(f"the server answered {reply.status}: {reply.told}")
            return RowAnswer(error=error, status=reply.status, body=body)
        text, finish, usage = reply_of(reply.body) or (None, None, (0, 0))
        if told is None or (text is None and not passed):
            return RowAnswer(error=LocalaiError(f"the server's answer is none: {reply.told}"))
        try:
            if job.request.constraint and text is not None:
                self._check(job.request.constraint).refuse(text)
        except ConstraintNotMet as error:
            return RowAnswer(error=error, body=body)
        seed = job.request.sampling.seed if "seed" in self._bodies.said else None
        return RowAnswer(text, finish, *usage, seed, body=body)

    def _check(self, constraint: Constraint) -> ArrivalCheck:
        if constraint not in self._checks:
            self._checks[constraint] = ArrivalCheck(constraint)
        return self._checks[constraint]
