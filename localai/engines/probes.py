"""What the engines' libraries say of themselves.

Called in a process of its own (`diagnostics.probe`). Each takes the version of the Python package,
which may be unknown (empty).
"""

from __future__ import annotations

import ctypes
import importlib
import re
from dataclasses import dataclass
from typing import Any

from localai.engines import ggml
from localai.engines.ggml import Device

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


def llama(version: str) -> LibraryInfo:
    """Return what llama.cpp says of itself."""
    from localai.engines.llama import bindings

    bindings.start()
    native = bindings.native
    info = native.llama_print_system_info().decode("utf-8", "replace")
    build = f"llama.cpp {native.llama_version().decode('utf-8', 'replace')}"
    return _with_ggml(native._lib, version, build, info)


def diffusion(version: str) -> LibraryInfo:
    """Return what stable-diffusion.cpp says of itself."""
    native = importlib.import_module("stable_diffusion_cpp.stable_diffusion_cpp")
    tell = native._lib.sd_get_system_info
    tell.restype = ctypes.c_char_p
    info = (tell() or b"").decode("utf-8", "replace")
    return _with_ggml(native._lib, version, "stable-diffusion.cpp", info)


def _with_ggml(native: Any, version: str, build: str, info: str) -> LibraryInfo:
    devices = tuple(device for device, _ in ggml.devices(native))
    return LibraryInfo(version, True, build, ggml.backends(native), devices, cpu_features(info))


def whisper(version: str) -> LibraryInfo:
    """Return what CTranslate2 says of itself."""
    # The native part alone: faster-whisper itself imports much that tells nothing.
    native = importlib.import_module("ctranslate2")
    cards = tuple(
        Device(f"CUDA{at}", "GPU", backend="CUDA") for at in range(native.get_cuda_device_count())
    )
    features = tuple(sorted(native.get_supported_compute_types("cpu")))
    build = f"CTranslate2 {native.__version__}"
    return LibraryInfo(version, True, build, (), (Device("CPU", "CPU"), *cards), features)


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
