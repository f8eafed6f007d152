"""The model that answers in a chat: loaded when the chat begins, changed by `/model`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localai.catalog.gguf.check import read_header
from localai.pool.engine_client import EngineClient
from localai.types import ModelSpec

_UNKNOWN_CONTEXT = 4096  # tokens, where the file does not say


class ModelHandle:
    """The model of a chat.

    Parameters
    ----------
    find : callable
        A model's name, and the role it is wanted for, to what is to be loaded.
    open : callable
        What is to be loaded to its engine; the model begins to load at once.
    """

    def __init__(
        self, find: Callable[[str, str], ModelSpec], open: Callable[[ModelSpec], EngineClient]
    ) -> None:
        self._role = "text"
        self._find, self._open = find, open
        self._spec: ModelSpec | None = None
        self._engine: EngineClient | None = None
        self._own_context = 0

    @property
    def name(self) -> str:
        """What the user calls the model."""
        return self._spec.name if self._spec else ""

    @property
    def engine(self) -> EngineClient:
        """The model's engine."""
        assert self._engine is not None
        return self._engine

    @property
    def asked_context(self) -> int | None:
        """The tokens of context that were asked for."""
        asked = self._spec.options.get("context") if self._spec else None
        return int(asked) if asked else None

    @property
    def context(self) -> int:
        """How many tokens the chat may fill: what was asked for, at most the model's own."""
        return min(self.asked_context or self._own_context, self._own_context)

    def use(self, name: str) -> None:
        """Take another model; the one before is left only when there is a new one.

        Raises
        ------
        UnknownModel, BadModel
            There is no such model, or its file is damaged.
        """
        spec = self._find(name, self._role)
        engine = self._open(spec)
        try:
            header = read_header(Path(spec.files[0]))  # while the engine loads
        except BaseException:
            engine.close()
            raise
        self.close()
        self._spec, self._engine = spec, engine
        self._own_context = header.context_length or _UNKNOWN_CONTEXT

    def wants_eyes(self) -> None:
        """Let the model that is taken next come with its projector."""
        self._role = "vision"

    def open_eyes(self) -> bool:
        """Take the model with its projector, if it has been without; return whether it had.

        Raises
        ------
        UnknownModel
            It has none.
        """
        if self._role == "vision":
            return False
        self._role = "vision"
        try:
            self.use(self.name)
        except BaseException:
            self._role = "text"
            raise
        return True

    def close(self) -> None:
        """Leave the model."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
