"""The text engine: requests to jobs, on one loaded GGUF model."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from localai.catalog.gguf.check import check
from localai.catalog.gguf.header import Header
from localai.engines.base import Call, close_files
from localai.engines.llama.context_params import ContextParams
from localai.engines.llama.model import Model
from localai.errors import BadInput, LocalaiError
from localai.settings import load as load_settings
from localai.types import Emit, Failed, Finished, ModelSpec, Notice, Progress

_BASE = (
    "{} is a base model: it was taught to go on with a text, not to chat; `localai ask --raw` "
    "lets it go on with yours, and `localai spirit` holds a seance with it"
)
_FIRST, _SECOND, _LAST = range(3)
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
    """A thread that makes requests ready, one after the other, interactive ones first."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work: queue.PriorityQueue[tuple[int, int, Callable[[], None] | None]]
        self._work = queue.PriorityQueue()
        self._taken = itertools.count()
        self.start()

    def put(self, work: Callable[[], None], *, interactive: bool) -> None:
        """Take work; what came before it is done first, but batch work after all other."""
        self._work.put((_FIRST if interactive else _SECOND, next(self._taken), work))

    def run(self) -> None:
        while (work := self._work.get()[-1]) is not None:
            work()

    def close(self) -> None:
        """Wait until all that was taken is done."""
        self._work.put((_LAST, next(self._taken), None))
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
        from localai.engines.llama.context import Context
        from localai.engines.llama.kv_cache import KVCacheManager
        from localai.engines.llama.preprocess import Preprocessor
        from localai.engines.llama.scheduler import Scheduler
        from localai.engines.llama.state_store import StateStore
        from localai.engines.llama.vision import Vision

        self._model = model = loading.result()
        self.device, self.memory = model.device, model.gpu_memory
        self._preprocessor = Preprocessor(model)
        self._vision = Vision(model.projector(), spec.name)

        def make_context(params: ContextParams) -> Context:
            return Context(model.pointer, model.vocab.size, params)

        states = StateStore(load_settings().folders.cache / "states", model.fingerprint)
        cache = KVCacheManager(
            make_context,
            model.context_params(),
            model.most_cells(),
            states,
            whole_prefix_only=model.whole_prefix_only,
        )
        self.scheduler = Scheduler(cache, model.vocab, emit)
        self._lock = threading.Lock()
        self._preparing: dict[str, bool] = {}  # request id -> whether it was cancelled since
        self._lane = _PreprocessThread("preprocess")
        self._long = _PreprocessThread("long texts")
        self._pictures = _PreprocessThread("pictures")

    def submit(self, call: Call) -> None:
        """Take a request; it is answered or refused through `emit`."""
        with self._lock:
            self._preparing[call.id] = False
        prepare = partial(self._prepare, call, time.perf_counter())
        if call.request.length > _LONG or call.request.pictures:
            # Whoever waits sees that it is not for the model to load.
            self._emit([(call.id, Progress("reading"))])
        self._thread_for(call).put(prepare, interactive=call.request.interactive)

    def _thread_for(self, call: Call) -> _PreprocessThread:
        if call.request.pictures:
            return self._pictures
        return self._long if call.request.length > _LONG else self._lane

    def count_tokens(self, call: Call) -> None:
        """Answer with how many tokens the prompt of a request has."""
        self._thread_for(call).put(partial(self._count, call), interactive=True)

    def _count(self, call: Call) -> None:
        try:
            counted = self._preprocessor.count_tokens(call.request, self._vision.see(call))
        except Exception as error:
            self._emit([(call.id, _failed(error))])
        else:
            self._emit([(call.id, counted)])
        finally:
            close_files(call.files)

    def cancel(self, call_id: str) -> bool:
        """End a request within one step, which can be cut short."""
        with self._lock:
            if call_id in self._preparing:
                self._preparing[call_id] = True
                return False
        self.scheduler.cancel(call_id)
        return False

    def close(self) -> None:
        """Cancel what runs, keep what is to be kept, and free the model; once is enough."""
        if not self._lane.is_alive():
            return
        self._lane.close()
        self._long.close()
        self._pictures.close()
        self.scheduler.close()
        self._vision.close()
        self._model.close()

    def _prepare(self, call: Call, arrived: float) -> None:
        try:
            self._make_ready(call, arrived)
        finally:
            close_files(call.files)

    def _make_ready(self, call: Call, arrived: float) -> None:
        if self._has_gone(call):
            return
        try:
            seen = self._vision.see(call, lambda: self._preparing[call.id])
            if self._has_gone(call):
                return
            job = self._preprocessor.job(call, arrived, seen)
        except Exception as error:
            with self._lock:
                self._preparing.pop(call.id)
            self._emit([(call.id, _failed(error))])
            return
        if self._preprocessor.is_base and call.request.raw is None:
            self._emit([(call.id, Notice(_BASE.format(self._model.spec.name)))])
        if seen.remark:
            self._emit([(call.id, Notice(seen.remark))])
        with self._lock:  # so that a cancellation is seen here or by the scheduler
            job.cancelled = self._preparing.pop(call.id)
            self.scheduler.submit(job)

    def _has_gone(self, call: Call) -> bool:
        """Whether a call was cancelled while it was made ready; then that is its end."""
        with self._lock:
            if not self._preparing[call.id]:
                return False
            del self._preparing[call.id]
        self._emit([(call.id, Finished("cancelled"))])
        return True


def _failed(error: Exception) -> Failed:
    """Return what a request is told that cannot be answered: whatever it holds, it fails alone."""
    known = error if isinstance(error, LocalaiError) else BadInput(f"{error!r}")
    return Failed(**known.to_wire())
