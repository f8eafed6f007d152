"""Which pictures are meant: files, patterns, folders, stdin, and addresses of the web."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.pictures import SUFFIXES

_WEB: Final = ("http://", "https://")
_MOST_BYTES: Final = 1 << 26  # of a picture of the web
_PATIENCE: Final = 30  # seconds


class PictureSource(NamedTuple):
    """A picture that was named, and where its bytes are."""

    name: str  # as it is called in output and errors
    path: Path | None = None  # None: stdin, or an address
    address: str = ""


def expand(
    names: Sequence[str], *, recursive: bool, allow_url: bool, offline: bool = False
) -> list[PictureSource]:
    """Return the pictures that arguments stand for, in their order, each file once.

    Raises
    ------
    BadInput
        A folder without `recursive`, an address without `allow_url` or while `offline`, a pattern
        or a folder that holds no picture, or stdin named twice.
    """
    found = [each for name in names for each in _expanded(name, recursive)]
    for address in (shown(each.address) for each in found if each.address):
        if not allow_url:
            what = f"{address} is an address, and nothing is fetched unasked"
            raise BadInput(what, "add --allow-url")
        if offline:
            what = f"{address} is an address, and nothing may be fetched: this is offline"
            raise BadInput(what, "leave out --offline, and unset LOCALAI_OFFLINE")
    if sum(each.name == "-" for each in found) > 1:
        raise BadInput("stdin can be read only once", "name - once")
    by_place: dict[str, PictureSource] = {}
    for each in found:
        by_place.setdefault(os.path.abspath(each.path) if each.path else each.name, each)
    return list(by_place.values())


def _expanded(name: str, recursive: bool) -> Iterator[PictureSource]:
    if name == "-":
        yield PictureSource("-")
        return
    if name.lower().startswith(_WEB):
        yield PictureSource(name, address=name)
        return
    path = Path(name)
    if path.is_dir():
        yield from _in_folder(path, recursive)
    elif not path.exists() and glob.has_magic(name):
        found = filter(os.path.isfile, sorted(glob.glob(name, recursive=recursive)))
        matches = [PictureSource(each, Path(each)) for each in found]
        if not matches:
            raise BadInput(f"no file matches {shown(name)}", "check the pattern")
        yield from matches
    else:
        yield PictureSource(name, path)


def _in_folder(folder: Path, recursive: bool) -> Iterator[PictureSource]:
    if not recursive:
        raise BadInput(f"{shown(folder)} is a folder", "add --recursive to take its pictures")
    found = [
        path
        for root, folders, names in os.walk(folder)
        for name in _kept(folders, names)
        if name.lower().endswith(SUFFIXES) and (path := Path(root, name)).is_file()
    ]
    if not found:
        raise BadInput(f"{shown(folder)} holds no pictures")
    yield from (PictureSource(str(path), path) for path in sorted(found))


def _kept(folders: list[str], names: list[str]) -> list[str]:
    """Return the names of a folder that are not hidden; hidden folders are not walked."""
    folders[:] = [each for each in folders if not each.startswith(".")]
    return [name for name in names if not name.startswith(".")]


def fetch(address: str) -> bytes:
    """Return what an address holds; at most 64 MB.

    Raises
    ------
    BadInput
        It cannot be had.
    """
    import http.client
    import urllib.request  # with TLS, which pictures on disk need not wait for

    from localai.catalog.hub.http import trust

    try:  # redirects are followed to the web alone, never to a file
        asked = urllib.request.Request(address, headers={"User-Agent": "localai"})
        with urllib.request.urlopen(asked, timeout=_PATIENCE, context=trust()) as answer:
            data: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = shown(error) or type(error).__name__
        raise BadInput(f"{shown(address)} cannot be fetched: {why}") from None
    if len(data) > _MOST_BYTES:
        raise BadInput(f"{shown(address)} is larger than 64 MB")
    return data
