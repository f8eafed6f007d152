"""One of many items has failed: who is told, and when the others are still worth the trying."""

from __future__ import annotations

from typing import Final

from localai.errors import ExitCode, LocalaiError
from localai.terminal.console import Console

# Of the engine or the whole call: no other item would fare better.
_FATAL: Final = (
    ExitCode.INTERRUPTED,
    ExitCode.CLOSED_PIPE,
    ExitCode.UNAVAILABLE,
    ExitCode.MEMORY,
)


def tell_failed(console: Console, name: str, error: LocalaiError, *, as_json: bool) -> None:
    """Say which of several items has failed, and why; also when quiet.

    Parameters
    ----------
    name : str
        The item's, as people should see it.

    Raises
    ------
    LocalaiError
        The error itself, where it is not the item's alone.
    """
    if error.code in _FATAL:
        raise error
    what = error.what if error.what.startswith(name) else f"{name}: {error.what}"
    named = type(error)(what, error.next_step, **error.data)
    console.error(named.with_traceback(error.__traceback__), as_json)
