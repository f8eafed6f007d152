"""Which GPUs this machine has, and whether the installed llama.cpp was built for one of them.

Looks at files only and loads no library, so that every command can afford it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

BACKENDS = {  # vendor: the backends of llama.cpp that can use its GPUs, the best one first
    "NVIDIA": ("cuda", "vulkan"),
    "AMD": ("hip", "vulkan"),
    "Intel": ("sycl", "vulkan", "opencl"),
    "Apple": ("metal",),
    "Windows": ("cuda", "hip", "vulkan", "sycl"),
}
TITLES = {"cuda": "CUDA", "hip": "ROCm", "vulkan": "Vulkan", "metal": "Metal", "sycl": "SYCL"}

_ROOT = Path("/")
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}  # PCI
_DISPLAY = "0x03"  # beginning of a PCI class
_ACCELERATOR = "0x12"  # AMD's largest GPUs; Intel's are not GPUs
_LEAST_MEMORY = 4 << 30  # bytes; AMD's GPUs with less share the machine's memory
_DAY = 24 * 3600

Access = Literal["yes", "no driver", "no rights"]


class Gpu(NamedTuple):
    """A GPU of this machine; no dataclass, which would cost every command a millisecond."""

    vendor: str  # a key of BACKENDS; "Windows": behind WSL, of unknown make
    name: str  # as the driver calls it, else its PCI number; untrusted
    place: str = ""  # PCI address
    memory: int | None = None  # bytes of its own, where the driver tells
    integrated: bool = False  # shares memory with the CPU, and is hardly faster
    access: Access = "yes"


def _may(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


def total_bytes() -> dict[str, int]:
    """Return the memory of each GPU that has some of its own and that we may use, by name."""
    own = [gpu for gpu in find() if not gpu.integrated and gpu.access == "yes"]
    return {f"gpu{at}": gpu.memory for at, gpu in enumerate(own) if gpu.memory}


def find(
    root: Path = _ROOT,
    system: str = sys.platform,
    machine: str = os.uname().machine,
    may: Callable[[Path], bool] = _may,
) -> list[Gpu]:
    """Return the GPUs of this machine, integrated ones last.

    Parameters
    ----------
    root : Path
        Where `/sys`, `/proc` and `/dev` lie.
    system, machine : str
        As `sys.platform` and `uname -m` name them.
    may : callable
        Whether we may use a device's file.
    """
    if system == "darwin":
        return [Gpu("Apple", "Apple silicon")] if machine == "arm64" else []
    if (root / "dev/dxg").exists():  # WSL: the GPU is driven by Windows
        nvidia = any((root / "usr/lib/wsl/lib").glob("libcuda.so*"))
        return [Gpu("NVIDIA" if nvidia else "Windows", "GPU behind WSL")]
    return sorted(_on_the_bus(root, may), key=lambda gpu: gpu.integrated)


def _on_the_bus(root: Path, may: Callable[[Path], bool]) -> Iterator[Gpu]:
    """Yield the GPUs that the kernel lists, those without a driver too."""
    listed = [
        *sorted((root / "sys/bus/pci/devices").glob("*")),
        *sorted((root / "sys/class/drm").glob("card*/device")),
    ]
    devices: dict[str, Path] = {}
    for path in listed:
        devices.setdefault(path.resolve().name, path)
    for place, device in devices.items():
        kind, vendor = _word(device / "class"), _VENDORS.get(_word(device / "vendor"), "")
        accelerator = vendor == "AMD" and kind.startswith(_ACCELERATOR)
        if vendor and (kind.startswith(_DISPLAY) or accelerator):
            yield _gpu(root, place, device, vendor, may)


def _gpu(root: Path, place: str, device: Path, vendor: str, may: Callable[[Path], bool]) -> Gpu:
    memory = _word(device / "mem_info_vram_total")
    size = int(memory) if memory.isdecimal() else None
    integrated = {
        "Intel": place.startswith(
            "0000:00:"
        ),  # inside the processor; cards have a bus of their own
        "AMD": size is not None and size < _LEAST_MEMORY,
    }.get(vendor, False)
    nodes = [root / "dev/dri" / node.name for node in device.glob("drm/renderD*")]
    if vendor == "NVIDIA":
        nodes = [root / "dev/nvidiactl"]
    there = [node for node in nodes if node.exists()]
    access: Access = "yes" if any(map(may, there)) else "no rights" if there else "no driver"
    name = _model(root, place) or _word(device / "product_name")
    return Gpu(vendor, name or _number(device), place, size, integrated, access)


def _model(root: Path, place: str) -> str:
    """Return what NVIDIA's driver calls a GPU."""
    told = _word(root / "proc/driver/nvidia/gpus" / place / "information")
    lines = (line.partition(":") for line in told.splitlines())
    return next((value.strip() for key, _, value in lines if key == "Model"), "")


def _number(device: Path) -> str:
    parts = (_word(device / part).removeprefix("0x") for part in ("vendor", "device"))
    return "GPU " + ":".join(parts)


def _word(path: Path) -> str:
    """Return the text of a small file of the kernel; empty if there is none."""
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def cpu_flags(root: Path = _ROOT) -> frozenset[str]:
    """Return the instruction sets that an x86 CPU has, as Linux names them; else nothing."""
    for line in _word(root / "proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def library_folder(override: str = "", paths: Iterable[str] | None = None) -> Path | None:
    """Return where the libraries of the installed llama.cpp lie, without importing it.

    Parameters
    ----------
    override : str
        `LLAMA_CPP_LIB_PATH`, which llama-cpp-python obeys.
    paths : iterable of str or None
        Where to look for the package; None: where Python does.
    """
    packages = (Path(each) for each in (sys.path if paths is None else paths) if each)
    places = [Path(override)] if override else [each / "llama_cpp" / "lib" for each in packages]
    return next((place for place in places if place.is_dir()), None)


def backends(folder: Path | None) -> frozenset[str] | None:
    """Return the backends of ggml whose libraries lie in a folder; None: that cannot be told."""
    files = [] if folder is None else list(folder.glob("*ggml-*"))
    names = (file.name.removeprefix("lib").removeprefix("ggml-") for file in files)
    return frozenset(name.partition(".")[0] for name in names) or None


def advice(gpus: Iterable[Gpu], able: frozenset[str] | None) -> str:
    """Return one line for a user whose GPU stands idle; empty if there is nothing to say.

    An integrated GPU is worth no line, nor is one that this process could not use anyway.

    Parameters
    ----------
    gpus : iterable of Gpu
        What the machine has (`find`).
    able : frozenset of str or None
        What the installed llama.cpp was built for (`backends`).
    """
    worth = [
        gpu
        for gpu in gpus
        if gpu.access == "yes" and not gpu.integrated and gpu.vendor != "Windows"
    ]
    if able is None or not worth or any(able & set(BACKENDS[gpu.vendor]) for gpu in worth):
        return ""
    return (
        f"the {worth[0].vendor} GPU is not used, as llama.cpp was installed without support for "
        "it: `localai doctor` tells how to change that"
    )
