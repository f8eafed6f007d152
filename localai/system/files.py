"""Atomic file writes: a temporary sibling, then rename; and what files and folders hold."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
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


def partial_result(folder: Path, index: int) -> Path:
    """Return a temporary name for a result file that this process writes into a folder."""
    return folder / f".localai-{os.getpid()}-{index}-{os.urandom(4).hex()}.partial"


def adopt(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Give a finished result file its name.

    Raises
    ------
    FileExistsError
        There is such a file, and it is not to be overwritten; `partial` is removed.
    """
    try:
        if overwrite:
            partial.replace(path)
            return
        try:
            os.link(partial, path)
        except OSError as error:  # file systems without links
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
            try:
                partial.replace(path)
            except OSError:
                path.unlink(missing_ok=True)  # it is empty, and ours
                raise
    finally:
        partial.unlink(missing_ok=True)


def sweep_partials(folder: Path) -> None:
    """Remove the result files that processes which are no more have left under temporary names."""
    for left in folder.glob(".localai-*.partial"):
        found = re.fullmatch(r"\.localai-([0-9]{1,9})-[0-9]+-[0-9a-f]+\.partial", left.name)
        if found and not _runs(int(found[1])):
            with contextlib.suppress(OSError):  # a folder of that name, or one that is not ours
                left.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def total_bytes(name: str) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 where there is nothing."""
    try:
        status = os.stat(name)
    except OSError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return status.st_size
    return sum(
        total_bytes(os.path.join(place, each))
        for place, _, files in os.walk(name)
        for each in files
    )


def file_version(name: str) -> tuple[object, ...] | None:
    """Return what changes when a file, or any below a folder, is replaced; None: nothing is there."""
    try:
        status = os.stat(name)
    except OSError:
        return None
    own = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    if not stat.S_ISDIR(status.st_mode):
        return own
    inside = sorted(
        os.path.join(place, each) for place, _, files in os.walk(name) for each in files
    )
    return (own[:2], *((each, file_version(each)) for each in inside))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
