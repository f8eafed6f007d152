"""Every way a command can fail, and the exit code that says so.

    LocalaiError            1    the command failed
    |-- WorkerDied          1    the engine's process ended in the middle of a request
    |-- ModelStopped        1    somebody has stopped the model meanwhile
    |-- NoDaemon            1    there can be no warm host, or it does not answer
    |-- Undecided           2    a yes-or-no test that failed: 1 would mean "no"
    |-- BadInput            2    wrong usage, or an input that cannot be read
    |   |-- BadConstraint   2    a schema, regex or grammar that cannot be kept
    |   `-- InUse           2    another command works on the same right now
    |-- Unavailable         3    a model or an engine that is not there
    |   |-- UnknownModel    3    no model of that name
    |   |-- BadModel        3    a model file that is damaged or not supported
    |   `-- EngineMissing   3    an engine library that is not installed
    |-- NotEnoughMemory     4    the model does not fit
    |-- ConstraintNotMet    5    the answer ended before it was valid
    |-- SomeFailed          6    some items of many failed
    |-- TooLong             7    the input does not fit the context
    |-- Interrupted       130    Ctrl-C
    `-- ClosedPipe        141    whoever read our output has left

Each error says what happened and why (`what`) and what to type next (`next_step`).
`cli.main` alone turns an error into a message and an exit code. Errors cross the wire
between a worker and a client by their class name (`to_wire`, `from_wire`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """What the shell sees in `$?`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNAVAILABLE = 3
    MEMORY = 4
    CONSTRAINT = 5
    PARTIAL = 6
    TOO_LONG = 7
    INTERRUPTED = 130
    CLOSED_PIPE = 141


WHOLE_RUN = (
    ExitCode.INTERRUPTED,
    ExitCode.CLOSED_PIPE,
    ExitCode.UNAVAILABLE,
    ExitCode.MEMORY,
)
"""Of errors that are not the one item's of many at which they came: no other would fare better."""


class LocalaiError(Exception):
    """A failure with a sentence for the user.

    Parameters
    ----------
    what : str
        What happened and why; one sentence or two, no full stop needed at the end.
    next_step : str
        What to type or to do next; may be empty.
    data : int by name
        Figures that a program may want: `TooLong` has `tokens` and `limit`.
    """

    data: dict[str, int]
    name: ClassVar[str] = "localai_error"  # in the JSON of errors: scripts know it, classes do not
    code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, what: str, next_step: str = "", **data: int) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        self.data = data

    def to_wire(self) -> dict[str, Any]:
        """Return the error as plain data: class name, what, next step, figures if there are any."""
        data = {"data": self.data} if self.data else {}
        return {"error": type(self).__name__, "what": self.what, "next": self.next_step, **data}

    def to_json(self) -> dict[str, str | int]:
        """Return the error as `--json` shows it: code, exit, message, next."""
        return {
            "code": self.name,
            "exit": int(self.code),
            "message": self.what,
            "next": self.next_step,
        }

    def traced(self) -> str:
        """Return where the error comes from, and what was noted with it."""
        import traceback  # which few commands need

        return "".join(traceback.format_exception(self))


class WorkerDied(LocalaiError):
    """The engine's process ended in the middle of a request."""

    name = "worker_died"


class ModelStopped(LocalaiError):
    """Somebody has stopped the model in the middle of a request."""

    name = "model_stopped"


class NoDaemon(LocalaiError):
    """There can be no warm host, or it does not answer."""

    name = "no_host"


class Undecided(LocalaiError):
    """A yes-or-no test that failed: 1 would mean "no"."""

    name = "undecided"
    code = ExitCode.USAGE


class BadInput(LocalaiError):
    """Wrong usage, or an input that cannot be read."""

    name = "bad_input"
    code = ExitCode.USAGE


class BadConstraint(BadInput):
    """A schema, regex or grammar that cannot be kept."""

    name = "bad_constraint"


class InUse(BadInput):
    """Another command works on the same right now."""

    name = "in_use"


class Unavailable(LocalaiError):
    """A model or an engine that is not there."""

    name = "unavailable"
    code = ExitCode.UNAVAILABLE


class UnknownModel(Unavailable):
    """No model of that name."""

    name = "unknown_model"


class BadModel(Unavailable):
    """A model file that is damaged or not supported."""

    name = "bad_model"


class EngineMissing(Unavailable):
    """An engine library that is not installed."""

    name = "engine_missing"


class NotEnoughMemory(LocalaiError):
    """The model or its context does not fit into memory."""

    name = "not_enough_memory"
    code = ExitCode.MEMORY


class ConstraintNotMet(LocalaiError):
    """The answer ended before it was complete and valid."""

    name = "constraint_not_met"
    code = ExitCode.CONSTRAINT


class SomeFailed(LocalaiError):
    """Some items of many failed."""

    name = "some_failed"
    code = ExitCode.PARTIAL


class TooLong(LocalaiError):
    """The input does not fit the context; `data`: `tokens`, and the `limit` of the context."""

    name = "too_long"
    code = ExitCode.TOO_LONG


class Interrupted(LocalaiError):
    """Ctrl-C."""

    name = "interrupted"
    code = ExitCode.INTERRUPTED


class ClosedPipe(LocalaiError):
    """Whoever read our output has left."""

    name = "closed_pipe"
    code = ExitCode.CLOSED_PIPE


def _family(root: type[LocalaiError]) -> dict[str, type[LocalaiError]]:
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found.update(_family(child))
    return found


def from_wire(data: Mapping[str, Any]) -> LocalaiError:
    """Return the error that `to_wire` described; an unknown class becomes `LocalaiError`."""
    kind = _family(LocalaiError).get(str(data.get("error")), LocalaiError)
    figures = data.get("data")
    error = kind(str(data.get("what", "the request failed")), str(data.get("next", "")))
    error.data = dict(figures) if isinstance(figures, dict) else {}
    return error
