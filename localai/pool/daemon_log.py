"""The host's log: lines with a time, in a file of the state folder that is kept small."""

from __future__ import annotations

import os
import time
from pathlib import Path

_MOST_BYTES = 1 << 20  # then it becomes `host.log.1`, and the one before it is gone


class Log:
    """Appends lines to a file; a disk that is full stops nobody.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: str) -> None:
        """Append one line; control characters in it are shown, not kept."""
        told = "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(handle, "a", encoding="utf-8", errors="replace") as file:
                file.write(f"{stamp} {os.getpid()} {told}\n")
                if file.tell() > _MOST_BYTES:
                    self._path.replace(self._path.with_suffix(".log.1"))
        except OSError:
            pass
