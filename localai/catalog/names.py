"""Model names to files: what `-m` may say, and which file is meant.

- `tiny`: the language model that ships with the package;
- a path: it ends in .gguf, begins with `/`, `./`, `../` or `~`, or exists, or its folder does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localai.errors import UnknownModel
from localai.terminal.text import closest, shown

TINY: Final = Path(__file__).resolve().parent.parent / "tiny" / "tiny-chat.gguf"
KNOWN: Final = ("tiny",)
_WORKS: Final = "use -m tiny, or -m PATH of a .gguf file"


@dataclass(frozen=True)
class ModelFile:
    """A model's name and the file it stands for."""

    name: str  # as the user gave it
    path: Path  # of a split model, the part that was named


def _is_path(name: str) -> bool:
    if not name or name.startswith("hf:"):
        return False
    if name.lower().endswith(".gguf") or name.startswith(("/", "./", "../", "~")):
        return True
    path = Path(name)
    try:
        # "models/qwen" in a folder that has "models" is meant as a path, not as a hub's name.
        return path.exists() or ("/" in name and path.parent.is_dir())
    except (OSError, ValueError):
        return False


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # "~nobody/model.gguf", with no such user
        return Path(name)


def _near_file(path: Path) -> str:
    """Return the name of a .gguf file beside a path that is not there if it is alike, or ''."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix == ".gguf")
    except (OSError, ValueError):
        return ""
    return closest(path.name, names, 0.5)


def _from_path(name: str) -> ModelFile:
    path = _expanded(name)
    try:
        found = path.exists()
    except (OSError, ValueError):
        found = False
    if found:
        return ModelFile(name, path)
    near = _near_file(path)
    meant = f"did you mean {shown(path.with_name(near))}?" if near else _WORKS
    raise UnknownModel(f"there is no model file {shown(name)}", meant)


def resolve(name: str, tiny: Path = TINY) -> ModelFile:
    """Return the file that a model's name stands for.

    The file exists; whether it is a model is for `gguf.check` to say.

    Parameters
    ----------
    name : str
        As given with `-m`.
    tiny : Path
        The file that `tiny` stands for.

    Raises
    ------
    UnknownModel
        No such file, or a name from the hub, which cannot be fetched yet; with a
        did-you-mean for a near miss.
    """
    if name == "tiny":
        if not tiny.exists():
            raise UnknownModel("the tiny model is missing from this installation", "reinstall it")
        return ModelFile(name, tiny)
    if _is_path(name):
        return _from_path(name)
    if near := closest(name.lower(), KNOWN):
        raise UnknownModel(f"no model is called {shown(name)}", f"did you mean {near}?")
    if "/" in name or name.startswith("hf:"):
        what = f"{shown(name)} names a model on the hub, and these cannot be fetched yet"
        raise UnknownModel(what, _WORKS)
    raise UnknownModel(f"no model is called '{shown(name)}', and there is no such file", _WORKS)
