"""The model and the engine that a command's flags ask for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from localai import settings
from localai.commands import options
from localai.diagnostics.gpu_hint import once_a_day
from localai.generation.model_spec import model_spec
from localai.generation.obtain import obtain
from localai.pool.client import open_engine
from localai.pool.engine_client import EngineClient
from localai.system.spawn import use_batch_scheduling
from localai.terminal.console import Console
from localai.types import ModelSpec


def spec_for(
    console: Console, given: dict[str, Any], own: str = "", role: str = "text"
) -> ModelSpec:
    """Return what to load: a model that was named is fetched if need be, else one is offered.

    Parameters
    ----------
    own : str
        The model that a prompt file or a character asks for.
    role : str
        What it is to do: "text", "hear".
    """
    return model_spec(partial(obtain, console), options.model_options(given), own, role)


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
