"""Reading the header of a GGUF file, within bounded time and memory whatever its bytes are.

Source: the GGUF specification, versions 2 and 3, little-endian: magic, version, counts, then
key-value pairs, then tensor descriptions, then aligned tensor data.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path
from typing import Final

from localai.catalog.gguf.cursor import Cursor, bad, opened
from localai.catalog.gguf.header import Header, Scalar, SkippedArray, TensorInfo, Value
from localai.catalog.gguf.types import ARRAY, STRING, TENSOR_TYPES, VALUE_TYPES, is_clip_type
from localai.errors import BadModel
from localai.formats.text import shown

MAX_KEYS: Final = 1 << 16
MAX_TENSORS: Final = 1 << 17
MAX_STRINGS: Final = 1 << 22  # in one array; the largest vocabularies' merges are 600,000
MAX_NUMBERS: Final = 1 << 26  # in one array
MAX_NAME: Final = 63  # bytes of a tensor's name; ggml keeps 64 with the final zero
MAX_KEY: Final = 65_535  # bytes of a key, by the specification
MAX_DIMENSIONS: Final = 4
START: Final = 24  # bytes of magic, version and counts
GLANCE: Final = 64  # bytes that are looked at to say what a file is instead
MAX_TEXT: Final = 1 << 20  # bytes of a text that is kept
SHORT: Final = 1024  # numbers of an array that is kept
SHORT_TEXTS: Final = 64  # texts of an array that is kept
DEFAULT_ALIGNMENT: Final = 32  # bytes
ALIGNMENTS: Final = tuple(1 << power for power in range(3, 21))

# What people give us instead, by the first bytes.
_LOOKS: Final = (
    (b"version https://git-lfs", "it is a Git LFS pointer, so the model itself was not fetched"),
    (b"PK\x03\x04", "it looks like a ZIP archive or a PyTorch checkpoint"),
    (b"\x80\x02", "it looks like a Python pickle (PyTorch)"),
    (b"ggjt", "it has the old GGML format of before August 2023"),
    (b"tjgg", "it has the old GGML format of before August 2023"),
    (b"lmgg", "it has the old GGML format of before August 2023"),
    (b"\x1f\x8b", "it is compressed with gzip"),
    (b"\x89HDF", "it looks like an HDF5 (Keras) file"),
    (b"\x89PNG", "it is a PNG picture"),
    (b"%PDF", "it is a PDF document"),
    (b"\xff\xd8\xff", "it is a JPEG picture"),
)


def _looks_like(first: bytes) -> str:
    for magic, meaning in _LOOKS:
        if first.startswith(magic):
            return meaning
    start = first.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, so the download went to the wrong address or needs a login"
    if first[8:10] in (b'{"', b"{ ") and int.from_bytes(first[:8], "little") < 1 << 32:
        return "it looks like a safetensors file"
    if not first.strip(b"\0"):
        return "it begins with zeros, so the download was probably interrupted"
    return "it is a text file" if _is_text(first) else "it does not begin with GGUF"


def _is_text(first: bytes) -> bool:
    try:
        # The last character may have been cut.
        text = first[:-3].decode() if len(first) == GLANCE else first.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\r\n\t" for char in text)


def _magic(cursor: Cursor) -> int:
    """Read the first eight bytes; return the version, 2 or 3."""
    first = cursor.peek(min(cursor.left, GLANCE))
    if first[:4] != b"GGUF":
        raise bad(cursor.path, f"this is not a GGUF model: {_looks_like(first)}")
    if len(first) < START:
        raise bad(cursor.path, "the file ends in the middle of its header")
    version = int.from_bytes(first[4:8], "little")
    if version and version & 0xFFFF == 0:
        raise bad(cursor.path, "the file is for big-endian machines", "fetch the usual one")
    if version == 1:
        raise bad(cursor.path, "GGUF version 1 is too old", "fetch a newer conversion of the model")
    if version not in (2, 3):
        raise bad(cursor.path, f"GGUF version {version} is not known; 2 and 3 are")
    cursor.skip(8)
    return version


def _decode(cursor: Cursor, raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise bad(cursor.path, f"{what} is not valid UTF-8, so the header is damaged") from None


def _name(cursor: Cursor, limit: int, what: str) -> str:
    """Read a key or a tensor's name of 1 to `limit` bytes."""
    length = cursor.u64()
    if not 0 < length <= limit:
        raise bad(cursor.path, f"{what} has a length of {length}, so the header is damaged")
    return _decode(cursor, cursor.take(length), what)


def _text(cursor: Cursor) -> str | SkippedArray:
    length = cursor.u64()
    if length > cursor.left:
        raise bad(cursor.path, "a text runs beyond the end of the file")
    if length > MAX_TEXT:
        cursor.skip(length)
        return SkippedArray("text", length, cursor.position - length)
    # Names and licences in the wild are not always valid; llama.cpp does not mind.
    return cursor.take(length).decode(errors="replace")


def _number(cursor: Cursor, kind: int) -> Scalar:
    _, code, size = VALUE_TYPES[kind]
    value: Scalar = struct.unpack(f"<{code}", cursor.take(size))[0]
    return value


def _numbers(cursor: Cursor, kind: int, count: int) -> tuple[Scalar, ...] | SkippedArray:
    name, code, size = VALUE_TYPES[kind]
    if count > MAX_NUMBERS or count * size > cursor.left:
        raise bad(cursor.path, f"an array claims {count} numbers, more than the file can hold")
    if count > SHORT:
        start = cursor.position
        cursor.skip(count * size)
        return SkippedArray(name, count, start)
    return struct.unpack(f"<{count}{code}", cursor.take(count * size))


def _texts(cursor: Cursor, count: int, keep: bool) -> tuple[Scalar, ...] | SkippedArray:
    if count > MAX_STRINGS or count * 8 > cursor.left:
        raise bad(cursor.path, f"an array claims {count} texts, more than the file can hold")
    if keep and count <= SHORT_TEXTS:
        values = [_text(cursor) for _ in range(count)]
        return tuple(value if isinstance(value, str) else "" for value in values)
    start = cursor.position
    cursor.skip_strings(count)
    return SkippedArray("string", count, start)


def _array(cursor: Cursor, key: str) -> Value:
    kind, count = cursor.u32(), cursor.u64()
    # The vocabulary is never kept, however short, so that its count has one place.
    vocabulary = key.startswith("tokenizer.ggml.")
    if kind == STRING:
        return _texts(cursor, count, keep=not vocabulary)
    if kind not in VALUE_TYPES:
        raise bad(cursor.path, f"{shown(key)[:80]} is an array of unknown type {kind}")
    if not vocabulary:
        return _numbers(cursor, kind, count)
    start, name = cursor.position, VALUE_TYPES[kind].name
    _numbers(cursor, kind, count)
    return SkippedArray(name, count, start)


def _value(cursor: Cursor, key: str) -> Value:
    kind = cursor.u32()
    if kind == STRING:
        return _text(cursor)
    if kind == ARRAY:
        return _array(cursor, key)
    if kind not in VALUE_TYPES:
        raise bad(cursor.path, f"{shown(key)[:80]} has the unknown value type {kind}")
    name = VALUE_TYPES[kind].name
    split = key in ("split.no", "split.count") and name != "uint16"  # llama.cpp asserts these
    if split or (key.startswith("clip.") and not is_clip_type(key, name)):
        raise bad(cursor.path, f"{shown(key)[:80]} has the wrong type, so the header is damaged")
    return _number(cursor, kind)


def _metadata(cursor: Cursor, count: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for _ in range(count):
        key = _name(cursor, MAX_KEY, "a key")
        if key in found:
            raise bad(cursor.path, f"the key {shown(key)[:80]} occurs twice")
        found[key] = _value(cursor, key)
    return found


def _shape(cursor: Cursor, name: str) -> tuple[int, ...]:
    count = cursor.u32()
    if count > MAX_DIMENSIONS:
        raise bad(cursor.path, f"tensor {name} has {count} dimensions; at most 4 are possible")
    shape = tuple(cursor.u64() for _ in range(count)) or (1,)
    if 0 in shape or prod(shape) >= 1 << 63:
        raise bad(cursor.path, f"tensor {name} has the impossible shape {list(shape)}")
    return shape


def _tensor(cursor: Cursor, longest_name: int) -> TensorInfo:
    name = _name(cursor, longest_name, "a tensor's name")
    label = shown(name)
    shape = _shape(cursor, label)
    number, offset = cursor.u32(), cursor.u64()
    kind = TENSOR_TYPES.get(number)
    if kind is None:
        reason = f"tensor {label} has the unknown type {number}"
        raise bad(cursor.path, reason, "fetch the file again, or another quantisation of it")
    if shape[0] % kind.elements:
        reason = f"has rows of {shape[0]}, but {kind.name} comes in blocks of {kind.elements}"
        raise bad(cursor.path, f"tensor {label} {reason}")
    return TensorInfo(name, shape, kind.name, offset, prod(shape) // kind.elements * kind.size)


def _alignment(cursor: Cursor, metadata: dict[str, Value]) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if isinstance(value, int) and value in ALIGNMENTS:
        return value
    raise bad(cursor.path, "general.alignment is not a power of two between 8 and 2^20")


def _header(cursor: Cursor, path: Path, longest_name: int) -> Header:
    version = _magic(cursor)
    tensors, keys = cursor.u64(), cursor.u64()
    # The shortest pair takes 14 bytes, the shortest description 25.
    if tensors > min(MAX_TENSORS, cursor.left // 25):
        raise bad(path, f"the header claims {tensors} tensors, more than the file can hold")
    if keys > min(MAX_KEYS, cursor.left // 14):
        raise bad(path, f"the header claims {keys} keys, more than the file can hold")
    metadata = _metadata(cursor, keys)
    alignment = _alignment(cursor, metadata)
    described = tuple(_tensor(cursor, longest_name) for _ in range(tensors))
    return Header(
        path=path,
        version=version,
        metadata=metadata,
        tensors=described,
        alignment=alignment,
        data_offset=-(-cursor.position // alignment) * alignment,
        file_bytes=cursor.size,
    )


def read_header(path: Path, longest_name: int = MAX_NAME) -> Header:
    """Read the header of a GGUF file; for one part of a split model, of that part.

    About 50 ms for a vocabulary of 128,000 tokens, and a few MB.

    Parameters
    ----------
    longest_name : int
        Bytes that a tensor's name may have for the library that will load the file.

    Raises
    ------
    BadModel
        The file is missing, cannot be read, is not a GGUF, or its header cannot be parsed.
        Whether its numbers make sense is for `check` to say.
    """
    with opened(path) as (file, size):
        return _header(Cursor(file, path, size), path, longest_name)


def part_names(header: Header) -> tuple[Path, ...]:
    """Return the paths of all parts of the model, whether they are there or not.

    Raises
    ------
    BadModel
        The header speaks of parts, but the file's name does not say which one it is.
    """
    count, number = header.split_count, header.number("split.no") or 0
    if count == 1:
        return (header.path,)
    ending = f"-{number + 1:05}-of-{count:05}.gguf"
    if not header.path.name.endswith(ending):
        wanted = f"give it back its name, which ends in {ending}"
        if header.path.parent.name == "blobs":  # a file of the hub's cache, which is not ours
            wanted = "localai models pull OWNER/NAME gives the cache the names of all parts again"
        raise bad(header.path, f"this is part {number + 1} of {count}, but renamed", wanted)
    stem = header.path.name.removesuffix(ending)
    names = (f"{stem}-{part:05}-of-{count:05}.gguf" for part in range(1, count + 1))
    return tuple(header.path.with_name(name) for name in names)


def files(path: Path) -> tuple[Path, ...]:
    """Return all files of the model that `path` belongs to, the first part first.

    Raises
    ------
    BadModel
        As `read_header`; or a part is missing, and is named.
    """
    parts = part_names(read_header(path))
    for number, part in enumerate(parts, 1):
        if not part.exists():
            raise missing_part(path, part, number, len(parts))
    return parts


def missing_part(path: Path, part: Path, number: int, count: int) -> BadModel:
    """Return the error for a part that is not there."""
    reason = f"part {number} of {count}, {shown(part.name)}, is missing"
    return bad(path, reason, "put all parts into one folder")
