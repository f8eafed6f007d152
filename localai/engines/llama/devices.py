"""Where llama.cpp can put a model: the CPU, and the GPUs that its library was built for."""

from __future__ import annotations

from dataclasses import dataclass

from localai.catalog.memory_layout import Device
from localai.engines import ggml
from localai.engines.llama.library import native
from localai.machine import free_memory


@dataclass(frozen=True)
class Machine:
    """The devices of this machine."""

    devices: tuple[Device, ...]  # the CPU, then the GPUs
    handles: tuple[int, ...]  # ggml's own, one a GPU


def machine() -> Machine:
    """Return what there is now, with what is free of it."""
    found = _gpus() if native.llama_supports_gpu_offload() else []
    gpus = tuple(Device(each.description, "gpu", each.free) for each, _ in found)
    cpu = Device("the CPU", "cpu", free_memory())
    return Machine((cpu, *gpus), tuple(handle for _, handle in found))


def _gpus() -> list[tuple[ggml.Device, int]]:
    """Return the GPUs as llama.cpp chooses them: an integrated one only where there is no other."""
    found = ggml.devices(native._lib)
    own = [pair for pair in found if pair[0].kind == "GPU"]
    return own or [pair for pair in found if pair[0].kind == "IGPU"][:1]
