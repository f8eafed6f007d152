"""One file on its way from the hub: requests, what may come back, and whether it is right.

Every byte that arrives is written at once, at its own place in the file: should two programs write
in spite of the lock, they write the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPResponse
from io import FileIO
from pathlib import Path
from typing import Final
from urllib.parse import quote

from localai.catalog.hub import cache
from localai.catalog.hub.errors import (
    RequestTarget,
    RetryPolicy,
    TransientError,
    host_of,
    translate_errors,
)
from localai.catalog.hub.http import opened
from localai.catalog.hub.repository import HubFile, Repository
from localai.errors import BadModel, Unavailable
from localai.formats.text import shown
from localai.formats.units import amount
from localai.settings import HubEnvironment

BLOCK: Final = 1 << 18  # bytes read at once
AGAIN: Final = "the same command goes on from there"
_SPAN: Final = 8 << 30  # bytes of one request: content networks do not hand out 50 GB in one
_LARGEST_UNTOLD: Final = 1 << 30  # bytes of a file whose size nobody tells
_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/([0-9]{1,18}|\*)")


@dataclass
class FileTransfer:
    """One file on its way."""

    hub: HubEnvironment
    repository: Repository
    file: HubFile
    report: Callable[[], None] = field(repr=False)  # called when more is there
    total: int | None = None  # bytes, as soon as somebody tells
    done: int = 0

    def __post_init__(self) -> None:
        self.total = self.file.bytes
        self.folder = cache.repo_folder(self.repository.name, self.hub.cache)
        self.target = cache.snapshot_path(self.folder, self.repository.commit, self.file.name)
        # Where the hub tells no hash, the commit and the name stand for the content.
        untold = f"{self.repository.name}/{self.repository.commit}/{self.file.name}"
        untold = hashlib.sha1(untold.encode(), usedforsecurity=False).hexdigest()
        self.hash = self.file.sha256 or self.file.git or untold
        self.blob = cache.blob_path(self.folder, self.hash)
        self.partial = self.blob.with_name(self.hash + cache.INCOMPLETE)
        self.note = self.blob.with_name(self.hash + cache.SIDECAR)

    def has(self, path: Path) -> bool:
        """Whether a path holds the whole file."""
        with suppress(OSError):
            return path.is_file() and self.total in (None, path.stat().st_size)
        return False

    def here(self) -> bool:
        """Whether nothing needs to be fetched."""
        return self.has(self.target) or self.has(self.blob)

    def kept(self) -> int:
        """Return the bytes that need not be fetched any more."""
        if self.here():
            return self.total or 0
        with suppress(OSError):
            return min(self.partial.stat().st_size, self.total or 0)
        return 0

    def hint(self) -> str:
        """Return what to type after the transfer has broken off."""
        return f"{amount(self.done)} are kept; {AGAIN}" if self.done else ""


def complete(job: FileTransfer, out: FileIO) -> None:
    """Fetch what is missing of a file into `out`, and check the whole."""
    job.done = os.fstat(out.fileno()).st_size
    if job.total is not None and job.done > job.total:
        _restart(job, out)
    patience = RetryPolicy()
    while job.total is None or job.done < job.total:
        try:
            _fetch_range(job, out, patience)
        except TransientError as hiccup:
            patience.wait(hiccup, job.hint)
    _check(job, out)


def _restart(job: FileTransfer, out: FileIO) -> None:
    out.truncate(0)
    job.done = 0


def _fetch_range(job: FileTransfer, out: FileIO, patience: RetryPolicy) -> None:
    """Fetch up to `_SPAN` bytes with one request."""
    name = quote(job.file.name, safe="/")
    path = f"/{job.repository.name}/resolve/{job.repository.commit}/{name}"
    end = "" if job.total is None else min(job.done + _SPAN, job.total) - 1
    span = f"bytes={job.done}-{end}" if job.done or job.total is not None else ""
    with opened(job.hub, path, RequestTarget(job.repository.name, job.file.name), span) as answer:
        if answer.status == 416:
            _beyond(job, out, answer)
            return
        first, whole = _place(job, answer)
        job.total = whole if job.total is None else job.total
        expected = None if job.total is None else (job.total if end == "" else int(end) + 1)
        _take(job, out, answer, job.done - first, patience)
    if expected is None:
        job.total = job.done  # the answer ended, and nobody had told a size
    elif job.done < expected:
        raise TransientError(f"{host_of(job.hub.endpoint)} closed the connection early")


def _beyond(job: FileTransfer, out: FileIO, answer: HTTPResponse) -> None:
    """Nothing lies behind what we have: it is whole, or somebody errs."""
    _, whole = _told(answer)
    what = f"{host_of(job.hub.endpoint)} has no bytes where we asked for them"
    if job.total is not None:
        raise TransientError(what)
    if whole != job.done:  # nobody tells how large it is, so ours cannot be trusted
        _restart(job, out)
        raise Unavailable(what, "type the command again: it begins anew")
    job.total = whole


def _told(answer: HTTPResponse) -> tuple[int | None, int | None]:
    """Return where an answer's bytes begin in the file, and how large that is."""
    match = _RANGE.fullmatch(answer.getheader("Content-Range") or "")
    if answer.status == 200:  # ranges are ignored
        return 0, answer.length
    if match is None:
        return None, None
    first = int(match[1]) if match[1] else None
    return first, None if match[3] == "*" else int(match[3])


def _place(job: FileTransfer, answer: HTTPResponse) -> tuple[int, int | None]:
    """Return where an answer begins and how large the file is; what does not fit is refused."""
    host = host_of(job.hub.endpoint)
    first, whole = _told(answer)
    if first is None or first not in (0 if answer.status == 200 else job.done, job.done):
        raise TransientError(f"{host} sends other bytes than those we asked for")
    if (answer.getheader("Content-Encoding") or "identity") != "identity":
        what = f"{host}, or a proxy before it, has changed {shown(job.file.name)} on its way"
        raise Unavailable(what, "check HTTPS_PROXY")
    if None not in (whole, job.total) and whole != job.total:
        what = f"{shown(job.file.name)} has {whole} bytes, and the hub's list says {job.total}"
        raise Unavailable(what, "check HF_ENDPOINT, and whether this network asks for a login")
    return first, whole


def _take(
    job: FileTransfer, out: FileIO, answer: HTTPResponse, skip: int, patience: RetryPolicy
) -> None:
    """Write an answer's bytes to the file, after the first `skip`, which we have."""
    most = _LARGEST_UNTOLD if job.total is None else job.total
    while True:
        with translate_errors(job.hub.endpoint):
            block = answer.read1(BLOCK)
        if not block:
            return
        fresh = memoryview(block)[skip:][: most - job.done]
        skip = max(0, skip - len(block))
        while fresh:
            written = os.pwrite(out.fileno(), fresh, job.done)
            job.done, fresh = job.done + written, fresh[written:]
            patience.progressed()
            job.report()
        if job.done == most and job.total is None:
            what = f"{shown(job.file.name)} has no end: {amount(most)} and more"
            raise Unavailable(what, "use another repository")


def _check(job: FileTransfer, out: FileIO) -> None:
    """Compare the whole file with the hub's hash; a wrong one is of no use and removed."""
    out.seek(0)
    if job.file.sha256:
        found = hashlib.file_digest(out, "sha256").hexdigest()
    elif job.file.git:
        digest = hashlib.sha1(b"blob %d\0" % job.done, usedforsecurity=False)
        while block := out.read(BLOCK):
            digest.update(block)
        found = digest.hexdigest()
    else:
        return
    if found != job.hash:
        job.partial.unlink(missing_ok=True)
        job.note.unlink(missing_ok=True)
        job.done = 0
        what = f"{shown(job.file.name)} came damaged: its hash is {found[:12]}..., not "
        hint = "it was removed; type the command again, or use another network"
        raise BadModel(f"{what}{job.hash[:12]}...", hint)
