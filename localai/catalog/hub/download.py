"""Files from the hub into the cache: in ranges, one program at a time, hashed, and resumed.

A partial file lies beside the blobs as `<hash>.incomplete` and stays there when the transfer ends
early; the next one asks for the rest.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from localai.catalog.hub import cache
from localai.catalog.hub.http import forbidden
from localai.catalog.hub.lock import locked
from localai.catalog.hub.repository import HubFile, Repository
from localai.catalog.hub.transfer import AGAIN, FileTransfer, complete
from localai.errors import LocalaiError
from localai.formats.text import shown
from localai.formats.units import amount
from localai.settings import HubEnvironment, hub_environment

Progress = Callable[[int, int], None]  # bytes that are there, and bytes of all files together

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def fetch(
    repository: Repository,
    files: Sequence[HubFile],
    progress: Progress | None = None,
    hub: HubEnvironment | None = None,
    offline: bool = False,
) -> tuple[Path, ...]:
    """Return the paths of files in the cache, after fetching what is not there.

    Parameters
    ----------
    repository : Repository
        As `hub.look` gave it.
    files : sequence of HubFile
        As `choice.choose` gave them.
    progress : callable or None
        Told the bytes that are there and the bytes of all these files, often; it may raise.
    hub : HubEnvironment or None
        None: what the environment says.
    offline : bool
        Forbid the network, as the environment may do too.

    Raises
    ------
    Unavailable
        The hub cannot be reached, does not let us in, or broke off again and again.
    BadModel
        What came is not what the hub's hash says; nothing of it is kept.
    LocalaiError
        The disk is full or cannot be written; what has come is kept.
    """
    hub = hub or hub_environment()
    hub = hub._replace(offline=hub.offline or offline)
    jobs: list[FileTransfer] = []

    def report() -> None:
        if progress is not None:
            progress(sum(job.done for job in jobs), sum(job.total or job.done for job in jobs))

    jobs += [FileTransfer(hub, repository, file, report) for file in files]
    for job in jobs:
        job.done = job.kept()
        if hub.offline and not job.here():
            raise forbidden(job.file.name)
    with _disk(hub.cache, jobs):
        _check_room(hub.cache, jobs)
        for job in jobs:
            _settle(job)
    if jobs and repository.revision == "main":
        with suppress(OSError):  # a cache that may only be read serves as well without it
            cache.write_ref(jobs[0].folder, repository.commit)
    return tuple(job.target for job in jobs)


def _check_room(folder: Path, jobs: list[FileTransfer]) -> None:
    """Refuse to begin what the disk cannot hold."""
    missing = sum((job.total or job.done) - job.done for job in jobs)
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if missing > free:
        what = f"{amount(missing)} are still to come, and the disk of {folder} has {amount(free)}"
        hint = f"free {amount(missing - free)}, or set HF_HUB_CACHE to a folder on a larger disk"
        raise LocalaiError(f"{what} free", hint)


@contextmanager
def _disk(folder: Path, jobs: list[FileTransfer]) -> Iterator[None]:
    """Say in words what the disk refuses; the network's errors never come here."""
    try:
        yield
    except ConnectionError:  # the progress display's: whoever read it has left
        raise
    except OSError as error:
        kept = amount(sum(job.done for job in jobs))
        if error.errno in _FULL:
            missing = amount(sum((job.total or job.done) - job.done for job in jobs))
            what = f"the disk of {folder} is full: {kept} are kept, {missing} are still to come"
            raise LocalaiError(what, f"free {missing}; {AGAIN}") from None
        what = f"{shown(error.filename or folder)} cannot be written: {error.strerror or error}"
        hint = "check its owner and rights, or set HF_HUB_CACHE to another folder"
        raise LocalaiError(what, hint) from None


def _settle(job: FileTransfer) -> None:
    """Put one file into its place; whoever comes second waits and finds it."""

    def waiting() -> None:
        job.done = max(job.done, job.kept())
        job.report()

    if not job.has(job.target):
        with locked(job.folder, job.hash, waiting):
            if not job.here():
                _transfer(job)
            if not job.has(job.target):
                _link(job)
    job.done = job.target.stat().st_size
    job.report()


def _transfer(job: FileTransfer) -> None:
    """Fetch what is missing of a file, check it, and call it a blob."""
    job.partial.parent.mkdir(parents=True, exist_ok=True)
    with _opened(job.note) as note:
        note.truncate(0)
        note.write(json.dumps({"name": job.file.name, "bytes": job.total}).encode())
    with _opened(job.partial) as out:
        complete(job, out)
        os.fsync(out.fileno())
    os.replace(job.partial, job.blob)
    job.note.unlink(missing_ok=True)


def _opened(path: Path) -> FileIO:
    """Open a file for reading and writing; a link in its place would make us write elsewhere."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return FileIO(os.open(path, flags, 0o666), "r+")


def _link(job: FileTransfer) -> None:
    """Make the snapshot's link to the blob; where there are no links, the blob moves there."""
    job.target.parent.mkdir(parents=True, exist_ok=True)
    fresh = job.target.with_name(f".{job.hash[:16]}.{os.getpid()}.tmp")
    try:
        os.symlink(os.path.relpath(job.blob, job.target.parent), fresh)
    except OSError:
        os.replace(job.blob, job.target)
        return
    os.replace(fresh, job.target)
