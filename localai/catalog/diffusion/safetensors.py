"""Reading the header of a safetensors file, within bounded time and memory whatever its bytes are.

Source: the safetensors format: 8 bytes with the header's length (little-endian), the header as JSON
(`name: {dtype, shape, data_offsets}` and texts under `__metadata__`), then the tensors' data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

from localai.errors import BadModel
from localai.formats.text import shown

_LONGEST: Final = 100 << 20  # bytes of a header, as the format's own library has it
_MOST: Final = 1 << 17  # tensors
_BITS: Final = {
    **{"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8},
    **{"I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32},
    **{"F64": 64, "I64": 64, "U64": 64, "F4": 4},
}


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of a file by their names, the slowest dimension first.

    Raises
    ------
    BadModel
        It cannot be read, is cut off, or is no file of this format.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            length = int.from_bytes(file.read(8), "little")
            if size < 10 or not 2 <= length <= min(_LONGEST, size - 8):
                raise _bad(path, "it does not begin as a safetensors file, or is cut off")
            text = file.read(length)
    except OSError as error:
        raise _bad(path, error.strerror or str(error)) from None
    return _shapes(path, _parsed(path, text), size - 8 - length)


def _bad(path: Path, reason: str) -> BadModel:
    return BadModel(f"{shown(path)} cannot be used: {reason}", "fetch the file again")


def _parsed(path: Path, text: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad(path, "its header is damaged, or it is no safetensors file") from None
    if not isinstance(header, dict) or len(header) > _MOST:
        raise _bad(path, "its header is no table of tensors")
    return header


def _shapes(path: Path, header: Mapping[str, Any], data: int) -> dict[str, tuple[int, ...]]:
    """Check every tensor against the `data` bytes that the file has for them."""
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            shape = tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            bits = _BITS[entry["dtype"]]
        except (KeyError, TypeError, ValueError):
            raise _bad(
                path, f"tensor {shown(name)[:80]} is not described as it should be"
            ) from None
        numbers = (*shape, begin, end)
        if not all(type(number) is int and 0 <= number < 1 << 50 for number in numbers):
            raise _bad(path, f"tensor {shown(name)[:80]} has impossible numbers")
        if end > data:
            raise _bad(path, "it is cut off: not all tensors that it names are there")
        if (end - begin) * 8 != prod(shape) * bits:
            raise _bad(path, f"tensor {shown(name)[:80]} has another size than its shape")
        found[name] = shape
    if not found:
        raise _bad(path, "it holds no tensors")
    return found
