"""Gives a command its engine: starts a worker, asks it, and leaves nothing behind.

Imports the standard library and our own light modules only: the time from the shell's prompt to
the first token is made here.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from localai.engines.base import Delta, ModelSpec
from localai.errors import BadModel, LocalaiError, WorkerDied, from_wire
from localai.records import pack
from localai.settings import load as load_settings
from localai.settings import worker_environment
from localai.warm import wire

_READ = 1 << 16  # bytes
_LAST_WORDS = 2000  # bytes of a dead worker's stderr
_NATIVE = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}


class ColdEngine:
    """A worker that lives as long as the command.

    Parameters
    ----------
    spec : ModelSpec
        What it loads.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._errors = _scratch()
        self._control, theirs = socket.socketpair()
        self._connection, their_connection = socket.socketpair()
        self._process = _start(spec, theirs, their_connection, self._errors)
        theirs.close()
        their_connection.close()
        self._loaded = self._proven = False
        self._asked = 0
        self._spools: list[str] = []
        self._decoder = wire.Decoder()

    def __enter__(self) -> ColdEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Wait until the model is loaded.

        Raises
        ------
        LocalaiError
            What the worker says about why it is not.
        """
        if self._loaded:
            return
        decoder = wire.Decoder()
        messages: list[wire.Message] = []
        while not messages:
            data = self._control.recv(_READ)
            if not data:
                raise self._death()
            messages = decoder.feed(data)
        if messages[0]["type"] != "ready":
            raise from_wire(messages[0])
        self._loaded = True

    def ask(self, request: Any) -> Iterator[Delta]:
        """Send a request (a dataclass of `engines.base`) and yield its deltas as they come.

        The last one is `finish`. Leaving the iterator early cancels the request.

        Raises
        ------
        LocalaiError
            The error that the worker answers with.
        WorkerDied, BadModel
            The worker has ended.
        """
        self._asked += 1
        request_id = str(self._asked)
        # The request is sent before the model is loaded: it is there when the worker looks.
        frame = wire.encode("generate", request_id, **self._carried(pack(request)))
        with contextlib.suppress(ConnectionError):  # why the worker has ended, `wait` knows
            self._connection.sendall(frame)
        self.wait()
        finished = False
        try:
            while not finished:
                for message in self._receive():
                    if message["id"] not in (request_id, ""):
                        continue  # the rest of an answer that was left early
                    delta = wire.delta(message)
                    if delta.kind == "error":
                        finished = True
                        raise from_wire(delta.error or {})
                    self._proven = self._proven or delta.kind in ("text", "thinking")
                    finished = delta.kind == "finish"
                    yield delta
        finally:
            if not finished:
                with contextlib.suppress(OSError):
                    self._connection.sendall(wire.encode("cancel", request_id))

    def close(self) -> None:
        """Leave: the worker sees it and ends by itself, also when we are killed."""
        for name in self._spools:
            with contextlib.suppress(OSError):
                os.unlink(name)
        self._control.close()
        self._connection.close()
        os.close(self._errors)

    def _carried(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request for a message: itself, or the name of its file if it is big."""
        text = json.dumps(request, ensure_ascii=False)
        if len(text) * 4 < wire.INLINE or len(text.encode("utf-8", "replace")) < wire.INLINE:
            return {"request": request}
        folder = load_settings().folders.cache / "spool"
        name = str(folder / f"{os.urandom(16).hex()}.json")
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._spools.append(name)
            with open(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise LocalaiError(
                f"so long an input is handed over in {folder}: {error.strerror}",
                "make room there, or set XDG_CACHE_HOME to another folder",
            ) from None
        return {"spool": name}

    def _receive(self) -> list[wire.Message]:
        try:
            data = self._connection.recv(_READ)
        except ConnectionError:
            data = b""
        if not data:
            raise self._death()
        return self._decoder.feed(data)

    def _death(self) -> LocalaiError:
        """Return the error that tells how the worker has ended."""
        code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        size = os.fstat(self._errors).st_size
        said = os.pread(self._errors, _LAST_WORDS, max(0, size - _LAST_WORDS))
        words = said.decode("utf-8", "replace").strip().splitlines()
        reason = f": {words[-1]}" if words else ""
        name = self._spec.files[0]
        if code < 0 and -code in _NATIVE and not self._proven:
            return BadModel(
                f"the engine ended by {_signal_name(-code)} when it first used {name}{reason}",
                "the file may be damaged: fetch it anew, or take another model",
            )
        how = f"by {_signal_name(-code)}" if code < 0 else f"with status {code}"
        return WorkerDied(
            f"the engine's process ended {how} in the middle of the answer{reason}",
            "try again; with --debug to see all that it said",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _start(spec: ModelSpec, control: socket.socket, connection: socket.socket, errors: int) -> int:
    """Start the worker's process and return its id.

    It has a session of its own, so that Ctrl-C on the terminal is for the client alone, and what a
    native library prints goes to `errors`, never to the user's stdout.
    """
    for sock in (control, connection):
        sock.set_inheritable(True)
    command = [
        *(sys.executable, "-m", "localai.warm.worker", json.dumps(pack(spec))),
        *(str(control.fileno()), str(connection.fileno())),
    ]
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, errors, 1),
    ]
    if not load_settings().debug:
        actions.append((os.POSIX_SPAWN_DUP2, errors, 2))
    return os.posix_spawn(
        sys.executable, command, worker_environment(), file_actions=actions, setsid=True
    )


def _scratch() -> int:
    """Return the descriptor of a file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("localai-worker")
    import tempfile  # not on Linux, where its import would cost every start

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
