"""What an engine's library says of itself: `python -m localai.engines.probe KIND`.

Runs in a process of its own, for a library may end, hang or talk over the process it lives in.
Prints one JSON object, a packed `Found`; what the library itself prints goes to stderr.
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

from localai.records import pack


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

_KINDS = ("CPU", "GPU", "IGPU", "ACCEL", "META")  # ggml_backend_dev_type, in ggml's order
_HANDLE, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
_SIZES = ctypes.POINTER(ctypes.c_size_t)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # of ggml: result, arguments
    "ggml_backend_reg_count": (_SIZE, []),
    "ggml_backend_reg_get": (_HANDLE, [_SIZE]),
    "ggml_backend_reg_name": (_TEXT, [_HANDLE]),
    "ggml_backend_dev_count": (_SIZE, []),
    "ggml_backend_dev_get": (_HANDLE, [_SIZE]),
    "ggml_backend_dev_name": (_TEXT, [_HANDLE]),
    "ggml_backend_dev_description": (_TEXT, [_HANDLE]),
    "ggml_backend_dev_type": (ctypes.c_int, [_HANDLE]),
    "ggml_backend_dev_backend_reg": (_HANDLE, [_HANDLE]),
    "ggml_backend_dev_memory": (None, [_HANDLE, _SIZES, _SIZES]),
}
_FEATURE = re.compile(r"(?:(\w+) : )?(\w+) = (\w+)")


@dataclass(frozen=True)
class Device:
    """What a library can calculate on; names are the driver's, so untrusted."""

    name: str  # "CPU", "CUDA0"
    kind: str  # "CPU", "GPU", "IGPU" (integrated), "ACCEL" (helps the CPU)
    description: str = ""
    backend: str = ""
    free: int = 0  # bytes; 0 where the library does not tell
    total: int = 0


@dataclass(frozen=True)
class Found:
    """What is known of an engine's library."""

    version: str = ""  # of the Python package; empty: unknown
    installed: bool = True
    build: str = ""  # of the native library
    backends: tuple[str, ...] = ()  # it was built for these
    devices: tuple[Device, ...] = ()
    features: tuple[str, ...] = ()  # of the CPU, that it makes use of
    trouble: str = ""  # why it cannot be loaded


def look(kind: str) -> Found:
    """Return what is known of the library of a kind of engine; loads it into this process."""
    library = LIBRARIES[kind]
    version = _version(library)
    if version is None:
        return Found(installed=False)
    try:
        return _READERS[kind](version)
    except Exception as error:  # whatever a library does, it is a finding
        return Found(version, trouble=f"{type(error).__name__}: {error}")


def _version(library: Library) -> str | None:
    try:
        return importlib.metadata.version(library.distribution)
    except importlib.metadata.PackageNotFoundError:
        return "" if importlib.util.find_spec(library.module) else None


def _llama(version: str) -> Found:
    from localai.engines.llama import library

    library.start()
    native = library.native
    names, devices = _ggml(native._lib)
    info = native.llama_print_system_info().decode("utf-8", "replace")
    build = f"llama.cpp {native.llama_version().decode('utf-8', 'replace')}"
    return Found(version, True, build, names, devices, cpu_features(info))


def _diffusion(version: str) -> Found:
    native = importlib.import_module("stable_diffusion_cpp.stable_diffusion_cpp")
    names, devices = _ggml(native._lib)
    tell = native._lib.sd_get_system_info
    tell.restype = _TEXT
    info = (tell() or b"").decode("utf-8", "replace")
    return Found(version, True, "stable-diffusion.cpp", names, devices, cpu_features(info))


def _whisper(version: str) -> Found:
    # The native part alone: faster-whisper itself imports much that tells nothing.
    native = importlib.import_module("ctranslate2")
    cards = tuple(
        Device(f"CUDA{at}", "GPU", backend="CUDA") for at in range(native.get_cuda_device_count())
    )
    features = tuple(sorted(native.get_supported_compute_types("cpu")))
    build = f"CTranslate2 {native.__version__}"
    return Found(version, True, build, (), (Device("CPU", "CPU"), *cards), features)


_READERS: dict[str, Callable[[str], Found]] = {
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


def _ggml(native: Any) -> tuple[tuple[str, ...], tuple[Device, ...]]:
    """Return the backends and the devices that a library's ggml knows; nothing if it hides them."""
    try:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(native, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError:
        return (), ()
    registries = map(native.ggml_backend_reg_get, range(native.ggml_backend_reg_count()))
    devices = map(native.ggml_backend_dev_get, range(native.ggml_backend_dev_count()))
    names = tuple(_said(native.ggml_backend_reg_name(each)) for each in registries)
    return names, tuple(_device(native, each) for each in devices)


def _device(native: Any, device: Any) -> Device:
    free, total = _SIZE(), _SIZE()
    native.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    kind = native.ggml_backend_dev_type(device)
    return Device(
        name=_said(native.ggml_backend_dev_name(device)),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else str(kind),
        description=_said(native.ggml_backend_dev_description(device)),
        backend=_said(native.ggml_backend_reg_name(native.ggml_backend_dev_backend_reg(device))),
        free=free.value,
        total=total.value,
    )


def _said(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace").strip()


def main() -> None:
    """Print what is known of the library that the command line names."""
    with os.fdopen(os.dup(1), "wb") as report:
        os.dup2(2, 1)  # libraries talk
        report.write(json.dumps(pack(look(sys.argv[1]))).encode())


if __name__ == "__main__":
    main()
