"""CHARX: a zip archive with `card.json` at its root; nothing else of it is read."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from localai.characters.formats.safe_json import LIMIT
from localai.errors import BadInput

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_CARD = "card.json"
_INDEX_LIMIT = 2**20  # bytes of the archive's table of contents: some ten thousand pictures
_STORED, _DEFLATED, _ENCRYPTED = 0, 8, 1


def card(data: bytes, source: str) -> bytes:
    """Return the JSON of the card in an archive.

    Raises
    ------
    BadInput
        There is none, or the archive is damaged, a bomb, or has names that lead out of it.
    """
    import zlib
    from zipfile import BadZipFile, ZipFile

    _refuse_large_index(data, source)
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            return _read(archive, _entry(archive, source), source)
    except (BadZipFile, zlib.error, EOFError, OSError, struct.error) as error:
        raise BadInput(f"{source}: the archive is damaged: {error}") from None
    except (NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        raise BadInput(f"{source}: the archive cannot be read: {error}") from None


def _refuse_large_index(data: bytes, source: str) -> None:
    """Look at the table of contents before `zipfile` reads it whole, a few hundred bytes a name."""
    start = data.rfind(b"PK\5\6", max(0, len(data) - 2**16 - 22))
    if start < 0 or start + 22 > len(data):
        raise BadInput(f"{source}: the archive is damaged: it has no table of contents")
    (size,) = struct.unpack_from("<I", data, start + 12)
    if size > _INDEX_LIMIT or data[max(0, start - 20) :].startswith(b"PK\6\7"):
        raise BadInput(f"{source}: the archive is too large for a character card")


def _entry(archive: ZipFile, source: str) -> ZipInfo:
    for name in archive.namelist():
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or parts[0] == "" or ":" in parts[0]:
            raise BadInput(f"{source}: the archive holds a name that leads out of it: {name!r}")
    try:
        entry = archive.getinfo(_CARD)
    except KeyError:
        raise BadInput(f"{source}: the archive holds no {_CARD}, so it is no CHARX card") from None
    if entry.flag_bits & _ENCRYPTED:
        raise BadInput(f"{source}: {_CARD} is encrypted")
    if entry.compress_type not in (_STORED, _DEFLATED):
        raise BadInput(f"{source}: {_CARD} is compressed in an unknown way")
    return entry


def _read(archive: ZipFile, entry: ZipInfo, source: str) -> bytes:
    with archive.open(entry) as file:
        data = file.read(LIMIT + 1)  # what is read counts, not what the archive says of it
    if len(data) > LIMIT:
        raise BadInput(f"{source}: {_CARD} is larger than {LIMIT // 2**20} MB")
    return data
