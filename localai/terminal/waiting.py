"""What a terminal shows until an answer's first word."""

from __future__ import annotations

from contextlib import ExitStack

from localai.engines.base import Delta
from localai.terminal.console import Console
from localai.terminal.progress import Progress


class Waiting:
    """What is shown until the first word: the model loads, then the prompt is read."""

    def __init__(self, console: Console, model: str) -> None:
        self._console = console
        self._loading = Progress(console, f"loading {model}")
        self._reading: Progress | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Waiting:
        self._stack.enter_context(self._loading)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def note(self, delta: Delta) -> None:
        """Go on to what the delta tells of."""
        if delta.kind != "progress":
            self._stack.close()
            return
        if self._reading is None:
            self._stack.close()
            self._reading = Progress(self._console, "reading the prompt", "tokens")
            self._stack.enter_context(self._reading)
        if delta.total:  # else it is still being cut into tokens
            self._reading.update(delta.done, delta.total)
