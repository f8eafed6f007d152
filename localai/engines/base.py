"""What an engine is, and what engines that do one thing at a time have in common.

Imports no engine library and no numpy.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from localai.errors import BadInput, LocalaiError
from localai.types import (
    LAST,
    Emit,
    Event,
    Events,
    Failed,
    Finished,
    ModelSpec,
    Progress,
)

_CLOSING_SECONDS = 1.0


class Call(NamedTuple):
    """A request as an engine gets it."""

    id: str  # unique among the calls of a worker
    client: str  # whom it is for, so that an engine can be fair
    request: Any  # a record of the type that the kind's row names
    files: tuple[int, ...] = ()  # open descriptors that came with it; the engine closes them


def close_files(files: tuple[int, ...]) -> None:
    """Close the descriptors that came with a call."""
    for descriptor in files:
        with contextlib.suppress(OSError):
            os.close(descriptor)


class Engine(Protocol):
    """A loaded model. Made in a worker by `registry.load`, used from its one serving thread.

    Every call ends with one event of `types.LAST`. Until its first event that is no `Progress` of
    the phases `queued` and `loading`, it counts as waiting.
    """

    device: str  # where the model lies, for people: "CPU", "GPU"
    memory: Mapping[str, int]  # bytes that it takes on GPUs, by name ("gpu0")

    def submit(self, call: Call) -> None:
        """Take a call; its events go to the `Emit` given at load. Never blocks."""

    def count_tokens(self, call: Call) -> None:
        """Answer with the `TokenCount` of a request's prompt, as `submit` answers. Never blocks."""

    def cancel(self, call_id: str) -> bool:
        """End a call; an unknown id is nothing.

        Returns
        -------
        bool
            Whether the engine is in a step of this call that it cannot cut short: if that takes too
            long, the worker ends the process.
        """

    def close(self) -> None:
        """Cancel what runs and give the memory back."""


class _Task:
    """A call between its arrival and its last event."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.arrived = time.monotonic()
        self.events: Iterator[Event] | None = None  # None: not begun
        self.cancelled = threading.Event()
        self.ahead = -1  # how many go before it, as last told

    @property
    def rank(self) -> tuple[bool, float]:
        """Sorts interactive calls first, then by arrival."""
        return (not getattr(self.call.request, "interactive", True), self.arrived)


class SerialEngine(ABC):
    """An engine that does one thing at a time, in a thread of its own.

    A subclass says how to `load` a model and how to `run` a request; queue, cancellation, errors
    and descriptors are dealt with here. `run` yields events. Between two of them the engine may
    turn to another request, interactive ones first: so what `run` needs later must not be shared
    between two requests. The last event may be left out: it is `Finished("stop")`.

    Parameters
    ----------
    spec : ModelSpec
        What to load.
    emit : Emit
        Takes the events of all calls, in the engine's thread.
    """

    device = "CPU"
    memory: Mapping[str, int] = {}

    def __init__(self, spec: ModelSpec, emit: Emit) -> None:
        self._emit = emit
        self._tasks: list[_Task] = []
        self._changed = threading.Condition()
        self._closing = False
        self._current: _Task | None = None  # whose step runs
        self.load(spec)
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    @abstractmethod
    def load(self, spec: ModelSpec) -> None:
        """Load the model.

        Raises
        ------
        BadModel, NotEnoughMemory, EngineMissing
            It cannot be loaded.
        """

    @abstractmethod
    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Yield the events of a request's answer.

        Parameters
        ----------
        cancelled : callable
            Whether nobody wants the answer any more; also looked at after each event, so only
            work that takes long between two events has to ask.

        Raises
        ------
        LocalaiError
            Ends this request alone; any other exception becomes one.
        """

    def submit(self, call: Call) -> None:
        """Take a call."""
        with self._changed:
            self._tasks.append(_Task(call))
            self._changed.notify()

    def count_tokens(self, call: Call) -> None:
        """Refuse: these engines have no tokens to count."""
        close_files(call.files)
        error = BadInput("this model counts no tokens")
        self._emit([(call.id, Failed(**error.to_wire()))])

    def cancel(self, call_id: str) -> bool:
        """Let a call end at its next event; return whether its step runs now.

        Where another request is in the middle of its work, the step is waited for, however long it
        takes: to end the process would lose that work.
        """
        with self._changed:
            for task in self._tasks:
                if task.call.id == call_id:
                    task.cancelled.set()
            self._changed.notify()
            others = any(task.events and task is not self._current for task in self._tasks)
            runs = self._current is not None and self._current.call.id == call_id
            return runs and not others

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._closing = True
            for task in self._tasks:
                task.cancelled.set()
            self._changed.notify()
        self._thread.join(_CLOSING_SECONDS)

    def _serve(self) -> None:
        while (task := self._next()) is not None:
            last = self._step(task)
            if last is None:
                continue
            with self._changed:
                self._tasks.remove(task)
                self._current = None
            close_files(task.call.files)
            self._emit([(task.call.id, last)])

    def _next(self) -> _Task | None:
        """Wait for something to do and return it; None: there will be nothing any more."""
        with self._changed:
            while not self._tasks:
                if self._closing:
                    return None
                self._changed.wait()
            ranked = sorted(self._tasks, key=lambda task: task.rank)
            told: Events = []
            for ahead, task in enumerate(ranked):
                if ahead and task.events is None and task.ahead != ahead:
                    task.ahead = ahead
                    told.append((task.call.id, Progress("queued", 0, ahead, "requests")))
            gone = [task for task in ranked if task.cancelled.is_set()]
            self._current = gone[0] if gone else ranked[0]
        if told:
            self._emit(told)
        return self._current

    def _step(self, task: _Task) -> Event | None:
        """Run a task up to its next event; return the event that ends it, if it is that."""
        try:
            if task.cancelled.is_set():
                if task.events is not None:
                    task.events.close()  # type: ignore[attr-defined]  # `run` is a generator
                return Finished("cancelled")
            if task.events is None:
                self._emit([(task.call.id, Progress("working"))])
                task.events = self.run(task.call, task.cancelled.is_set)
            event = next(task.events, Finished("stop"))
        except LocalaiError as error:
            return Failed(**error.to_wire())
        except Exception as error:  # whatever a library does, it ends this request alone
            known = LocalaiError(f"the engine failed: {type(error).__name__}: {error}")
            return Failed(**known.to_wire())
        if isinstance(event, LAST):
            return event
        self._emit([(task.call.id, event)])
        return None
