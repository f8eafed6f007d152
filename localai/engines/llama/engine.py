"""The text engine: requests to jobs, on one loaded GGUF model."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localai.catalog.gguf.check import check
from localai.catalog.gguf.header import Header
from localai.engines.base import Delta, Emit, ModelSpec, TextRequest
from localai.engines.llama.model import Model
from localai.errors import BadInput, LocalaiError
from localai.formats.serialization import from_plain

_LONG = 1 << 16  # characters; they take some 50 ms


class _Loading(threading.Thread):
    """A model on its way (`concurrent.futures` would take 30 ms to import)."""

    def __init__(self, spec: ModelSpec, header: Header) -> None:
        super().__init__(name="loading", daemon=True)
        self._spec, self._header = spec, header
        self._model: Model | None = None
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._model = Model(self._spec, self._header)
        except Exception as error:  # raised again where the model is waited for
            self._error = error

    def result(self) -> Model:
        """Wait for the model; raises what loading it has raised."""
        self.join()
        if self._model is None:
            assert self._error is not None
            raise self._error
        return self._model


class _PreprocessThread(threading.Thread):
    """A thread that makes requests ready, one after the other."""

    def __init__(self, name: str, prepare: Callable[[str, Any, float], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._prepare = prepare
        self._arrived: queue.SimpleQueue[tuple[str, Any, float] | None] = queue.SimpleQueue()
        self.start()

    def put(self, request_id: str, request: Any, arrived: float) -> None:
        """Take a request; those before it come first."""
        self._arrived.put((request_id, request, arrived))

    def run(self) -> None:
        while (arrived := self._arrived.get()) is not None:
            self._prepare(*arrived)

    def close(self) -> None:
        """Wait until all that was taken is ready."""
        self._arrived.put(None)
        self.join()


class LlamaEngine:
    """Chats and continues text with a GGUF model.

    Requests are made ready (rendered, tokenized, their constraint compiled) in a thread of their
    own, since a constraint may take seconds, and handed to the scheduler's thread. A long text,
    which the library cuts into tokens in one call of many seconds, goes to a thread for such.

    Parameters
    ----------
    spec : ModelSpec
        `files[0]` is the model.
    emit : Emit
        Takes the deltas of all requests; called in any of its threads.

    Raises
    ------
    BadModel, NotEnoughMemory
        The model cannot be loaded.
    """

    def __init__(self, spec: ModelSpec, emit: Emit) -> None:
        self._emit = emit
        header = check(Path(spec.files[0]))
        # The library reads the file without the interpreter's lock: meanwhile the modules that
        # need numpy and Jinja are imported, which takes a quarter as long.
        loading = _Loading(spec, header)
        from localai.engines.llama.assembly import Preprocessor, assemble

        self._model = model = loading.result()
        self.device = model.device
        self._preparation = Preprocessor(model)
        self.scheduler = assemble(model, emit)
        self._lock = threading.Lock()
        self._preparing: dict[str, bool] = {}  # request id -> whether it was cancelled since
        self._lane = _PreprocessThread("preparation", self._read)
        self._long = _PreprocessThread("long texts", self._prepare)

    def submit(self, request_id: str, request: dict[str, Any]) -> None:
        """Take a request as plain data; it is answered or refused through `emit`."""
        with self._lock:
            self._preparing[request_id] = False
        self._lane.put(request_id, request, time.perf_counter())

    def cancel(self, request_id: str) -> None:
        """End a request within one step."""
        with self._lock:
            if request_id in self._preparing:
                self._preparing[request_id] = True
                return
        self.scheduler.cancel(request_id)

    def close(self) -> None:
        """Cancel what runs, keep what is to be kept, and free the model; once is enough."""
        if not self._lane.is_alive():
            return
        self._lane.close()
        self._long.close()
        self.scheduler.close()
        self._model.close()

    def _read(self, request_id: str, plain: dict[str, Any], arrived: float) -> None:
        """Read a request from plain data; a long text waits for others of its kind alone."""
        try:
            request = from_plain(TextRequest, plain)
        except Exception as error:  # whatever a request holds, it fails alone
            self._refuse(request_id, error)
            return
        if request.length > _LONG:
            # Whoever waits sees that it is not for the model to load.
            self._emit([(request_id, Delta("progress"))])
            self._long.put(request_id, request, arrived)
        else:
            self._prepare(request_id, request, arrived)

    def _prepare(self, request_id: str, request: TextRequest, arrived: float) -> None:
        with self._lock:
            if self._preparing[request_id]:
                del self._preparing[request_id]
                self._emit([(request_id, Delta("finish", reason="cancelled"))])
                return
        self._emit([(request_id, Delta("stage", stage="prepares"))])
        try:
            job = self._preparation.job(request_id, request, arrived)
        except Exception as error:
            self._refuse(request_id, error)
        else:
            self._emit([(request_id, Delta("stage", stage="waits"))])
            with self._lock:  # so that a cancellation is seen here or by the scheduler
                job.cancelled = self._preparing.pop(request_id)
                self.scheduler.submit(job)

    def _refuse(self, request_id: str, error: Exception) -> None:
        with self._lock:
            self._preparing.pop(request_id)
        known = error if isinstance(error, LocalaiError) else BadInput(f"{error!r}")
        self._emit([(request_id, Delta("error", error=known.to_wire()))])
