"""Text on its way to a screen or from a file: made visible, measured, decoded. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# What a terminal obeys instead of showing: C0 (but newline and tab), DEL, C1, the bidirectional
# overrides that make text read as something else; and lone surrogates, which UTF-8 cannot hold.
_OBEYED = "\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = f"[{_OBEYED}]"  # compiled at its first use: in a pipe there is none


def sanitise(text: str) -> str:
    r"""Return `text` with every control character as a visible escape.

    `"\x1b[2J"` becomes the seven characters `\x1b[2J`; newlines and tabs stay. Each character
    stands for itself, so that pieces of a text may be sanitised one by one.
    """
    return re.sub(_CONTROL, _visible, text)


def one_line(text: str) -> str:
    """Return `text` sanitised and without line breaks or tabs: a table's cell, a status."""
    return sanitise(text).replace("\t", r"\t").replace("\n", r"\n")


def _visible(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def shown(name: object) -> str:
    """Return a name for a message, with all that is not printable spelled out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))


def json_safe(document: str) -> str:
    r"""Return JSON text in which every character that a terminal obeys is a `\uXXXX` escape.

    The same JSON value, on a terminal and in a pipe.
    """
    return re.sub(_CONTROL, lambda match: f"\\u{ord(match[0]):04x}", document)


def encode(text: str) -> bytes:
    """Return UTF-8; bytes of a file name that were none come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def decode(data: bytes, source: str) -> str:
    """Return the text of UTF-8 `data`, without a byte order mark; `source` names it in errors.

    Raises
    ------
    BadInput
        The data is not UTF-8, or holds a NUL byte as binary files do; says what it is instead,
        and the command that makes text of it.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        from localai.formats.encoding import refusal  # only where something is wrong

        raise refusal(data, source)
    return text.removeprefix("\ufeff")


def without_shebang(text: str) -> str:
    """Return a script's text; a first line `#!...`, which names its interpreter, is empty."""
    return text[len(text.partition("\n")[0]) :] if text.startswith("#!") else text


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes; it holds no control characters."""
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def clip(text: str, width: int) -> str:
    """Return the beginning of `text` that fits `width` columns."""
    if cells(text) <= width:
        return text
    used = 0
    for index, char in enumerate(text):
        used += _cell(char)
        if used > width:
            return text[:index]
    return text


def closest(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return the known word nearest to `word`, or an empty text; `likeness` goes from 0 to 1."""
    if len(word) > 100:  # matching costs the product of the lengths, and this is no slip
        return ""
    from difflib import get_close_matches  # only where something is misspelled

    return next(iter(get_close_matches(word, list(known), 1, likeness)), "")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?" for the known word nearest to `word`, else an empty text."""
    found = closest(word, known)
    return f"did you mean `{found}`?" if found else ""
