"""Putting the engine together over a loaded model."""

from __future__ import annotations

from localai.engines.base import Emit
from localai.engines.llama.context import Context
from localai.engines.llama.kv_cache import KVCacheManager
from localai.engines.llama.model import ContextParams, Model
from localai.engines.llama.preprocess import Preprocessor
from localai.engines.llama.scheduler import Scheduler
from localai.engines.llama.state_store import StateStore
from localai.settings import load as load_settings

__all__ = ["Preprocessor", "assemble"]


def assemble(model: Model, emit: Emit) -> Scheduler:
    """Return a running scheduler with a context of its own."""

    def make_context(sizes: ContextParams) -> Context:
        return Context(model.pointer, model.vocab.size, sizes)

    states = StateStore(load_settings().folders.cache / "states", model.fingerprint)
    memory = KVCacheManager(
        make_context, model.sizes(), model.most_cells(), states, exact=model.exact
    )
    return Scheduler(memory, model.vocab, emit)
