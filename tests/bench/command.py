"""The command as a user types it, with a warm host in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


class Command:
    """Runs `localai`; its host, its states and its settings are gone afterwards."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="localai-bench-")
        places = {
            f"XDG_{name}_HOME": str(Path(self._folder.name, name.lower()))
            for name in ("CONFIG", "DATA", "STATE", "CACHE")
        }
        # As installed, modules are compiled beforehand.
        without = ("XDG_RUNTIME_DIR", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if name not in without}
        self._environment = {**kept, **places, "PYTHONPATH": str(ROOT)}

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("stop", "--all")
        self._folder.cleanup()

    def run(self, *arguments: str) -> tuple[float, str]:
        """Return the wall time of one command in seconds, and what it printed."""
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "localai", *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
        )
        return time.perf_counter() - began, done.stdout.decode()
