"""Random matrices in the layouts of ggml, drawn as fast as they can be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

ROWS_AT_ONCE = 4096
TYPES = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "q4_0": gguf.GGMLQuantizationType.Q4_0,
    "f16": gguf.GGMLQuantizationType.F16,
}


@dataclass(frozen=True)
class Matrix:
    """A tensor to be drawn: its shape, and the standard deviation of its entries."""

    rows: int
    columns: int
    deviation: float
    experts: int = 1  # the rows are divided among them evenly

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape as numpy counts."""
        if self.experts == 1:
            return self.rows, self.columns
        return self.experts, self.rows // self.experts, self.columns


def row_bytes(columns: int, kind: gguf.GGMLQuantizationType) -> int:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    return columns // block * size


def draw(
    tensor: Matrix,
    kind: gguf.GGMLQuantizationType,
    random: np.random.Generator,
    loudness: NDArray[np.float32] | None,
) -> NDArray[np.uint8]:
    """Return a tensor's bytes, uint8 (rows, bytes of a row).

    The quantised numbers themselves are drawn (evenly, mean 0), with one scale a row; to draw
    real numbers and to quantise them would take minutes.
    """
    levels = 7 if kind == gguf.GGMLQuantizationType.Q4_0 else 127
    deviation = (levels * (levels + 1) / 3) ** 0.5
    out = np.empty((tensor.rows, row_bytes(tensor.columns, kind)), dtype=np.uint8)
    for start in range(0, tensor.rows, ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, tensor.rows))
        count = rows.stop - rows.start
        scale = np.full(count, tensor.deviation / deviation, dtype=np.float32)
        if loudness is not None:
            scale *= loudness[rows]
        size = (count, tensor.columns)
        numbers = random.integers(-levels, levels, size, dtype=np.int8, endpoint=True)
        out[rows] = _pack(numbers, scale, kind)
    return out


def _pack(
    numbers: NDArray[np.int8], scale: NDArray[np.float32], kind: gguf.GGMLQuantizationType
) -> NDArray[np.uint8]:
    """Return int8 (rows, columns) times float32 (rows,) in the layout of ggml, uint8 (rows, n)."""
    rows, columns = numbers.shape
    if kind == gguf.GGMLQuantizationType.F16:
        return (numbers * scale[:, None]).astype(np.float16).view(np.uint8)
    blocks: NDArray[Any] = numbers.reshape(rows, columns // 32, 32)
    if kind == gguf.GGMLQuantizationType.Q4_0:
        shifted = (blocks + 8).view(np.uint8)
        blocks = shifted[..., :16] | (shifted[..., 16:] << 4)
    scales = scale.astype(np.float16).view(np.uint8).reshape(rows, 1, 2)
    scales = np.broadcast_to(scales, (rows, blocks.shape[1], 2))
    return np.concatenate([scales, blocks.view(np.uint8)], axis=2).reshape(rows, -1)
