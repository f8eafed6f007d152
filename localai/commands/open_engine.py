"""The engine that a command's flags ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai import settings
from localai.diagnostics.gpu_hint import once_a_day
from localai.pool.client import open_engine
from localai.pool.engine_client import EngineClient
from localai.system.memory import use_batch_scheduling
from localai.terminal.console import Console
from localai.types import ModelSpec


def engine_for(console: Console, given: Mapping[str, Any], spec: ModelSpec) -> EngineClient:
    """Return the engine for a model: `--cold` and `--keep-alive` go before the settings."""
    chosen = settings.load()
    wants_gpu = spec.kind == "text" and spec.options.get("gpu_layers") != "0"
    if wants_gpu and (line := once_a_day(chosen.folders.state / "gpu-looked", _unused_gpu)):
        console.warn(line)
    use_batch_scheduling()
    keep_alive = given["keep_alive"]
    return open_engine(
        spec,
        warm=chosen.warm and not given["cold"],
        keep_alive=chosen.keep_alive if keep_alive is None else keep_alive,
        warn=console.warn,
    )


def _unused_gpu() -> str:
    """Return what is to be said of a GPU that the installed library cannot use, or nothing."""
    from localai.system import gpus

    override = settings.engine_environment().get("LLAMA_CPP_LIB_PATH", "")
    return gpus.advice(gpus.find(), gpus.backends(gpus.library_folder(override)))
