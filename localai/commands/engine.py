"""The engine that a command's flags ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localai import settings
from localai.engines.base import ModelSpec
from localai.terminal.console import Console
from localai.warm.client import ClientEngine, open_engine


def engine_for(console: Console, given: Mapping[str, Any], spec: ModelSpec) -> ClientEngine:
    """Return the engine for a model: `--cold` and `--keep-alive` go before the settings."""
    chosen = settings.load()
    keep_alive = given["keep_alive"]
    return open_engine(
        spec,
        warm=chosen.warm and not given["cold"],
        keep_alive=chosen.keep_alive if keep_alive is None else keep_alive,
        warn=console.warn,
    )
