"""Cards within PNG pictures: the text chunks `ccv3` and `chara`, read and written.

A walk over the chunks needs no picture library, finds text behind the picture data too, and
bounds what is decompressed.
"""

from __future__ import annotations

import binascii
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localai.characters.formats.safe_json import LIMIT
from localai.errors import BadInput

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEYWORDS = ("ccv3", "chara")  # the newer first
_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_BASE64_LIMIT = LIMIT // 3 * 4 + LIMIT // 16  # characters, line breaks included
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Chunk:
    """A part of a picture's file."""

    kind: bytes  # four letters
    body: memoryview
    start: int  # where it begins in the file
    end: int


def is_png(data: bytes) -> bool:
    """Whether a file begins as a PNG picture does."""
    return data.startswith(SIGNATURE)


def chunks(data: bytes, source: str) -> Iterator[Chunk]:
    """Walk over the chunks up to the last, IEND.

    Raises
    ------
    BadInput
        The file ends too early, or a chunk's checksum is wrong; says at which byte.
    """
    view, at = memoryview(data), len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            raise BadInput(f"{source}: the PNG ends at byte {len(data)}, before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        name = kind.decode("latin-1")
        if not (name.isascii() and name.isalpha()):
            raise BadInput(f"{source}: at byte {at} there is no PNG chunk")
        if end > len(data):
            raise BadInput(f"{source}: the PNG ends in the middle of its {name} chunk (byte {at})")
        (crc,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[at + 4 : end - 4]) != crc:
            what = f"the {name} chunk at byte {at} is damaged (its checksum is wrong)"
            raise BadInput(f"{source}: {what}", "get the file once more")
        yield Chunk(kind, view[at + 8 : end - 4], at, end)
        if kind == b"IEND":
            return
        at = end


def card(data: bytes, source: str) -> tuple[str, bytes]:
    """Return the JSON of the card that a picture holds, after the keyword that it stands under.

    Raises
    ------
    BadInput
        There is none, or it is damaged or too large.
    """
    found: dict[str, Chunk] = {}
    for chunk in chunks(data, source):
        if chunk.kind in _TEXT_KINDS and (keyword := _keyword(chunk)) in KEYWORDS:
            found.setdefault(keyword, chunk)
    for keyword in KEYWORDS:
        if keyword in found:
            return keyword, _decoded(_text(found[keyword], keyword, source), keyword, source)
    raise BadInput(
        f"{source}: the picture holds no character card",
        "pictures lose their card when a site or a program converts them; get the original file",
    )


def embed(picture: bytes, texts: Mapping[str, bytes], source: str) -> bytes:
    """Return a picture with these JSON texts, by keyword, in the place of those it had."""
    parts = [SIGNATURE]
    placed = False
    for chunk in chunks(picture, source):
        if chunk.kind in _TEXT_KINDS and _keyword(chunk) in KEYWORDS:
            continue
        # Before the picture data, where readers find it that stop there.
        if chunk.kind in (b"IDAT", b"IEND") and not placed:
            parts += [_text_chunk(keyword, text) for keyword, text in texts.items()]
            placed = True
        parts.append(picture[chunk.start : chunk.end])
    return b"".join(parts)


def blank(name: str, width: int = 400, height: int = 600) -> bytes:
    """Return a plain picture for a character that has none: its colour comes from its name."""
    number = zlib.crc32(name.encode("utf-8", "replace"))
    colour = [64 + (number >> shift) % 128 for shift in (0, 8, 16)]
    rows = []
    for row in range(height):
        shade = [channel * (2 * height - row) // (2 * height) for channel in colour]
        rows.append(b"\0" + bytes(shade) * width)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(rows), 9)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _keyword(chunk: Chunk) -> str:
    # A keyword has at most 79 letters; the first version of the specification spells "Chara".
    return bytes(chunk.body[:80]).partition(b"\0")[0].decode("latin-1").lower()


def _text(chunk: Chunk, keyword: str, source: str) -> bytes:
    rest = bytes(chunk.body[len(keyword) + 1 :])
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        packed, method, text = True, rest[:1], rest[1:]
    else:
        packed, method = rest[:1] != b"\0", rest[1:2]
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # behind language and translation
    if not packed:
        return text
    if method != b"\0":
        raise BadInput(f"{source}: the `{keyword}` text is compressed in an unknown way")
    return _inflated(text, keyword, source)


def _inflated(data: bytes, keyword: str, source: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, _BASE64_LIMIT + 1)
    except zlib.error as error:
        raise BadInput(f"{source}: the compressed `{keyword}` text is damaged: {error}") from None
    if len(text) <= _BASE64_LIMIT and not inflater.eof:
        raise BadInput(f"{source}: the compressed `{keyword}` text ends too early")
    return text


def _decoded(text: bytes, keyword: str, source: str) -> bytes:
    if len(text) > _BASE64_LIMIT:
        raise BadInput(f"{source}: the card is larger than {LIMIT // 2**20} MB")
    # As other programs write it, too: in lines, and with the letters of addresses.
    text = b"".join(line.strip() for line in text.splitlines()).translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise BadInput(f"{source}: the `{keyword}` text is not base64: {error}") from None


def _text_chunk(keyword: str, text: bytes) -> bytes:
    return _chunk(b"tEXt", keyword.encode() + b"\0" + binascii.b2a_base64(text, newline=False))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
