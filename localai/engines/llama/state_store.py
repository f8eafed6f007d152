"""States of long fixed prefixes on disk, so that a character's text is evaluated once.

A file's name says all that its content depends on: the model's file, the library's build, the
type of the cache, and the tokens. So a file that is found fits. The folder is kept under a size,
the least recently used files leave first. Behind the library's own bytes stands their checksum:
the library believes what it reads, and damage would become wrong answers.
"""

from __future__ import annotations

import hashlib
import os
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from localai.engines.llama.bindings import build
from localai.system.files import atomic_replace

if TYPE_CHECKING:
    from localai.engines.llama.context import Context, Tokens

LEAST_TOKENS = 256  # below this, evaluating is as quick as reading
_MOST_BYTES = 2 * 1024**3
_LEFT = 3600  # seconds after which nobody writes a file any more
_PIECE = 1 << 20  # bytes that are read at a time
_SUM = 4  # bytes of a checksum
_SAMPLE = 1 << 20  # bytes of a model's file that its fingerprint reads at either end


def fingerprint(files: tuple[str, ...], *settings: object) -> str:
    """Return what identifies loaded files (size, time, both ends), settings and build."""
    digest = hashlib.sha256(repr((build(), settings)).encode())
    for name in files:
        with open(name, "rb") as file:
            status = os.fstat(file.fileno())
            digest.update(f"{status.st_size} {status.st_mtime_ns} ".encode())
            digest.update(file.read(_SAMPLE))
            file.seek(max(0, status.st_size - _SAMPLE))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()[:32]


class StateStore:
    """The folder of one model's states.

    Parameters
    ----------
    folder : Path
        Made when first written to, for this user alone.
    key : str
        From `fingerprint`.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._key = folder, key

    def _path(self, tokens: Tokens) -> Path:
        digest = hashlib.sha256(tokens.tobytes()).hexdigest()[:32]
        return self._folder / f"{self._key}-{len(tokens)}-{digest}.state"

    def has(self, tokens: Tokens) -> bool:
        """Whether the state after `tokens` is on disk."""
        return len(tokens) >= LEAST_TOKENS and self._path(tokens).is_file()

    def restore(self, context: Context, sequence: int, tokens: Tokens) -> bool:
        """Read the state after `tokens` into an empty sequence; a damaged file is removed."""
        path = self._path(tokens)
        try:
            os.utime(path)
        except OSError:
            return False
        if _is_sealed(path):
            return context.restore(sequence, tokens, path)  # there may be no room for it
        path.unlink(missing_ok=True)
        return False

    def save(self, context: Context, sequence: int, tokens: Tokens) -> None:
        """Write the state of a sequence that holds exactly `tokens`; a full disk is no error."""
        path = self._path(tokens)
        with suppress(OSError):  # a convenience: without it the prefix is evaluated again
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with atomic_replace(path) as partial:
                if not context.save(sequence, tokens, partial):
                    raise OSError("the library has not written it")
                _seal(partial)
                partial.chmod(0o600)
        with suppress(OSError):
            self._shrink()

    def _shrink(self) -> None:
        for left in self._folder.glob(".*.partial"):  # by a process that was killed
            if left.stat().st_mtime < time.time() - _LEFT:
                left.unlink(missing_ok=True)
        files = sorted(self._folder.glob("*.state"), key=lambda file: -file.stat().st_mtime)
        total = 0
        for file in files:
            total += file.stat().st_size
            if total > _MOST_BYTES:
                file.unlink(missing_ok=True)


def _seal(path: Path) -> None:
    """Put the checksum behind a file's bytes."""
    with path.open("r+b") as file:
        total = _checksum(file, path.stat().st_size)
        file.write(total)


def _is_sealed(path: Path) -> bool:
    """Whether a file holds what was written."""
    with suppress(OSError), path.open("rb") as file:
        size = path.stat().st_size - _SUM
        return size > 0 and _checksum(file, size) == file.read()
    return False


def _checksum(file: BinaryIO, size: int) -> bytes:
    total = 0
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        total = zlib.crc32(piece, total)
        size -= len(piece)
    return total.to_bytes(_SUM, "big")
