"""Putting the engine together over a loaded model."""

from __future__ import annotations

from localai.engines.base import Emit
from localai.engines.llama.context import Context
from localai.engines.llama.memory import Memory
from localai.engines.llama.model import Model, Sizes
from localai.engines.llama.preparation import Preparation
from localai.engines.llama.scheduler import Scheduler
from localai.engines.llama.states import States
from localai.settings import load as load_settings

__all__ = ["Preparation", "assemble"]


def assemble(model: Model, emit: Emit) -> Scheduler:
    """Return a running scheduler with a context of its own."""

    def make_context(sizes: Sizes) -> Context:
        return Context(model.pointer, model.vocab.size, sizes)

    states = States(load_settings().folders.cache / "states", model.fingerprint)
    memory = Memory(make_context, model.sizes(), model.most_cells(), states, exact=model.exact)
    return Scheduler(memory, model.vocab, emit)
