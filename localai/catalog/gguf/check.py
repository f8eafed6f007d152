"""GGUF model files: what their headers say, and whether an engine can be let near them.

    read_header(path) -> Header     parse; about 50 ms for a vocabulary of 128,000 tokens
    files(path) -> (Path, ...)      all parts of a model
    check(path) -> Header           parse, and refuse what could end or stall the engine's process

llama.cpp guards many of these numbers with assertions, which end the process it runs in. So
`check` comes before it, and refuses with one sentence.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from localai.catalog.gguf.cursor import bad
from localai.catalog.gguf.header import Header, SkippedArray, TensorInfo, Value
from localai.catalog.gguf.layout import check_layout
from localai.catalog.gguf.numbers import check_numbers
from localai.catalog.gguf.reader import files, missing_part, part_names, read_header
from localai.catalog.gguf.vocab import check_vocabulary
from localai.formats.text import shown

__all__ = ["Header", "SkippedArray", "TensorInfo", "Value", "check", "files", "read_header"]

# What is a GGUF but answers nothing by itself, by general.type or general.architecture.
_NOT_MODELS = {
    "clip": "is a picture or sound encoder, which goes with a language model",
    "mmproj": "is a picture or sound encoder, which goes with a language model",
    "adapter": "is an adapter (LoRA), which goes with a language model",
    "imatrix": "is an importance matrix, which is used to make models",
    "control_vector": "is a control vector, which goes with a language model",
    "controlvector": "is a control vector, which goes with a language model",
}


def _check_kind(header: Header) -> None:
    for key in ("general.type", "general.architecture"):
        meaning = _NOT_MODELS.get(header.text(key))
        if meaning:
            raise bad(header.path, f"this {meaning}", "name the language model's own file")
    if not header.architecture:
        raise bad(header.path, "general.architecture is missing, so the header is damaged")
    if not header.tensors:
        raise bad(header.path, "the file holds no tensors, only a vocabulary", "name a whole model")


def _check_part(first: Header, path: Path, number: int) -> Header:
    """Read and check one more part of a split model; `number` counts from 0."""
    count = first.split_count
    if not path.exists():
        raise missing_part(first.path, path, number + 1, count)
    header = read_header(path)
    if header.number("split.no") != number or header.split_count != count:
        raise bad(path, f"this is not part {number + 1} of {count} of {shown(first.path.name)}")
    if header.tensors:
        check_layout(header)
    return header


def _whole(header: Header) -> Header:
    """Return the header with the tensors and the size of all parts."""
    count = header.split_count
    parts = part_names(header)
    number = header.number("split.no") or 0
    if number:
        raise bad(header.path, f"this is part {number + 1} of {count}", f"name {shown(parts[0])}")
    others = [_check_part(header, part, at) for at, part in enumerate(parts) if at]
    tensors = sum((each.tensors for each in others), header.tensors)
    claimed = header.metadata.get("split.tensors.count", len(tensors))
    if claimed != len(tensors) or len({each.name for each in tensors}) != len(tensors):
        raise bad(header.path, f"the parts hold {len(tensors)} tensors instead of {claimed}")
    total = header.file_bytes + sum(each.file_bytes for each in others)
    return replace(header, tensors=tensors, file_bytes=total)


def check(path: Path) -> Header:
    """Return the header of a language model that can be given to the engine.

    Of a split model the first part is named, and the header has the tensors of all parts.

    Raises
    ------
    BadModel
        One sentence: what file, what is wrong; and what to do.
    """
    header = read_header(path)
    if header.split_count > 1:
        if header.tensors:
            check_layout(header)
        header = _whole(header)
    _check_kind(header)
    if header.split_count == 1:
        check_layout(header)
    check_vocabulary(header)
    check_numbers(header)
    return header
