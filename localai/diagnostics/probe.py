"""What an engine's library says of itself: `python -m localai.diagnostics.probe KIND`.

Runs in a process of its own, for a library may end, hang or talk over the process it lives in.
Prints one JSON object, a packed `LibraryInfo`; what the library itself prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localai.engines import ggml
from localai.engines.ggml import Device
from localai.formats.serialization import to_plain


@dataclass(frozen=True)
class Library:
    """A library that an engine needs."""

    distribution: str  # what pip calls it
    module: str
    does: str  # for people


LIBRARIES = {
    "text": Library("llama-cpp-python", "llama_cpp", "answers questions"),
    "image": Library("stable-diffusion-cpp-python", "stable_diffusion_cpp", "draws pictures"),
    "hear": Library("faster-whisper", "faster_whisper", "writes down speech"),
}

_FEATURE = re.compile(r"(?:(\w+) : )?(\w+) = (\w+)")


@dataclass(frozen=True)
class LibraryInfo:
    """What is known of an engine's library."""

    version: str = ""  # of the Python package; empty: unknown
    installed: bool = True
    build: str = ""  # of the native library
    backends: tuple[str, ...] = ()  # it was built for these
    devices: tuple[Device, ...] = ()
    features: tuple[str, ...] = ()  # of the CPU, that it makes use of
    trouble: str = ""  # why it cannot be loaded


def look(kind: str) -> LibraryInfo:
    """Return what is known of the library of a kind of engine; loads it into this process."""
    bindings = LIBRARIES[kind]
    version = _version(bindings)
    if version is None:
        return LibraryInfo(installed=False)
    try:
        return _READERS[kind](version)
    except Exception as error:  # whatever a library does, it is a finding
        return LibraryInfo(version, trouble=f"{type(error).__name__}: {error}")


def _version(bindings: Library) -> str | None:
    try:
        return importlib.metadata.version(bindings.distribution)
    except importlib.metadata.PackageNotFoundError:
        return "" if importlib.util.find_spec(bindings.module) else None


def _llama(version: str) -> LibraryInfo:
    from localai.engines.llama import bindings

    bindings.start()
    native = bindings.native
    info = native.llama_print_system_info().decode("utf-8", "replace")
    build = f"llama.cpp {native.llama_version().decode('utf-8', 'replace')}"
    return _with_ggml(native._lib, version, build, info)


def _diffusion(version: str) -> LibraryInfo:
    native = importlib.import_module("stable_diffusion_cpp.stable_diffusion_cpp")
    tell = native._lib.sd_get_system_info
    tell.restype = ctypes.c_char_p
    info = (tell() or b"").decode("utf-8", "replace")
    return _with_ggml(native._lib, version, "stable-diffusion.cpp", info)


def _with_ggml(native: Any, version: str, build: str, info: str) -> LibraryInfo:
    devices = tuple(device for device, _ in ggml.devices(native))
    return LibraryInfo(version, True, build, ggml.backends(native), devices, cpu_features(info))


def _whisper(version: str) -> LibraryInfo:
    # The native part alone: faster-whisper itself imports much that tells nothing.
    native = importlib.import_module("ctranslate2")
    cards = tuple(
        Device(f"CUDA{at}", "GPU", backend="CUDA") for at in range(native.get_cuda_device_count())
    )
    features = tuple(sorted(native.get_supported_compute_types("cpu")))
    build = f"CTranslate2 {native.__version__}"
    return LibraryInfo(version, True, build, (), (Device("CPU", "CPU"), *cards), features)


_READERS: dict[str, Callable[[str], LibraryInfo]] = {
    "text": _llama,
    "image": _diffusion,
    "hear": _whisper,
}


def cpu_features(info: str) -> tuple[str, ...]:
    """Return what of the CPU a library uses.

    `"CPU : AVX2 = 1 | FMA = 0 | CUDA : USE_GRAPHS = 1 | "` gives `("AVX2",)`.
    """
    section, found = "CPU", []
    for name, feature, value in _FEATURE.findall(info):
        section = name or section
        if section == "CPU" and value != "0":
            found.append(feature)
    return tuple(found)


def main() -> None:
    """Print what is known of the library that the command line names."""
    with os.fdopen(os.dup(1), "wb") as report:
        os.dup2(2, 1)  # libraries talk
        report.write(json.dumps(to_plain(look(sys.argv[1]))).encode())


if __name__ == "__main__":
    main()
