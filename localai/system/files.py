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

from localai.errors import BadInput
from localai.formats.text import decode

# What file systems without hard links (exFAT, some of a network) say to one.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def expanded(name: str) -> Path:
    """Return the path that somebody has typed; `~` is a home folder where there is that user."""
    return Path(os.path.expanduser(name))  # the method of `Path` raises where there is none


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
        _name_too(partial, path)


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
        else:
            _name_too(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_without_replacing(path: Path, target: Path) -> None:
    """Give a file another name in its folder, unless that name is taken.

    Raises
    ------
    FileExistsError
        It is taken; both files stay as they are.
    OSError
        It cannot be done; the file keeps its name.
    """
    _name_too(path, target)
    try:
        path.unlink(missing_ok=True)
    except OSError:
        target.unlink()
        raise


def _name_too(path: Path, target: Path) -> None:
    """Give a file a further name that is free; without links it is the only one from then on."""
    try:
        os.link(path, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        try:
            path.replace(target)
        except OSError:
            target.unlink(missing_ok=True)  # it is empty, and ours
            raise


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
    """Return what changes when a file, or one below a folder, is replaced; None: nothing there."""
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


def read_text(path: Path, limit: int) -> str:
    """Return the text of a file that the user has named; a pipe will do (`<(command)`).

    Raises
    ------
    BadInput
        It cannot be read, has more than `limit` bytes, or is no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"{path} cannot be read: {why}", "check the file's name") from None
    if len(data) > limit:
        raise BadInput(f"{path} is larger than {limit} bytes", "give a smaller file")
    return decode(data, str(path))


def read_regular(path: Path, limit: int, what: str, hint: str) -> bytes:
    """Return a regular file's bytes; nothing else is waited for.

    Parameters
    ----------
    what, hint : str
        What it should be ("a card"), and what to do where it cannot be read.

    Raises
    ------
    BadInput
        It cannot be read, is no regular file, or has more than `limit` bytes.
    """
    try:
        # Non-blocking: a named pipe that nobody writes to must not stop us.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no file name"
        raise BadInput(f"{path} cannot be read: {why}", hint) from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise BadInput(f"{path} is not a regular file")
    with open(number, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise BadInput(f"{path} is larger than {limit // 2**20} MB, too large for {what}")
    return data
