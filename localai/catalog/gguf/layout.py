"""Checks of where tensors lie: in order, without gaps or overlaps, and inside the file.

Source: `gguf_init_from_reader` of ggml, which wants each tensor right behind the one before it.
"""

from __future__ import annotations

from typing import Final

from localai.catalog.gguf.cursor import bad
from localai.catalog.gguf.header import Header, TensorInfo
from localai.formats.text import shown

# Types that only exist between two steps of a computation: no product is defined for them.
_NOT_FOR_WEIGHTS: Final = frozenset(("Q8_1", "Q8_K", "I8", "I16", "I64", "F64"))


def _check_type(header: Header, tensor: TensorInfo) -> None:
    """Refuse a type that the engine has no operation for: it would end the process."""
    # A norm or a bias is multiplied or added in F32, and converters write it so.
    allowed = (
        tensor.type == "F32" if len(tensor.shape) == 1 else tensor.type not in _NOT_FOR_WEIGHTS
    )
    if allowed or not tensor.name.endswith((".weight", ".bias")):
        return
    reason = f"tensor {shown(tensor.name)} has the type {tensor.type}, which no weight has"
    raise bad(header.path, f"{reason}, so the header is damaged")


def check_layout(header: Header) -> None:
    """Refuse tensors that overlap, leave gaps, occur twice, or lie beyond the end of the file.

    Raises
    ------
    BadModel
        Names the tensor; of a file cut short, says how many bytes are missing.
    """
    expected, names, align = 0, set(), header.alignment
    for tensor in header.tensors:
        if tensor.name in names:
            raise bad(header.path, f"tensor {shown(tensor.name)} occurs twice")
        if tensor.offset != expected:
            reason = f"tensor {shown(tensor.name)} lies at {tensor.offset} instead of {expected}"
            raise bad(header.path, f"{reason}, so the header is damaged")
        _check_type(header, tensor)
        names.add(tensor.name)
        expected += -(-tensor.bytes // align) * align
    last = header.tensors[-1]
    missing = header.data_offset + last.offset + last.bytes - header.file_bytes
    if missing > 0:
        raise bad(header.path, f"{missing} bytes are missing at the end, so it was cut short")
