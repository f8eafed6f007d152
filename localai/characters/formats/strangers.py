"""Files that are no card, told for what they are: most came from a site in place of one."""

from __future__ import annotations

import re
from pathlib import Path

from localai.errors import BadInput
from localai.formats.text import shown

_PICTURES = {b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"BM": "BMP"}
_WEBP = re.compile(rb"RIFF....WEBP", re.DOTALL)
_MARKUP = re.compile(rb"\s*<(?:[!?/]?[a-zA-Z]|!--)")
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|meta|script)\b", re.IGNORECASE)
_POINTER = b"version https://git-lfs"
_LOOKED_AT = 1024  # bytes from the start
_CONTAINERS = (".png", ".charx")  # names that promise more than text
_BOM = b"\xef\xbb\xbf"


def refuse(data: bytes, path: Path) -> None:
    """Raise `BadInput` for a file that is surely something else than a card."""
    head = data[:_LOOKED_AT].removeprefix(_BOM)
    kind = "WEBP" if _WEBP.match(head) else ""
    kind = kind or next((kind for begin, kind in _PICTURES.items() if head.startswith(begin)), "")
    if kind:
        raise BadInput(f"{path}: a {kind} picture holds no character card; a PNG does")
    if head.startswith(_POINTER):
        what = f"{path}: this is a Git LFS pointer, which stands for the card"
        raise BadInput(what, "git lfs pull")
    if _MARKUP.match(head):
        what = "a web page (HTML)" if _PAGE.search(head) else "XML"
        raise BadInput(
            f"{path}: this is {what}, not a card",
            "the site sent a page in the card's place: download the card itself with a browser",
        )
    if not data.strip() and path.suffix.lower() in _CONTAINERS:
        raise BadInput(f"{path}: the file is empty", "get the file once more")


def misnamed(path: Path, error: BadInput) -> BadInput:
    """Return the error for text that is no card, for a file whose name promises more than text."""
    suffix = path.suffix.lower()
    if suffix not in _CONTAINERS:
        return error
    kind = "PNG picture" if suffix == ".png" else "archive"
    what = f"{path}: this is no {kind} although it is called {shown(suffix)}, and no card either"
    return BadInput(what, "get the file once more, from where the card is offered")
