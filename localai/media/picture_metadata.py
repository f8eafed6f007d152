"""What a picture file says of how it was made: written and read, in PNG, JPEG and WebP.

PNG: a text chunk `parameters`. JPEG and WebP: the EXIF tag UserComment, as AUTOMATIC1111 writes it
(`UNICODE` and UTF-16). What ComfyUI, InvokeAI and sd-cli write elsewhere is read, too. All of it is
untrusted text.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.drawing import PictureFormat
from localai.media.foreign_parameters import from_texts
from localai.media.generation_parameters import GenerationParameters, parse, render
from localai.media.pictures import MOST_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

_KEYWORD: Final = "parameters"
_EXACT: Final = "localai"  # JSON of what the text cannot say: "Negative prompt:" within a prompt
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_UNICODE: Final = b"UNICODE\0"
_QUALITY: Final = 95
_MOST_SIDE: Final[dict[PictureFormat, int]] = {"webp": 16_383, "jpeg": 65_500}  # pixels
_MOST_COMMENT: Final = 65_300  # bytes, of the 65,533 that all of EXIF may have in a JPEG


def check_writable(
    form: PictureFormat, size: tuple[int, int], parameters: GenerationParameters
) -> None:
    """Refuse what `save` could not write.

    Raises
    ------
    BadInput
        Pictures of this format are not as large, or have no room for so long a text.
    """
    if max(size) > _MOST_SIDE.get(form, max(size)):
        what = f"{size[0]}x{size[1]} is too large for {form}: {_MOST_SIDE[form]} pixels a side"
        raise BadInput(what, "-F png")
    if form == "jpeg" and len(_comment(parameters)) > _MOST_COMMENT:
        what = "a JPEG has no room for a prompt of more than 32,000 characters"
        raise BadInput(what, "-F png")


def _comment(parameters: GenerationParameters) -> bytes:
    return _UNICODE + render(parameters).encode("utf-16-be", "surrogatepass")


def save(image: Image, path: Path, form: PictureFormat, parameters: GenerationParameters) -> None:
    """Write a picture with how it was made.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if form == "png":
        image.save(path, "PNG", pnginfo=_chunks(render(parameters), parameters))
        return
    exif = image.getexif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _comment(parameters)
    image.convert("RGB").save(path, form.upper(), quality=_QUALITY, exif=exif.tobytes())


def _chunks(text: str, parameters: GenerationParameters) -> Any:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    texts = {_KEYWORD: text}
    if parse(text) != parameters:
        texts[_EXACT] = json.dumps(
            {**parameters._asdict(), "settings": dict(parameters.settings)}, ensure_ascii=True
        )
    for keyword, value in texts.items():
        try:
            value.encode("latin-1")
            chunks.add_text(keyword, value)
        except UnicodeEncodeError:
            chunks.add_itxt(keyword, value.encode("utf-8", "replace").decode())
    return chunks


def read(source: Path | bytes) -> GenerationParameters | None:
    """Return how a picture was made; None: it does not say.

    Raises
    ------
    BadInput
        It is no picture, or damaged.
    """
    name = shown(source) if isinstance(source, Path) else "the picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes and of small damage
            return _read(source if isinstance(source, Path) else BytesIO(source))
    except OSError as error:
        why = error.strerror or "it is no picture that can be read"
        raise BadInput(f"{name} cannot be read: {why}", "name a PNG, JPEG or WebP file") from None
    except Exception:  # a damaged file makes Pillow raise almost anything
        raise BadInput(f"{name} is damaged", "name a PNG, JPEG or WebP file") from None


def _read(file: Path | BinaryIO) -> GenerationParameters | None:
    from PIL import Image, ImageFile

    Image.MAX_IMAGE_PIXELS = None  # most are not decoded at all
    with Image.open(file) as image:
        texts = {str(key): value for key, value in image.info.items() if isinstance(value, str)}
        decodable = image.width * image.height <= MOST_PIXELS
        if (
            isinstance(image, ImageFile.ImageFile)
            and image.format == "PNG"
            and not texts
            and decodable
        ):
            image.load()  # texts may also come behind the pixels
            texts = dict(getattr(image, "text", {}))
        return _from_texts(texts) or _from_exif(image) or _from_xmp(image.info)


def _from_texts(texts: Mapping[str, str]) -> GenerationParameters | None:
    if _EXACT in texts:
        try:
            return _exact(json.loads(texts[_EXACT]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
    if texts.get(_KEYWORD, "").strip():
        return parse(texts[_KEYWORD])
    return from_texts(texts)


def _exact(data: Any) -> GenerationParameters:
    prompt, negative = data["prompt"], data["negative"]
    settings = {str(name): str(value) for name, value in data["settings"].items()}
    if not isinstance(prompt, str) or not isinstance(negative, str):
        raise TypeError
    return GenerationParameters(prompt, negative, settings)


def _from_exif(image: Image) -> GenerationParameters | None:
    comment = image.getexif().get_ifd(_EXIF).get(_USER_COMMENT)
    text = comment if isinstance(comment, str) else ""
    if isinstance(comment, bytes):
        text = _decoded(comment[: len(_UNICODE)], comment[len(_UNICODE) :])
    text = text.strip("\0")
    return parse(text) if text.strip() else None  # cameras write it, with nothing in it


def _decoded(encoding: bytes, body: bytes) -> str:
    """Return the text of a UserComment."""
    if encoding != _UNICODE:
        return body.decode("utf-8", "replace")
    # Which end comes first is not said anywhere: plain letters have their zero first in one.
    first = sum(byte == 0 for byte in body[::2]) >= sum(byte == 0 for byte in body[1::2])
    return body.decode("utf-16-be" if first else "utf-16-le", "replace")


def _from_xmp(info: Mapping[Any, Any]) -> GenerationParameters | None:
    packet = info.get("xmp")
    text = packet.decode("utf-8", "replace") if isinstance(packet, bytes) else ""
    inside, end, _ = text.partition("<sdcpp:parameters>")[2].partition("</sdcpp:parameters>")
    return parse(unescape(inside)) if end else None
