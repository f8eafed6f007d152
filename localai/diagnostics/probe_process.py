"""Asks an engine's library what it is, in a process of its own that it may end, hang or fill."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence

from localai.engines.probes import LibraryInfo
from localai.errors import LocalaiError
from localai.formats.serialization import from_plain
from localai.settings import worker_environment

PATIENCE = 60.0  # seconds; a GPU's first start takes some


def command(kind: str) -> list[str]:
    """Return the command line of the probe of a kind of engine."""
    return [sys.executable, "-m", "localai.diagnostics.probe", kind]


def run(probe: Sequence[str], patience: float = PATIENCE) -> LibraryInfo:
    """Return what a probe finds; a crash, a hang and rubbish are findings too, and no errors."""
    process = subprocess.Popen(
        probe,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=worker_environment(),
    )
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        return LibraryInfo(trouble=f"its library does not answer within {patience:g} seconds")
    finally:
        _end(process)
    if process.returncode:
        return LibraryInfo(trouble=_ended(process.returncode, err))
    try:
        return from_plain(LibraryInfo, json.loads(out))
    except (ValueError, RecursionError, LocalaiError):  # wrong JSON and wrong UTF-8 are ValueErrors
        return LibraryInfo(trouble="its probe answers with what is no report")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process; one that hangs in a driver, where nothing can end it, is left behind."""
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def _ended(code: int, said: bytes) -> str:
    how = f"with status {code}" if code > 0 else f"by {signal.strsignal(-code) or -code}"
    last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"its library ended the process that loaded it, {how}" + (f": {last}" if last else "")
