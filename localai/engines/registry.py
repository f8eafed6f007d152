"""Kind of engine to the class that serves it; the class is imported on first use.

The only `importlib` besides the table of commands. Adding an engine is adding a row.
"""

from __future__ import annotations

import importlib
from typing import cast

from localai.engines.base import Emit, Engine, ModelSpec
from localai.errors import EngineMissing

ENGINES: dict[str, tuple[str, str]] = {
    # kind: (module:Class, what to install when its library is absent)
    "text": ("localai.engines.llama.engine:LlamaEngine", "llama-cpp-python"),
}


def load(spec: ModelSpec, emit: Emit) -> Engine:
    """Load a model with the engine of its kind.

    Raises
    ------
    EngineMissing
        No such kind, or its library is not installed or cannot be loaded.
    BadModel, NotEnoughMemory
        From the engine itself.
    """
    if spec.kind not in ENGINES:
        raise EngineMissing(f"there is no engine for {spec.kind!r}")
    target, library = ENGINES[spec.kind]
    module, _, name = target.partition(":")
    try:
        engine = getattr(importlib.import_module(module), name)
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineMissing(
            f"the engine for {spec.kind} cannot be loaded: {error}",
            f"pip install --force-reinstall {library}",
        ) from error
    return cast(Engine, engine(spec, emit))
