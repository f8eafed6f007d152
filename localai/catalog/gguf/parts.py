"""The parts of a split model, by the names of their files; no file is read.

llama.cpp finds the parts of a split model by the name of the first one, which ends in
`-00001-of-00003.gguf`. The hub's cache keeps a file under its hash and a link with its name, so
a link's name matters: following it to its end loses the other parts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PART: Final = r"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf"  # compiled at its first use
_MOST_LINKS: Final = 40  # in a chain, as the kernel allows


def _part(name: str) -> re.Match[str] | None:
    """Return the match of a part's name; None, soon, for the names of nearly all files."""
    return re.fullmatch(_PART, name, re.S) if "-of-" in name else None


def parts_beside(path: Path) -> Iterator[Path]:
    """Yield the paths of all parts of a model by the name of one of them, whether there or not.

    A file that is not named as a part is the only one.
    """
    part = _part(path.name)
    if part is None or not 1 <= int(part[2]) <= int(part[3]):
        yield path
        return
    for number in range(1, int(part[3]) + 1):
        yield path.with_name(f"{part[1]}-{number:05}-of-{part[3]}.gguf")


def all_parts(files: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files of a model or several, each with the other parts that are there."""
    found: dict[str, None] = {}
    for file in files:
        for part in parts_beside(Path(file)):
            if str(part) != file and not os.path.exists(part):
                break
            found[str(part)] = None
        found[file] = None
    return tuple(found)


def is_complete(path: Path) -> bool:
    """Whether a file and, where its name is that of a part, all other parts are there."""
    return all(os.path.isfile(part) for part in parts_beside(path))


def load_path(path: Path) -> Path:
    """Return the absolute path under which an engine is given a model's file or folder.

    Links are followed, so that one model has one path, but never beyond the last name beside
    which the other parts lie. The blob of a hub's cache becomes the link that names it as a part.
    """
    chain = list(link_chain(path))
    named = [each for each in chain if _part(each.name)]
    whole = [each for each in named if is_complete(each)]
    if named:
        return whole[-1] if whole else named[0]
    return (len(chain) == 1 and _link_to_blob(chain[0])) or chain[-1]


def link_chain(path: Path) -> Iterator[Path]:
    """Yield a path and what it leads to, one link at a time, each in its real folder."""
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if path.name in ("", ".", ".."):
            path = Path(os.path.realpath(path))
        yield path
        try:
            path = path.parent / os.readlink(path)
        except OSError:  # the end, or a file that is not there
            return


def _link_to_blob(blob: Path) -> Path | None:
    """Return the link of a hub's cache that names a blob as a part of a model, if there is one."""
    snapshots = blob.parent.parent / "snapshots"
    if blob.parent.name != "blobs" or not snapshots.is_dir():
        return None
    for root, _, names in sorted(os.walk(snapshots)):
        for link in (Path(root, name) for name in sorted(names) if _part(name)):
            if os.path.realpath(link) == str(blob):
                return link
    return None
