"""What an engine's library says of itself: `python -m localai.diagnostics.probe KIND`.

Runs in a process of its own, for a library may end, hang or talk over the process it lives in.
Prints one JSON object, a packed `LibraryInfo`; what the library itself prints goes to stderr.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys

from localai.engines.probes import LibraryInfo
from localai.engines.registry import EngineKind, engines, named
from localai.formats.serialization import to_plain


def look(kind: str) -> LibraryInfo:
    """Return what is known of the library of a kind of engine; loads it into this process."""
    row = engines()[kind]
    version = _version(row)
    if version is None:
        return LibraryInfo(installed=False)
    try:
        info: LibraryInfo = named(row.probe)(version)
    except Exception as error:  # whatever a library does, it is a finding
        return LibraryInfo(version, trouble=f"{type(error).__name__}: {error}")
    return info


def _version(row: EngineKind) -> str | None:
    try:
        return importlib.metadata.version(row.package)
    except importlib.metadata.PackageNotFoundError:
        return "" if importlib.util.find_spec(row.library) else None


def main() -> None:
    """Print what is known of the library that the command line names."""
    with os.fdopen(os.dup(1), "wb") as report:
        os.dup2(2, 1)  # libraries talk
        report.write(json.dumps(to_plain(look(sys.argv[1]))).encode())


if __name__ == "__main__":
    main()
