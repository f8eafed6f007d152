"""Requests too big for a message: files of the cache folder, written here and taken there."""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from localai.errors import BadInput, LocalaiError
from localai.settings import load as load_settings

_MOST_SPOOLED = 1 << 28  # bytes of a request in a file

_LEFT = 3600  # seconds after which nobody takes a file any more


def _folder() -> Path:
    return load_settings().folders.cache / "spool"


def spooled() -> str:
    """Return the name of a new file for a request."""
    return str(_folder() / f"{os.urandom(16).hex()}.json")


def spool(name: str, text: str) -> None:
    """Write a request's JSON to a file of that name (`spooled`); whole or not at all.

    Raises
    ------
    LocalaiError
        There is no room, or no right to write there.
    """
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep()
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except BaseException:  # Ctrl-C, too: it may be private
            os.unlink(name)
            raise
    except OSError as error:
        raise LocalaiError(
            f"so long an input is handed over in {folder}: {error.strerror}",
            "make room there, or set XDG_CACHE_HOME to another folder",
        ) from None


def sweep() -> None:
    """Remove what killed commands have left."""
    for left in _folder().glob("*.json"):
        with suppress(OSError):  # a worker has just taken it
            if left.stat().st_mtime < time.time() - _LEFT:
                left.unlink()


def take_spooled(name: Any) -> Any:
    """Read a request from its file, a regular one in our own spool folder, and remove the file.

    Raises
    ------
    BadInput
        It cannot be read.
    """
    path = Path(str(name))
    try:
        if path.parent.resolve() != _folder().resolve() or path.is_symlink():
            raise BadInput("a request may be read from the spool folder only")
        # Without waiting: a pipe with no writer is no file of ours either.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_SPOOLED:
                raise BadInput("a request's file is no file, or too large")
            request = json.load(file)
        path.unlink(missing_ok=True)
        return request
    except (OSError, ValueError, RuntimeError) as error:  # a link to itself, deep nesting
        raise BadInput(f"the request's file cannot be read: {error}") from None
