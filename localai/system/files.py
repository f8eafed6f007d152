"""Files that are whole or not there: they are written beside their place, under another name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """Give a path to write to; its file takes the place of `path` if the block ends well."""
    with _beside(path) as partial:
        yield partial
        partial.replace(path)


@contextmanager
def atomic_create(path: Path) -> Iterator[Path]:
    """Give a path to write to; its file becomes `path` if the block ends well.

    Raises
    ------
    FileExistsError
        `path` is there by then, and stays as it is.
    """
    with _beside(path) as partial:
        yield partial
        os.link(partial, path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
