"""Names of files made of words: safe everywhere, readable, and told from those a camera gives."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from localai.errors import BadInput
from localai.formats.text import nearest, shown

LONGEST: Final = 80  # characters of a name, without its ending
WORDS: Final = (3, 8)
_FIELDS: Final = ("name", "date", "old")
FORM: Final = (
    r"[a-z0-9\u00df-\u00f6\u00f8-\u00ff]{1,14}(-[a-z0-9\u00df-\u00f6\u00f8-\u00ff]{1,14}){2,7}"
)
"""What a model may answer, as a regular expression; `slug` makes a name of it."""

# Letters that Unicode's decomposition does not take apart, and the German ones as Germans write.
_LETTERS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "å": "a",
     "ð": "d", "þ": "th", "ł": "l", "đ": "d", "ı": "i"}
)  # fmt: skip
# Windows refuses these whatever their ending.
_RESERVED: Final = {"con", "prn", "aux", "nul"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in range(1, 10)
}
# What cameras, phones, messengers and screenshot tools write, and names without words.
_BAD: Final = re.compile(
    r"(img|image|dsc[nf]?|pxl|photo|picture|scan|screenshot|bildschirmfoto|capture|untitled|"
    r"unnamed|download|whatsapp|signal|fb_img|mvimg|pano|gopr|dji|p|untitled|unbenannt|file)?"
    r"[-_ ().]*(image|img)?[-_ ().]*[0-9a-f]*[-_ ().0-9:a-f]*(am|pm|at|um|copy|kopie|edited)?"
    r"[-_ ().0-9]*",
    re.I,
)


def slug(text: str) -> str:
    """Return words as a file's name: lowercase ASCII letters and digits, hyphens between words.

    Empty where a text holds neither letters nor digits that ASCII can stand for.
    """
    plain = unicodedata.normalize("NFC", text).lower().translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    words: list[str] = re.findall(r"[a-z0-9]+", plain)
    while len("-".join(words)) > LONGEST:
        if len(words) == 1:
            return words[0][:LONGEST]
        words.pop()
    name = "-".join(words)
    return f"{name}-picture" if name in _RESERVED else name


def reads_well(stem: str) -> bool:
    """Whether a file's name, without its ending, says what is on the picture.

    A guess from its form: a name such as a camera gives, a number or a hash does not.
    """
    if _BAD.fullmatch(stem) or re.fullmatch(r"[0-9a-f-]{16,}", stem, re.I):
        return False
    return len([word for word in re.findall(r"[^\W\d_]+", stem) if len(word) > 2]) >= 2


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that `from_pattern` can make no file's name of.

    Raises
    ------
    BadInput
        It has a field that is not known, leads to another folder, or begins with a dot.
    """
    for field in re.findall(r"\{([^{}]*)\}", pattern):
        if field not in _FIELDS:
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            what = f"--pattern has no field {{{shown(field)[:40]}}}"
            raise BadInput(what, nearest(field, _FIELDS) or known)
    if not pattern or "/" in pattern or pattern.startswith("."):
        what = f"--pattern {shown(pattern)!r} gives no file's name"
        raise BadInput(what, "'{date}-{name}', without a folder or a dot before it")


def from_pattern(pattern: str, name: str, day: str, stem: str) -> str:
    """Return a name by a pattern with `{name}`, `{date}` and `{old}`.

    Parameters
    ----------
    day : str
        "2024-05-01", or nothing where it is not known.
    stem : str
        The old name, without its ending.
    """
    filled = pattern.replace("{date}", day).replace("{name}", name)
    filled = re.sub(r"-{2,}", "-", filled).strip("-_ ")
    return filled.replace("{old}", stem)
