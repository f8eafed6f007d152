"""Where llama.cpp can put a model: the CPU, and the GPUs that its library was built for."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from localai.catalog.memory_layout import Device
from localai.engines.llama.library import native
from localai.machine import free_memory

_GPU, _INTEGRATED = 1, 2  # ggml_backend_dev_type
_HANDLE, _SIZE = ctypes.c_void_p, ctypes.c_size_t
_SIZES = ctypes.POINTER(_SIZE)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # of ggml: result, arguments
    "ggml_backend_dev_count": (_SIZE, []),
    "ggml_backend_dev_get": (_HANDLE, [_SIZE]),
    "ggml_backend_dev_description": (ctypes.c_char_p, [_HANDLE]),
    "ggml_backend_dev_type": (ctypes.c_int, [_HANDLE]),
    "ggml_backend_dev_memory": (None, [_HANDLE, _SIZES, _SIZES]),
}


@dataclass(frozen=True)
class Machine:
    """The devices of this machine."""

    devices: tuple[Device, ...]  # the CPU, then the GPUs
    handles: tuple[int, ...]  # ggml's own, one a GPU


def machine() -> Machine:
    """Return what there is now, with what is free of it."""
    found = _gpus() if native.llama_supports_gpu_offload() else []
    gpus = tuple(device for device, _ in found)
    cpu = Device("the CPU", "cpu", free_memory())
    return Machine((cpu, *gpus), tuple(handle for _, handle in found))


def _gpus() -> list[tuple[Device, int]]:
    """Return the GPUs as llama.cpp chooses them: an integrated one only where there is no other."""
    library = native._lib
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    handles = [library.ggml_backend_dev_get(at) for at in range(library.ggml_backend_dev_count())]
    kinds = {handle: library.ggml_backend_dev_type(handle) for handle in handles}
    own = [handle for handle in handles if kinds[handle] == _GPU]
    chosen = own or [handle for handle in handles if kinds[handle] == _INTEGRATED][:1]
    return [(_device(library, handle), handle) for handle in chosen]


def _device(library: Any, handle: int) -> Device:
    free, total = _SIZE(), _SIZE()
    library.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    name = (library.ggml_backend_dev_description(handle) or b"").decode("utf-8", "replace")
    return Device(name.strip(), "gpu", free.value)
