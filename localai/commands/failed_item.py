"""One of many items has failed: who is told, and when the others are still worth the trying."""

from __future__ import annotations

from localai.errors import WHOLE_RUN, LocalaiError
from localai.terminal.console import Console


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
    if error.code in WHOLE_RUN:
        raise error
    what = error.what if error.what.startswith(name) else f"{name}: {error.what}"
    named = type(error)(what, error.next_step, **error.data)
    console.error(named.with_traceback(error.__traceback__), as_json)
