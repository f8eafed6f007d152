"""Weights as a safetensors file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_Array = np.ndarray[Any, np.dtype[np.float32]]


def save(path: Path, tensors: Mapping[str, _Array]) -> None:
    """Write a safetensors file: matrices as float16, vectors as float32.

    Source: the safetensors format: the header's length (8 bytes, little-endian), the header (JSON:
    name to dtype, shape and offsets), the data.
    """
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    end = 0
    for name, tensor in tensors.items():
        kind = np.float16 if tensor.ndim > 1 else np.float32
        parts.append(tensor.astype(kind).tobytes())
        begin, end = end, end + len(parts[-1])
        header[name] = {
            "dtype": "F16" if kind is np.float16 else "F32",
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(parts)
