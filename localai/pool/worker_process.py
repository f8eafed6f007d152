"""A worker's process, seen by its owner: how it is started, spoken to, and how it has ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile

from localai.engines import registry
from localai.errors import BadModel, LocalaiError, NotEnoughMemory, WorkerDied
from localai.formats.serialization import to_plain
from localai.settings import worker_environment
from localai.system.spawn import default_scheduling, inheritable_fds
from localai.types import ModelSpec

_LAST_WORDS = 16_000  # bytes of a dead worker's stderr: the stacks of all its threads
_NO_MEMORY = ("MemoryError", "RuntimeError: can't start new thread")
# What `faulthandler` writes: a line of its own, then the stacks, of which one led to the crash.
_CRASH = "Fatal Python error: "
_FRAME = re.compile(r'  File "(.*)", line (\d+) in ')
_NATIVE = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


@dataclass(frozen=True)
class WorkerExit:
    """How a worker has ended.

    As plain data it travels from the host to those whose requests it has ended.
    """

    file: str  # the model's
    code: int  # exit status; negative: the signal
    stderr_tail: tuple[str, ...] = ()  # the last lines that it said
    ready: bool = False  # it had loaded the model
    has_answered: bool = False  # it had answered before

    def error(self, has_answered: bool = False) -> LocalaiError:
        """Return what to tell the user; `proven`: it had answered us before."""
        error = self._error(has_answered or self.has_answered)
        if self.stderr_tail:
            error.add_note("\n".join(("the engine's last words:", *self.stderr_tail)))
        return error

    def _error(self, has_answered: bool) -> LocalaiError:
        last, place = _last_words(self.stderr_tail)
        reason = f": {last}" if last else ""
        how = f"by {_signal_name(-self.code)}" if self.code < 0 else f"with status {self.code}"
        how += place
        if -self.code == signal.SIGBUS and has_answered:
            return WorkerDied(
                f"the engine's process ended {how}: {self.file} has changed while it was in use, "
                "or its disk has failed",
                "try again when the file is whole",
            )
        if -self.code in _NATIVE and not has_answered:
            return BadModel(
                f"the engine ended {how} when it first used {self.file}{reason}",
                "the file may be damaged: fetch it anew, or take another model",
            )
        if not (self.ready or has_answered) and last.startswith(_NO_MEMORY):
            return NotEnoughMemory(
                f"there is not enough memory to start the engine{reason}",
                "close other programs, or raise the limit that this process was given (ulimit -v)",
            )
        when = (
            "in the middle of the answer" if self.ready or has_answered else "while it was starting"
        )
        return WorkerDied(
            f"the engine's process ended {how} {when}{reason}",
            "try again; with --debug to see its last words",
        )


def _last_words(said: Sequence[str]) -> tuple[str, str]:
    """Return the last line that the process said itself, and where in its code it crashed."""
    crash = next((at for at, line in enumerate(said) if line.startswith(_CRASH)), len(said))
    own = [line for line in said[:crash] if line]
    stack = dropwhile(lambda line: not line.startswith("Current thread"), said[crash:])
    frame = next(filter(None, map(_FRAME.match, stack)), None)
    place = f" at {os.path.basename(frame[1])}:{frame[2]}" if frame else ""
    return own[-1] if own else "", place


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


class WorkerProcess:
    """A worker and the control socket to it.

    Parameters
    ----------
    spec : ModelSpec
        What it loads.
    environment : mapping or None
        See `settings.worker_environment`.
    """

    def __init__(self, spec: ModelSpec, environment: Mapping[str, str] | None = None) -> None:
        self.spec = spec
        self._errors = _scratch()
        self.control, theirs = socket.socketpair()
        try:
            with theirs:
                variables = registry.variables(spec.kind) | worker_environment(environment)
                self.pid = _start(spec, theirs, self._errors, variables)
        except BaseException:
            self.close()
            raise
        self._code: int | None = None

    def ended(self, *, wait: bool = False) -> bool:
        """Whether the process has ended; after that `worker_exit` tells how."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, 0 if wait else os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code is not None

    def kill(self) -> None:
        """End the process at once."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)

    def stderr_tail(self) -> list[str]:
        """Return the last lines that the process has said."""
        length = os.fstat(self._errors).st_size
        said = os.pread(self._errors, _LAST_WORDS, max(0, length - _LAST_WORDS))
        return said.decode("utf-8", "replace").strip().splitlines()

    def worker_exit(self, *, ready: bool, has_answered: bool) -> WorkerExit:
        """Return how the process has ended; it must have."""
        assert self._code is not None
        return WorkerExit(
            self.spec.files[0], self._code, tuple(self.stderr_tail()), ready, has_answered
        )

    def close(self) -> None:
        """Leave the worker: it ends what it does and ends, also when we are killed."""
        self.control.close()
        os.close(self._errors)


def _start(
    spec: ModelSpec, control: socket.socket, errors: int, environment: Mapping[str, str]
) -> int:
    """Start the worker's process and return its id.

    It has a session of its own, so that Ctrl-C on the terminal is for the client alone, and what a
    native library prints goes to `errors`, never to the user's stdout.
    """
    control.set_inheritable(True)
    command = [sys.executable, "-m", "localai.pool.worker", json.dumps(to_plain(spec))]
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, errors, 1),
        (os.POSIX_SPAWN_DUP2, errors, 2),
        *((os.POSIX_SPAWN_CLOSE, number) for number in inheritable_fds(control.fileno())),
    ]
    return os.posix_spawn(
        sys.executable,
        [*command, str(control.fileno())],
        environment,
        file_actions=actions,
        setsid=True,
        **default_scheduling(),
    )


def _scratch() -> int:
    """Return the descriptor of a file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("localai-worker")
    import tempfile  # not on Linux, where its import would cost every start

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
