"""Where pictures go: `-o` as a file, a folder or a pattern, and names from prompts."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from localai.errors import BadInput
from localai.formats.text import nearest, shown
from localai.media.drawing import PictureFormat, Planned
from localai.system.files import expanded

_LONGEST: Final = 60  # characters of a prompt in a name
_SUFFIXES: Final[dict[str, PictureFormat]] = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp",
}  # fmt: skip
_PLANNED: Final = ("width", "height", "steps")  # which the engine decides, where nobody said
_FIELDS: Final = ("slug", "seed", "i", "model", "date", "time", *_PLANNED)
_VARIES: Final = re.compile(r"\{(?:i|seed)\}|%0?[0-9]?d")  # from picture to picture
_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_COUNTER: Final = re.compile(r"%(0?[0-9]?)d")


class PictureName(NamedTuple):
    """What is known of a picture when it gets its name."""

    prompt: str
    seed: int
    number: int  # among all pictures of the command, from 1
    model: str = ""
    planned: Planned | None = None  # None: not known yet


def slug(prompt: str) -> str:
    """Return a prompt as a part of a file's name: "A red fox!" is `a-red-fox`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"<[^<>]*>", " ", prompt).casefold())
    words = re.findall(r"[a-z0-9]+", plain.encode("ascii", "ignore").decode())
    found = ""
    for word in words:
        if found and len(found) + 1 + len(word) > _LONGEST:
            break
        found = f"{found}-{word}" if found else word[:_LONGEST]
    return found or "picture"


class OutputNames:
    """Names for the pictures of a command.

    Parameters
    ----------
    output : str or None
        As given with `-o`: a file, a folder, or a pattern with `{seed}` or `%03d`; None: the
        working folder.
    count : int
        How many pictures are wanted: several in one file's name are numbered.
    form : PictureFormat or None
        As given with `-F`; None: the file's ending says it, else PNG.

    Raises
    ------
    BadInput
        The pattern has a field that is not known, or the ending is no picture's.
    """

    def __init__(self, output: str | None, count: int, form: PictureFormat | None = None) -> None:
        if output == "":
            raise BadInput("-o names no file", "-o FILE, -o FOLDER/ or -o 'fox-{seed}.png'")
        path = expanded(output or ".")
        folder = output is None or path.is_dir() or str(output).endswith("/")
        ending = _SUFFIXES.get(path.suffix.lower())
        if not folder and ending is None and form is None:
            what = f"{shown(output)} does not end as a picture does"
            raise BadInput(what, ".png, .jpg or .webp; or -F png")
        self.format: PictureFormat = form or (None if folder else ending) or "png"
        suffix = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}[self.format]
        self._pattern = path / f"{{slug}}-{{seed}}{suffix}" if folder else path
        self._check(str(self._pattern))
        self._numbered = count > 1 and not _VARIES.search(str(self._pattern))
        self._now = datetime.now()
        self.given: set[Path] = set()  # names that pictures have got by now

    @staticmethod
    def _check(pattern: str) -> None:
        for field in _FIELD.findall(pattern):
            if field not in _FIELDS:
                known = ", ".join(f"{{{name}}}" for name in _FIELDS)
                what = f"-o has no field {{{shown(field)[:40]}}}"
                raise BadInput(what, nearest(field, _FIELDS) or known)

    @property
    def folder(self) -> Path:
        """Return the folder where all pictures are written under temporary names."""
        fixed = self._pattern.parent
        while _FIELD.search(str(fixed)) or _COUNTER.search(str(fixed)):
            fixed = fixed.parent
        return fixed

    @property
    def needs_plan(self) -> bool:
        """Whether a name is known only when the engine has decided what was left open."""
        return not set(_PLANNED).isdisjoint(_FIELD.findall(str(self._pattern)))

    def path(self, about: PictureName) -> Path:
        """Return the file for a picture; what it needs of the plan must be known."""
        planned = about.planned
        values = {
            "slug": slug(about.prompt),
            "seed": str(about.seed),
            "i": str(about.number),
            "model": slug(Path(about.model).stem),
            "date": self._now.strftime("%Y-%m-%d"),
            "time": self._now.strftime("%H%M%S"),
            "width": str(planned.width) if planned else "",
            "height": str(planned.height) if planned else "",
            "steps": str(planned.steps) if planned else "",
        }
        text = _FIELD.sub(lambda match: values[match[1]], str(self._pattern))
        text = _COUNTER.sub(lambda match: f"{about.number:{match[1]}d}", text)
        path = Path(text)
        return path.with_stem(f"{path.stem}-{about.number}") if self._numbered else path
