"""Rows answered by another server: so many at a time, tried again where that may help."""

from __future__ import annotations

import http.client
import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from localai.batch.answers import RowAnswer, RowJob
from localai.batch.arrival import ArrivalCheck
from localai.batch.endpoint import Endpoint, ServerReply
from localai.errors import BadInput, ConstraintNotMet, LocalaiError
from localai.generation.openai_body import is_batch_line
from localai.generation.openai_client import body_of, passed_on_body, reply_of, url_of
from localai.types import Constraint

_TRIES = 8  # of a row that the server could not answer now
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries
_PATIENCE = 300.0  # seconds that the server may be away

Finished = tuple[RowJob, RowAnswer]


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
        self._over = threading.Event()
        self._sleep = sleep or self._over.wait
        self._jobs: queue.SimpleQueue[RowJob | None] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[Finished | LocalaiError] = queue.SimpleQueue()
        self._waiting = 0
        self._away = False
        self._checks: dict[Constraint, ArrivalCheck] = {}
        for number in range(most):
            threading.Thread(target=self._serve, name=f"endpoint {number}", daemon=True).start()

    @property
    def room(self) -> int:
        """How many more rows may be sent now."""
        return self._most - self._waiting

    @property
    def waiting(self) -> int:
        """How many rows were sent and are not answered."""
        return self._waiting

    def send(self, job: RowJob) -> None:
        """Take a row."""
        self._waiting += 1
        self._jobs.put(job)

    def receive(self) -> list[Finished]:
        """Wait for rows that are finished, and return them.

        Raises
        ------
        LocalaiError
            The server is away, or refuses everything.
        """
        found = [self._finished.get()]
        while not self._finished.empty():
            found.append(self._finished.get())
        rows: list[Finished] = []
        for each in found:
            if isinstance(each, LocalaiError):
                raise each
            rows.append(each)
        self._waiting -= len(rows)
        return rows

    def close(self) -> None:
        """Ask no more."""
        self._over.set()
        for _ in range(self._most):
            self._jobs.put(None)

    def _serve(self) -> None:
        connection = self._endpoint.connect()
        while (job := self._jobs.get()) is not None and not self._over.is_set():
            try:
                reply = self._reply(connection, job)
                self._finished.put((job, self._answer(job, reply)))
            except LocalaiError as error:
                self._finished.put(error)
            except Exception as error:  # whatever it is, nobody shall wait for it for ever
                self._finished.put(LocalaiError(f"{type(error).__name__}: {error}"))
        connection.close()

    def _reply(self, connection: http.client.HTTPConnection, job: RowJob) -> ServerReply:
        """Return the server's last word on a row."""
        url, body = self._bodies.of(job)
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                reply = self._endpoint.ask(connection, url, body)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if time.monotonic() - began > _PATIENCE or self._over.is_set():
                    raise self._endpoint.unreachable(error) from None
                self._tell_away()
                self._pause(tries, None)
                continue
            self._away = False
            self._endpoint.refuse(reply)
            if not reply.temporary or tries >= _TRIES or self._over.is_set():
                return reply
            self._pause(tries, reply.retry_after)

    def _tell_away(self) -> None:
        """Say once that the server is away, and that it is waited for."""
        if not self._away:
            self._away = True
            self._note(f"{self._endpoint.address} cannot be reached; trying again for 5 minutes")

    def _pause(self, tries: int, asked: float | None) -> None:
        """Wait before another try: longer each time, and not all at once."""
        usual = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        self._sleep(min(max(usual, asked or 0.0), 2 * _LONGEST_PAUSE))

    def _answer(self, job: RowJob, reply: ServerReply) -> RowAnswer:
        """Return a reply as a row's answer; one that we have asked for must keep its constraint."""
        body = reply.body if isinstance(reply.body, dict) else None
        if reply.status != 200:
            kind = LocalaiError if reply.temporary else BadInput
            error = kind(f"the server answered {reply.status}: {reply.told}")
            return RowAnswer(error=error, status=reply.status, body=body)
        text, finish, usage = reply_of(reply.body) or (None, None, (0, 0))
        passed = is_batch_line(job.row.columns)
        if body is None or (text is None and not passed):
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
