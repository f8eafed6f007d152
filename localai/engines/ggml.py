"""What a native library's ggml says of the devices that it can calculate on.

llama.cpp and stable-diffusion.cpp bring a ggml each; the functions are those of `ggml-backend.h`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

_KINDS = ("CPU", "GPU", "IGPU", "ACCEL", "META")  # ggml_backend_dev_type, in ggml's order
_HANDLE, _SIZE, _TEXT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
_SIZES = ctypes.POINTER(_SIZE)
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # result, arguments
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


@dataclass(frozen=True)
class Device:
    """What a library can calculate on; names are the driver's, so untrusted."""

    name: str  # "CPU", "CUDA0"
    kind: str  # "CPU", "GPU", "IGPU" (integrated), "ACCEL" (helps the CPU)
    description: str = ""
    backend: str = ""
    free: int = 0  # bytes; 0 where the library does not tell
    total: int = 0


def backends(native: Any) -> tuple[str, ...]:
    """Return what a library was built for ("CPU", "CUDA"); nothing if it hides its ggml."""
    if not _declare(native):
        return ()
    registries = map(native.ggml_backend_reg_get, range(native.ggml_backend_reg_count()))
    return tuple(_said(native.ggml_backend_reg_name(each)) for each in registries)


def devices(native: Any) -> list[tuple[Device, int]]:
    """Return a library's devices with ggml's own handles; nothing if it hides its ggml.

    Parameters
    ----------
    native : ctypes.CDLL
        The library that brings the ggml.
    """
    if not _declare(native):
        return []
    handles = map(native.ggml_backend_dev_get, range(native.ggml_backend_dev_count()))
    return [(_device(native, handle), handle) for handle in handles]


def _declare(native: Any) -> bool:
    try:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(native, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError:
        return False
    return True


def _device(native: Any, handle: int) -> Device:
    free, total = _SIZE(), _SIZE()
    native.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    kind = native.ggml_backend_dev_type(handle)
    return Device(
        name=_said(native.ggml_backend_dev_name(handle)),
        kind=_KINDS[kind] if 0 <= kind < len(_KINDS) else str(kind),
        description=_said(native.ggml_backend_dev_description(handle)),
        backend=_said(native.ggml_backend_reg_name(native.ggml_backend_dev_backend_reg(handle))),
        free=free.value,
        total=total.value,
    )


def _said(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace").strip()
