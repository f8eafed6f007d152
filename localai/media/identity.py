"""What tells one sound file, and one way of hearing it, from all others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localai.errors import BadInput
from localai.formats.text import shown

_EDGE = 1 << 16  # bytes at both ends of a file that are compared


def identity(path: str | Path) -> dict[str, Any] | None:
    """Return what tells a file from others, and from itself once it has changed.

    Its size, its time of change and a hash of both its ends; not its name, so that a file that was
    moved goes on. None for what can be read only once (a pipe): there is no going on with that.

    Raises
    ------
    BadInput
        It cannot be read.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not path.is_file():
            return None
        with path.open("rb") as file:
            digest = hashlib.sha256(file.read(_EDGE))
            file.seek(max(0, status.st_size - _EDGE))
            digest.update(file.read(_EDGE))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise BadInput(f"{shown(path)} cannot be read: {why}", "check the file's name") from None
    return {
        "size": status.st_size,
        "changed": status.st_mtime_ns,
        "ends": digest.hexdigest(),
    }


def key_of(source: Mapping[str, Any] | None, options: Mapping[str, Any]) -> str:
    """Return the name of a journal: one for each sound and way to hear it.

    Parameters
    ----------
    source : mapping or None
        As `identity` gives it; for None the name is another each time.
    options : mapping
        All that changes what is heard (model, language, clips, channel ...), as plain JSON data.
    """
    told = source if source is not None else {"once": os.urandom(16).hex()}
    text = json.dumps([told, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
