"""The text engine: requests to jobs, on one loaded GGUF model."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

from localai.catalog.gguf import check
from localai.catalog.gguf_header import Header
from localai.engines.base import Delta, Emit, ModelSpec, TextRequest
from localai.engines.llama.model import Model
from localai.errors import BadInput, LocalaiError
from localai.records import unpack


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


class LlamaText:
    """Chats and continues text with a GGUF model.

    Requests are made ready (rendered, tokenized, their constraint compiled) in a thread of their
    own, since a constraint may take seconds, and handed to the scheduler's thread.

    Parameters
    ----------
    spec : ModelSpec
        `files[0]` is the model.
    emit : Emit
        Takes the deltas of all requests; called in either thread.

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
        from localai.engines.llama.assembly import Preparation, assemble

        self._model = model = loading.result()
        self.device = model.device
        self._preparation = Preparation(model)
        self.scheduler = assemble(model, emit)
        self._lock = threading.Lock()
        self._preparing: dict[str, bool] = {}  # request id -> whether it was cancelled since
        self._arrived: queue.SimpleQueue[tuple[str, dict[str, Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._prepare, name="preparation", daemon=True)
        self._thread.start()

    def submit(self, request_id: str, request: dict[str, Any]) -> None:
        """Take a request as plain data; it is answered or refused through `emit`."""
        with self._lock:
            self._preparing[request_id] = False
        self._arrived.put((request_id, request))

    def cancel(self, request_id: str) -> None:
        """End a request within one step."""
        with self._lock:
            if request_id in self._preparing:
                self._preparing[request_id] = True
                return
        self.scheduler.cancel(request_id)

    def close(self) -> None:
        """Cancel what runs, keep what is to be kept, and free the model; once is enough."""
        if not self._thread.is_alive():
            return
        self._arrived.put(None)
        self._thread.join()
        self.scheduler.close()
        self._model.close()

    def _prepare(self) -> None:
        while (arrived := self._arrived.get()) is not None:
            request_id, request = arrived
            self._emit([(request_id, Delta("stage", stage="prepares"))])
            try:
                job = self._preparation.job(request_id, unpack(TextRequest, request))
            except Exception as error:  # whatever a request holds, it fails alone
                with self._lock:
                    self._preparing.pop(request_id)
                known = error if isinstance(error, LocalaiError) else BadInput(f"{error!r}")
                self._emit([(request_id, Delta("error", error=known.to_wire()))])
            else:
                self._emit([(request_id, Delta("stage", stage="waits"))])
                with self._lock:  # so that a cancellation is seen here or by the scheduler
                    job.cancelled = self._preparing.pop(request_id)
                    self.scheduler.submit(job)
