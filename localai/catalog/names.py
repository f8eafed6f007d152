"""Model names to files: what `-m` may say, and which file is meant.

- `tiny`: the language model that ships with the package;
- a path: it ends in .gguf, begins with `/`, `./`, `../` or `~`, or exists, or its folder does;
- a known name: a row of `known.toml`;
- a repository of the Hugging Face hub: `owner/repo`, `owner/repo:Q8_0`, `hf:owner/repo/FILE` (FILE
  may be a glob), or the address of either as a browser shows it.

Nothing here looks at the network or into the cache.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from localai.errors import UnknownModel
from localai.formats.text import closest, shown
from localai.system.files import expanded

if TYPE_CHECKING:
    from localai.catalog.known import Known

_SHIPPED: Final = Path(__file__).resolve().parent.parent / "tiny"
TINY: Final = _SHIPPED / "tiny-chat.gguf"
TINY_VISION: Final = _SHIPPED / "tiny-vision.gguf"
TINY_HEAR: Final = _SHIPPED / "tiny-hear"
_WORKS: Final = "localai models shows the names; or use -m PATH of a .gguf file"
_HUB: Final = ("hf:", "hf.co/", "huggingface.co/", "http://", "https://")


_ON_HUB: Final = (  # compiled at its first use
    r"(?:https?://)?(?:hf\.co|huggingface\.co)/(?P<page>[^?#]+)(?:[?#].*)?"
    r"|hf:(?://)?(?P<hf>.+)"
)
_PLACE: Final = (
    r"(?P<repo>[\w.-]+/[\w.-]+)"
    r"(?::(?P<quantisation>[\w.-]+)"
    r"|/(?:(?:blob|resolve|tree|raw)/(?P<revision>[\w.-]+)/?)?(?P<file>[^:]*))?/?"
)


class ModelFile(NamedTuple):
    """A model's name and the file it stands for."""

    name: str  # as the user gave it
    path: Path  # of a split model, the part that was named
    more: tuple[Path, ...] = ()  # what goes with it: a projector, an encoder


class Reference(NamedTuple):
    """A model on the hub, and what is known of it."""

    name: str  # as the user gave it
    repo: str  # owner/name
    wanted: str | None = None  # a quantisation, a file name or a glob
    revision: str = "main"
    row: Known | None = None  # of the table of known models


def is_path(name: str) -> bool:
    """Whether a model's name is meant as a path."""
    if not name or name.lower().startswith(_HUB):
        return False
    if name.lower().endswith(".gguf") or name.startswith(("/", "./", "../", "~")):
        return True
    path = Path(name)
    try:
        # "models/qwen" in a folder that has "models" is meant as a path, not as a hub's name.
        return path.exists() or ("/" in name and path.parent.is_dir())
    except (OSError, ValueError):
        return False


def _near_file(path: Path) -> str:
    """Return the name of a .gguf file beside a path that is not there if it is alike, or ''."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix == ".gguf")
    except (OSError, ValueError):
        return ""
    return closest(path.name, names, 0.5)


def _from_path(name: str) -> ModelFile:
    path = expanded(name)
    try:
        found = path.exists()
    except (OSError, ValueError):
        found = False
    if found:
        return ModelFile(name, path)
    if path.is_symlink():
        raise UnknownModel(f"{shown(name)} is a link to a file that is not there", "mend the link")
    near = _near_file(path)
    meant = f"did you mean {shown(path.with_name(near))}?" if near else _WORKS
    raise UnknownModel(f"there is no model file {shown(name)}", meant)


def resolve(name: str, tiny: Path = TINY) -> ModelFile | Reference:
    """Return the file, or the place on the hub, that a model's name stands for.

    A file that is returned exists; whether it is a model is for `gguf.check` to say.

    Parameters
    ----------
    name : str
        As given with `-m`.
    tiny : Path
        What `tiny` stands for: which of the models in the package.

    Raises
    ------
    UnknownModel
        No such file and no such name; with a did-you-mean for a near miss.
    """
    if name == "tiny":
        if not tiny.exists():
            raise UnknownModel("the tiny model is missing from this installation", "reinstall it")
        return ModelFile(name, tiny)
    if is_path(name):
        return _from_path(name)
    if "/" not in name and not name.lower().startswith(_HUB):
        return _from_table(name)
    if spelt := hub_place(name):
        return Reference(name, *spelt)
    what = f"{shown(name)} is neither a file nor a repository of the hub"
    raise UnknownModel(what, "write owner/repo, owner/repo:Q8_0 or hf:owner/repo/FILE.gguf")


def _from_table(name: str) -> Reference:
    from localai.catalog import known  # with a table that paths need not wait for

    row = known.find(name.lower())
    if row:
        return Reference(name, row.repo, row.file, row.revision or "main", row)
    if near := closest(name.lower(), ("tiny", *known.names())):
        raise UnknownModel(f"no model is called {shown(name)}", f"did you mean {near}?")
    raise UnknownModel(f"no model is called '{shown(name)}', and there is no such file", _WORKS)


def hub_place(name: str) -> tuple[str, str | None, str] | None:
    """Return repository, file (or quantisation, or glob) and revision; None: it spells none."""
    match = re.fullmatch(_ON_HUB, name, re.I)
    text = (match["page"] or match["hf"]).rstrip("/") if match else name
    found = re.fullmatch(_PLACE, text, re.A)
    if not found:
        return None
    return (
        found["repo"],
        found["quantisation"] or found["file"] or None,
        found["revision"] or "main",
    )
