"""Pictures of any common kind to plain RGB, decoded with Pillow alone.

What comes from anywhere is turned upright (EXIF), laid on white where it is transparent, brought
to sRGB and eight bits, and shrunk to what a model looks at. Memory is bounded: what would take more
than `MOST_PIXELS` of four bytes is refused before it is decoded.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.pixels import Pixels
from localai.media.shrinking import shrunk

if TYPE_CHECKING:
    from PIL.Image import Image

Detail = Literal["low", "high"]

LONGEST: Final[dict[Detail, int]] = {"low": 768, "high": 1536}  # pixels of the longer side
SUFFIXES: Final = (  # of the files of a folder that are pictures
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png",
    ".ppm", ".qoi", ".tif", ".tiff", ".tga", ".webp",
)  # fmt: skip
MOST_PIXELS: Final = 100_000_000  # of a decoded picture: 400 MB
# How often a decoder holds the picture meanwhile, as measured (HEIF: as its kin); others once.
_COPIES: Final = {"WEBP": 4, "AVIF": 3, "HEIF": 2, "JPEG2000": 5}
_PROGRESSIVE: Final = 1.5  # of the whole JPEG, however small a fraction of it is asked for
_MOST_BYTES: Final = 1 << 26  # of what comes through a pipe
_MOST_NAMED: Final = 1 << 31  # of a file
# What Pillow decodes itself; PostScript and PDF would start other programs.
_FORMATS: Final = (
    "AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "QOI",
    "TGA", "TIFF", "WEBP",
)  # fmt: skip
_HEIF: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_EXIF_IFD, _TAKEN, _CHANGED = 0x8769, 36867, 306  # Exif: its own table, DateTimeOriginal, DateTime
_ORIENTATION, _ON_ITS_SIDE = 274, (5, 6, 7, 8)  # Exif's tag, and its values that swap the sides


class DecodedPicture(NamedTuple):
    """A picture, and what its file says of it."""

    pixels: Pixels  # sRGB
    original: tuple[int, int]  # width and height before it was shrunk, upright
    frames: int = 1  # more than one: an animation, of which this is the first
    taken: str = ""  # the day it was taken, "2024-05-01", where EXIF tells


def open_picture(source: Path | bytes, name: str, detail: Detail = "low") -> DecodedPicture:
    """Decode a picture for a model to look at: `LONGEST` pixels on its longer side, at most.

    Raises as `decode_picture` does.
    """
    return decode_picture(source, name, LONGEST[detail])


def decode_picture(
    source: Path | bytes | int,
    name: str,
    longest: int | None = None,
    most_pixels: int = MOST_PIXELS,
) -> DecodedPicture:
    """Decode a picture.

    Parameters
    ----------
    source : Path, bytes or int
        A file, a file's bytes, or an open descriptor, which stays open.
    name : str
        What to call it in errors.
    longest : int or None
        Pixels of the longer side, to which it is shrunk; None: it keeps its size. Nothing is
        enlarged.
    most_pixels : int
        That it may have once it is decoded.

    Raises
    ------
    BadInput
        It is missing, damaged, too large, or no picture that can be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which change nothing here
            with _opened(source, name) as image:
                return _decoded(image, name, longest, most_pixels)
    except BadInput:
        raise
    except OSError as error:
        if error.errno is not None:
            raise BadInput(f"{shown(name)} cannot be read: {error.strerror}") from None
        raise _damaged(name, error) from None
    except MemoryError:
        raise BadInput(f"{shown(name)} does not fit into memory", "shrink it first") from None
    except Exception as error:  # Pillow's plugins raise whatever they meet in a damaged file
        raise _damaged(name, error) from None


def _damaged(name: str, error: Exception) -> BadInput:
    told = str(error).split(":")[0].strip() or type(error).__name__
    return BadInput(f"{shown(name)} is damaged, or no picture: {shown(told)}", "try another file")


@contextlib.contextmanager
def _opened(source: Path | bytes | int, name: str) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    # Pillow's own limit looks at the size before a JPEG is decoded at a fraction of it; ours after.
    Image.MAX_IMAGE_PIXELS = None
    with _file(source, name) as file:
        head = file.read(32)
        file.seek(0)
        if not head:
            raise BadInput(f"{shown(name)} is empty")
        heif = head[4:8] == b"ftyp" and head[8:12] in _HEIF
        known = (*_FORMATS, "HEIF") if heif and _heif_is_there(name) else _FORMATS
        Image.init()
        formats = [each for each in known if each in Image.OPEN]
        try:
            image = Image.open(file, formats=formats)
        except UnidentifiedImageError:
            what = f"{shown(name)} is no picture: {_kind(head)}"
            raise BadInput(what, "PNG, JPEG, WebP, GIF, TIFF, AVIF and BMP can be read") from None
        with image:
            yield image


def _file(source: Path | bytes | int, name: str) -> BinaryIO:
    """Return an open file in which one can go back; what is none is read to its end."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, int) or source.is_fifo():
        with open(os.dup(source) if isinstance(source, int) else source, "rb") as pipe:
            if pipe.seekable():  # whoever wrote it may have left it at its end
                pipe.seek(0)
            data = pipe.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise BadInput(f"more than 64 MB came through {shown(name)}")
        return io.BytesIO(data)
    if not source.is_file():
        raise BadInput(f"{shown(name)} is {'a folder' if source.is_dir() else 'no file'}")
    if source.stat().st_size > _MOST_NAMED:
        raise BadInput(f"{shown(name)} is too large for a picture")
    return source.open("rb")


def _heif_is_there(name: str) -> bool:
    try:
        import pillow_heif
    except ImportError:
        raise BadInput(
            f"{shown(name)} is HEIC, which needs a library of its own",
            "pip install 'localai-toolkit[heic]', or save it as JPEG",
        ) from None
    pillow_heif.register_heif_opener()
    return True


def _kind(head: bytes) -> str:
    """Return what a file is instead of a picture, as far as its first bytes tell."""
    for begin, kind in (
        (b"%PDF", "it is a PDF"), (b"<svg", "it is SVG"), (b"<?xml", "it is XML"),
        (b"<!DOCTYPE", "it is a web page"), (b"<html", "it is a web page"),
        (b"PK", "it is an archive"), (b"%!PS", "it is PostScript"),
    ):  # fmt: skip
        if head.lstrip().lower().startswith(begin.lower()):
            return kind
    return "its content is of no known kind"


def _decoded(image: Image, name: str, longest: int | None, most: int) -> DecodedPicture:
    from PIL import ImageOps

    width, height = image.size
    frames = int(getattr(image, "n_frames", 1)) if image.format in ("GIF", "PNG", "WEBP") else 1
    if longest and image.format in ("JPEG", "MPO"):
        image.draft("RGB" if image.mode in ("RGB", "L") else image.mode, (longest, longest))
    copies = _COPIES.get(image.format or "", 1)
    held = max(
        image.width * image.height * copies,
        width * height * _PROGRESSIVE if "progressive" in image.info else 0,
    )
    if held > MOST_PIXELS or image.width * image.height > most:
        raise BadInput(f"{shown(name)} has {width} x {height} pixels, which are too many",
                       "shrink it first")  # fmt: skip
    taken = _day(image)
    image.load()
    flat = _rgb(shrunk(image, longest) if longest else image)
    # Turned when it is small: to turn it takes as much memory again.
    turn = flat.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
    ImageOps.exif_transpose(flat, in_place=True)
    if turn in _ON_ITS_SIDE:
        width, height = height, width
    return DecodedPicture(Pixels(*flat.size, flat.tobytes()), (width, height), frames, taken)


def _rgb(image: Image) -> Image:
    """Return the picture as eight bits of sRGB, laid on white."""
    from PIL import Image as images

    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    clear = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if clear else None
    if profile := image.info.get("icc_profile"):
        image = _in_srgb(image, profile)
    image = image.convert("RGB")
    if alpha is None:
        return image
    white = images.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=alpha)
    return white


def _eight_bits(image: Image) -> Image:
    """Return grey values of sixteen bits or more as eight."""
    import numpy as np
    from PIL import Image as images

    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    most = values.max(initial=0)
    top = 65535.0 if most > 255 or image.mode.startswith("I;16") else 255.0 if most > 1 else 1.0
    scaled = np.clip(values / max(top, most), 0, 1) * 255
    return images.fromarray(scaled.round().astype(np.uint8))


def _in_srgb(image: Image, profile: bytes) -> Image:
    """Return the picture in sRGB; a profile that is damaged changes nothing."""
    from PIL import ImageCms

    if image.mode not in ("RGB", "CMYK", "L"):
        if image.mode not in ("RGBA", "P", "PA"):
            return image
        image = image.convert("RGB")
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return turned or image


def _day(image: Image) -> str:
    """Return the day a picture was taken, from EXIF: "2024-05-01", or nothing."""
    try:
        exif = image.getexif()
        told = str(exif.get_ifd(_EXIF_IFD).get(_TAKEN) or exif.get(_CHANGED) or "")
    except Exception:  # EXIF of any kind comes from anywhere, and is only a date here
        return ""
    day = told[:10].replace(":", "-")
    try:
        known = date.fromisoformat(day)
    except ValueError:  # also of days that no month has
        return ""
    return day if known.isoformat() == day and known.year > 1800 else ""
