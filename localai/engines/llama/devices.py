"""Where llama.cpp can put a model: the CPU, and the GPUs that its library was built for."""

from __future__ import annotations

from dataclasses import dataclass

from localai.catalog.placement.layout import MemoryDevice
from localai.engines import ggml
from localai.engines.llama.bindings import native
from localai.system.memory import free_memory


@dataclass(frozen=True)
class Machine:
    """The devices of this machine."""

    devices: tuple[MemoryDevice, ...]  # the CPU, then the GPUs
    handles: tuple[int, ...]  # ggml's own, one a GPU


def machine() -> Machine:
    """Return what there is now, with what is free of it."""
    found = _gpus() if native.llama_supports_gpu_offload() else []
    gpus = tuple(MemoryDevice(each.description, "gpu", each.free) for each, _ in found)
    cpu = MemoryDevice("the CPU", "cpu", free_memory())
    return Machine((cpu, *gpus), tuple(handle for _, handle in found))


def _gpus() -> list[tuple[ggml.Device, int]]:
    """Return the GPUs as llama.cpp chooses them: an integrated one only where there is no other."""
    found = ggml.devices(native._lib)
    own = [pair for pair in found if pair[0].kind == "GPU"]
    return own or [pair for pair in found if pair[0].kind == "IGPU"][:1]
