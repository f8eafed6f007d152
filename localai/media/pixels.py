"""Decoded pictures on their way to an engine.

A picture is decoded where it was named, by the command: whoever cannot read it is told before any
model loads, and a picture that breaks its decoder breaks no worker. What travels is its bare pixels
in a file of memory that nobody else can name, by descriptor. A path would not do: stdin and pages
of the web have none, and the worker would have to decode.
"""

from __future__ import annotations

import os
import tempfile
from typing import NamedTuple

from localai.errors import BadInput

CHANNELS = 3
_MOST_BYTES = 1 << 28  # of one picture; decoding shrinks it far below


class Pixels(NamedTuple):
    """A picture: RGB, a byte each, row by row from the top."""

    width: int
    height: int
    data: bytes  # width * height * 3


def share(pixels: Pixels) -> int:
    """Return an open descriptor of a nameless file that holds the pixels; the caller closes it."""
    descriptor = _nameless_file()
    try:
        rest = memoryview(pixels.data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("localai-picture", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(prefix="localai-") as file:  # macOS has no files of memory
        return os.dup(file.fileno())


def read_shared(descriptor: int, width: int, height: int) -> Pixels:
    """Return the pixels that a descriptor holds, wherever its reading position is.

    Raises
    ------
    BadInput
        It holds more or fewer bytes than the sizes say.
    """
    size = width * height * CHANNELS
    if min(width, height) < 1 or size > _MOST_BYTES:
        raise BadInput(f"a picture of {width} x {height} pixels cannot be taken")
    try:
        held = os.fstat(descriptor).st_size
        data = bytearray()
        while len(data) < size and (piece := os.pread(descriptor, size - len(data), len(data))):
            data += piece
    except OSError as error:
        raise BadInput(f"a picture's pixels cannot be read: {error.strerror}") from None
    if held != size or len(data) != size:
        raise BadInput(f"a picture of {width} x {height} pixels came with {held} bytes")
    return Pixels(width, height, bytes(data))
