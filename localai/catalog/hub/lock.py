"""One transfer of a file at a time, whoever does it: the lock that Hugging Face's tools take."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from localai.errors import LocalaiError

_PAUSE: Final = 0.1  # seconds between two looks
_BUSY: Final = (errno.EAGAIN, errno.EACCES)


@contextmanager
def locked(folder: Path, blob: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of a blob of a repository's folder; the system frees it if we are killed.

    The partial file itself is no lock: it is renamed and removed, and whoever waits for it would
    then hold what nobody else sees.

    Parameters
    ----------
    folder, blob : Path, str
        As in `cache.blob_path`.
    waiting : callable or None
        Called again and again while another program holds the lock; None: give up at once.

    Raises
    ------
    LocalaiError
        Another program holds the lock, and nobody wants to wait.
    """
    path = folder.parent / ".locks" / folder.name / f"{blob}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    while (handle := _taken(path)) is None:
        if waiting is None:
            what = "another program is fetching this file at this moment"
            raise LocalaiError(what, "wait for it, or stop it first")
        waiting()
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(handle)


def _taken(path: Path) -> int | None:
    """Return a handle that holds the lock, or None while another has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.fstat(handle)
        if os.path.samestat(mine, os.stat(path)):
            return handle
    except FileNotFoundError:
        pass  # its last holder has removed it meanwhile
    except OSError as error:
        if error.errno not in _BUSY:  # a file system without locks: the hash will tell
            return handle
    os.close(handle)
    return None
