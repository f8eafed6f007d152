"""Picture files, decoded with Pillow: files in, RGB pixels out."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.pixels import Pixels

_LONGEST = 1024  # pixels of the longest side


def load(path: Path) -> Pixels:
    """Return a picture file's pixels, upright and shrunk.

    Raises
    ------
    BadInput
        It cannot be read, or is no picture.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            image.thumbnail((_LONGEST, _LONGEST))
            rgb = image.convert("RGB")
    except Exception as error:  # whatever a decoder does with a damaged file
        raise BadInput(f"{shown(str(path))} is no picture that can be read: {error}") from None
    return Pixels(*rgb.size, rgb.tobytes())
