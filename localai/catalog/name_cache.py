"""Which file a name was found to mean, so that the next call need not look it up again.

Reading the table of known models and the cache's folders takes 20 ms, this half of one. What is
remembered holds as long as the file is there and the package is the same; `models pull` and
whatever else fetches a model writes it anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from localai import __version__
from localai.catalog.gguf.parts import is_complete
from localai.settings import load as load_settings

_MOST = 200  # names


def _file() -> Path:
    return load_settings().folders.cache / "names.json"


def _read() -> dict[str, str]:
    try:
        with open(_file(), encoding="utf-8") as file:
            known = json.loads(file.read(1 << 20))
        if known["version"] == __version__:
            return {str(name): str(path) for name, path in known["names"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # never written, or by something else
    return {}


def recall(name: str) -> Path | None:
    """Return the file that a name meant last time, if it is still there, with all its parts."""
    path = _read().get(name)
    return Path(path) if path and is_complete(Path(path)) else None


def remember(name: str, path: Path) -> None:
    """Write down what a name means; where that cannot be written, it is looked up each time."""
    from localai.system.files import atomic_replace  # a name that is known needs to write nothing

    names = {**_read(), name: str(path)}
    kept = dict(list(names.items())[-_MOST:])
    with suppress(OSError):
        _file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_replace(_file()) as partial:
            partial.write_text(json.dumps({"version": __version__, "names": kept}), "utf-8")
