"""Which model to load, and how: what was asked for, then what files ask for, then the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from localai import settings
from localai.catalog.gguf.parts import load_path
from localai.catalog.names import ModelFile
from localai.engines.registry import engines, kind_for
from localai.errors import UnknownModel
from localai.types import ModelSpec

Obtain = Callable[["ModelOptions", str, str], ModelFile]
"""Gives the files of a model of a name (empty: the one that is offered) and of a role."""


class ModelOptions(NamedTuple):
    """What a person asked for; what is None was not said."""

    model: str | None = None  # a name, as `-m` takes it
    gpu_layers: str | None = None  # "auto", "all" or a number as text
    threads: int | None = None
    context: int | None = None  # tokens, at least
    offline: bool = False
    yes: bool = False  # a model that nobody named is fetched unasked


def model_spec(
    obtain: Obtain, options: ModelOptions, own: str = "", role: str = "text"
) -> ModelSpec:
    """Return what to load.

    Parameters
    ----------
    obtain : callable
        Finds a model's file, or fetches it (`generation.obtain`).
    own : str
        The model that a prompt file or a character asks for.
    role : str
        What it is to do, as in a row of `engines.registry`.

    Raises
    ------
    UnknownModel, Unavailable, NotEnoughMemory
        There is no such model, or it cannot be had.
    """
    chosen = settings.load()
    if options.model == "":
        raise UnknownModel("the model's name is empty", "localai models")
    model = obtain(options, options.model or own or chosen.model(role) or "", role)
    kind = kind_for(role)
    row = engines()[kind]
    known = (*row.identity, *row.hints)
    asked = {
        "gpu_layers": options.gpu_layers or chosen.gpu_layers,
        "threads": options.threads or chosen.threads,
        "context": options.context or chosen.context,
    }
    return ModelSpec(
        kind,
        files=tuple(str(load_path(path)) for path in (model.path, *model.more)),
        name=model.name,
        options={name: value for name, value in asked.items() if value and name in known},
    )
