"""Bytes that are no UTF-8 text: what they are instead, and the command that makes text of them.

In this order: a byte order mark, a known kind of binary file, UTF-16 and UTF-32 without a mark,
NUL bytes, UTF-8 that was cut inside a character, control characters, and an 8-bit encoding.
"""

from __future__ import annotations

import codecs
import os
from typing import Final

from localai.errors import BadInput

STDIN: Final = "the text on stdin"  # how messages call it

_LOOKED_AT: Final = 4096  # bytes from the start
_LEAST: Final = 8  # bytes that must be there to guess at UTF-16
_MANY_NULS: Final = 0.7  # of every second byte: Latin text in UTF-16
_MANY_CONTROLS: Final = 0.02  # of all bytes: no text has so many
_LONGEST: Final = 4  # bytes of a UTF-8 character

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32", "little-endian"),
    (codecs.BOM_UTF32_BE, "UTF-32", "big-endian"),
    (codecs.BOM_UTF16_LE, "UTF-16", "little-endian"),
    (codecs.BOM_UTF16_BE, "UTF-16", "big-endian"),
)
_PICTURE: Final = "a picture"
_SOUND: Final = "sound or video"
_BINARY: Final = (
    (b"%PDF", "a PDF document", "pdftotext {file} -"),
    (b"PK\x03\x04", "a ZIP archive or an office document", "unzip -p {file} NAME"),
    (b"\x1f\x8b", "compressed with gzip", "gzip -dc {file}"),
    (b"BZh", "compressed with bzip2", "bzip2 -dc {file}"),
    (b"\xfd7zXZ\0", "compressed with xz", "xz -dc {file}"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -dc {file}"),
    (b"SQLite format 3\0", "an SQLite database", "sqlite3 {file} .dump"),
    (b"GGUF", "a GGUF model", "localai ask -m {file}"),
    (b"\x7fELF", "a program", "strings {file}"),
    (b"\x89PNG", _PICTURE, ""),
    (b"\xff\xd8\xff", _PICTURE, ""),
    (b"GIF8", _PICTURE, ""),
    (b"RIFF", "a picture or sound", ""),
    (b"OggS", _SOUND, ""),
    (b"ID3", _SOUND, ""),
    (b"fLaC", _SOUND, ""),
    (b"\x1aE\xdf\xa3", _SOUND, ""),
)


def refusal(data: bytes, source: str) -> BadInput:
    """Return the error for bytes that are no UTF-8 text, or hold a NUL.

    Parameters
    ----------
    data : bytes
        Not empty.
    source : str
        Names them in the message: a file's path, which also stands in the command, or `STDIN`.
    """
    for look in (_marked, _known_binary, _unmarked, _nul, _cut, _controls):
        if found := look(data):
            return BadInput(f"{source} {found[0]}", _advice(found[1], source))
    return BadInput(*_eight_bit(data, source))


_Found = tuple[str, str] | None  # what is said of the source; the command, `{file}` in it


def _marked(data: bytes) -> _Found:
    for mark, name, order in _MARKS:
        if data.startswith(mark):
            what = f"is not UTF-8 text but {name} ({order}, by its mark at byte 0)"
            return what, f"iconv -f {name} -t UTF-8 {{file}}"
    return None


def _known_binary(data: bytes) -> _Found:
    for magic, what, command in _BINARY:
        if data.startswith(magic):
            return f"is {what}, not text", command
    return None


def _unmarked(data: bytes) -> _Found:
    """Latin text has a NUL in each of its characters, always at the same end."""
    start = data[:_LOOKED_AT]
    if len(start) < _LEAST:
        return None

    def nuls(first: int, step: int) -> bool:
        every = start[first::step]
        return every.count(0) >= _MANY_NULS * len(every)

    little, big = nuls(2, 4) and nuls(3, 4), nuls(0, 4) and nuls(1, 4)
    if little != big:
        name = "UTF-32LE" if little else "UTF-32BE"
    elif nuls(0, 2) != nuls(1, 2):
        name = "UTF-16LE" if nuls(1, 2) else "UTF-16BE"
    else:
        return None
    if not _readable(start[: len(start) // 4 * 4], name):
        return None
    return f"is not UTF-8 text but, it seems, {name}", f"iconv -f {name} -t UTF-8 {{file}}"


def _readable(data: bytes, encoding: str) -> bool:
    text = data.decode(encoding, "replace")
    return sum(char.isprintable() or char.isspace() for char in text) >= 0.9 * len(text)


def _nul(data: bytes) -> _Found:
    if (where := data.find(b"\0")) < 0:
        return None
    # Names as `find -print0` writes them are text but for that.
    listed = _is_utf8(data) and _controls(data.replace(b"\0", b"\n")) is None
    command = r"tr '\0' '\n' < {file}" if listed else ""
    return f"is binary, not text (a NUL at byte {where})", command


def _cut(data: bytes) -> _Found:
    """UTF-8 from the middle of a text, as `head -c` and `tail -c` leave it."""
    first, last = _begins_at(data), _ends_at(data)
    inner = data[first:last]
    if not _is_utf8(inner) or (first == 0 and last == len(data)):
        return None
    # One byte alone, among plain letters: more likely the é of an 8-bit encoding.
    stray = data[:first] + data[last:]
    if inner.isascii() and len(stray) == 1 and (first or stray >= b"\xdf"):
        return None
    ends = [word for word, cut in (("begins", first), ("ends", last < len(data))) if cut]
    place = 0 if first else last
    commands = [f"tail -c +{first + 1}"] * bool(first)
    commands += [f"head -c {last - first}"] * (last < len(data))
    commands[0] += " {file}"
    what = f"is not whole: it {' and '.join(ends)} inside a UTF-8 character (byte {place})"
    return what, " | ".join(commands)


def _begins_at(data: bytes) -> int:
    """Return how many bytes at the start continue a character, fewer than one has."""
    head = data[: _LONGEST - 1]
    return next((at for at, byte in enumerate(head) if byte & 0xC0 != 0x80), len(head))


def _ends_at(data: bytes) -> int:
    """Return where a character starts that the end of the data cuts; the length if none does."""
    for back in range(1, min(_LONGEST, len(data) + 1)):
        if data[-back] & 0xC0 != 0x80:
            try:
                data[-back:].decode()
            except UnicodeDecodeError as error:
                return len(data) - back if error.reason == "unexpected end of data" else len(data)
            break
    return len(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wrong_at(data: bytes) -> int:
    """Return the first byte that is no UTF-8; 0 where all are."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _controls(data: bytes) -> _Found:
    start = data[:_LOOKED_AT]
    count = sum(byte < 0x20 and byte not in b"\t\n\v\f\r\b\x1b" for byte in start)
    if count <= max(1, _MANY_CONTROLS * len(start)):
        return None
    return f"is binary, not UTF-8 text (byte {_wrong_at(data)})", ""


def _eight_bit(data: bytes, source: str) -> tuple[str, str]:
    """Return error and advice; which of the 8-bit encodings it is cannot be told from the bytes."""
    where = _wrong_at(data)
    # These bytes are control characters in Latin-1, and quotes and dashes in Windows' form of it.
    name = "windows-1252" if any(0x80 <= byte < 0xA0 for byte in data) else "latin1"
    advice = _advice(f"iconv -f {name} -t utf-8 {{file}}", source)
    return f"{source} is not UTF-8 text (byte {where})", f"{advice}, or with its true encoding"


def _advice(command: str, source: str) -> str:
    if not command:
        return "give a text file"
    if source == STDIN:
        command = command.replace(" < {file}", "").replace(" {file}", "")
        return f"send it through `{command}` first"
    from shlex import quote  # only where something is wrong

    file = quote(source) if source.isprintable() and os.path.lexists(source) else "FILE"
    return f"make text of it first, for example with `{command.format(file=file)}`"
