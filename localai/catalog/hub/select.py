"""Which of a repository's files a name means; the same for the hub and for the cache. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, Protocol, TypeVar

from localai.errors import BadInput, LocalaiError, UnknownModel
from localai.formats.text import closest, shown

DEFAULTS: Final = ("Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_0", "Q8_0")  # the first that is there
_LISTED: Final = 8  # names in an error
_PART: Final = re.compile(r"(.*)-([0-9]{5})-of-([0-9]{5})\.gguf", re.I | re.S)
_BESIDE: Final = re.compile(r"mmproj|imatrix", re.I)  # files that go with a model, and are none


class Named(Protocol):
    """What can be chosen: a file of the hub or of the cache."""

    @property
    def name(self) -> str:
        """Its path in the repository."""


_File = TypeVar("_File", bound=Named)


def choose(files: Sequence[_File], wanted: str | None, repo: str = "") -> tuple[_File, ...]:
    """Return the files of the one model that is meant: one, or all parts of a split model in order.

    Parameters
    ----------
    files : sequence
        Of the hub, or of the cache.
    wanted : str or None
        A quantisation like `Q8_0` in any case, a file name, or a glob; None: `DEFAULTS`, else the
        only model there is.
    repo : str
        For the errors.

    Raises
    ------
    UnknownModel
        Nothing is meant, or a part of it is missing; with a did-you-mean.
    BadInput
        Two models or more are meant.
    """
    models = grouped(files)
    where = shown(repo) if repo else "the repository"
    if wanted is None:
        names = _default(models, where)
    else:
        names = _meant(models, wanted)
        if not names:
            raise _unknown(models, wanted, where)
    if len(names) > 1:
        what = f"{shown(wanted or 'no file name')} could mean {len(names)} models of {where}"
        raise BadInput(f"{what}: {_list(names)}", "name one of them")
    return _complete(names[0], models[names[0]])


def grouped(files: Iterable[_File]) -> dict[str, list[_File]]:
    """Return each file under its name; the parts of a split model under that of the first."""
    found: dict[str, dict[str, _File]] = {}
    for file in files:
        part = _PART.fullmatch(file.name)
        name = f"{part[1]}-00001-of-{part[3]}.gguf" if part else file.name
        found.setdefault(name, {}).setdefault(file.name, file)  # the first of two of one name
    return {name: [parts[key] for key in sorted(parts)] for name, parts in found.items()}


def _complete(name: str, files: list[_File]) -> tuple[_File, ...]:
    if not is_whole(name, files):
        count = int(name[-10:-5])
        parts = ", ".join(map(str, _numbers(files)[:_LISTED]))
        what = f"of the {count} parts of {shown(name)} only these are there: {parts}"
        raise UnknownModel(what, "name another file, or another repository")
    return tuple(files)


def is_whole(name: str, files: Sequence[_File]) -> bool:
    """Whether the files of a model, as `grouped` returns them, are all of its parts."""
    part = _PART.fullmatch(name)
    return part is None or _numbers(files) == list(range(1, int(part[3]) + 1))


def _numbers(files: Sequence[_File]) -> list[int]:
    return [int(match[2]) for file in files if (match := _PART.fullmatch(file.name))]


def _plain(names: Iterable[str]) -> list[str]:
    """Return the names of models that stand for themselves."""
    models = {name for name in names if name.lower().endswith(".gguf")}
    models -= {name for name in models if _BESIDE.search(name.rpartition("/")[2])}
    # The same model whole and in parts: the whole one.
    parts = ((name, match) for name in models if (match := _PART.fullmatch(name)))
    return sorted(models - {name for name, match in parts if f"{match[1]}.gguf" in models})


def _quantised(names: Sequence[str], quantisation: str) -> list[str]:
    """Return the models of a quantisation: `Q4_K` is not `Q4_K_M`, and `UD-Q4_K_M` comes second."""
    word = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(quantisation)}(?=[-./]|$)", re.I)
    base = [name for name in names if word.search(name.rpartition("/")[2])]
    found = base or [name for name in names if word.search(name)]
    mixed = f"ud-{quantisation}".lower()
    return [name for name in found if mixed not in name.lower()] or found


def _default(models: dict[str, list[_File]], where: str) -> list[str]:
    names = _plain(models)
    if not names:
        what = f"{where} holds no GGUF file"
        raise UnknownModel(what, "many models have one in a repository whose name ends in -GGUF")
    for quantisation in DEFAULTS:
        if found := _quantised(names, quantisation):
            return found
    return names


def _meant(models: dict[str, list[_File]], wanted: str) -> list[str]:
    for name, files in models.items():
        if wanted in (name, *(file.name for file in files)):
            return [name]
    if any(char in wanted for char in "*?["):
        names = sorted(models) if _BESIDE.search(wanted) else _plain(models)
        low = wanted.lower()
        return [
            name
            for name in names
            if any(
                fnmatchcase(path.lower(), low)
                for file in models[name]
                for path in (file.name, file.name.rpartition("/")[2])
            )
        ]
    base = [name for name in models if wanted == name.rpartition("/")[2]]
    return base or _quantised(_plain(models), wanted)


def _unknown(models: dict[str, list[_File]], wanted: str, where: str) -> LocalaiError:
    names = _plain(models) or sorted(models)
    near = closest(wanted.lower(), [name.lower() for name in names], 0.5)
    meant = [name for name in names if near and near in name.lower()]
    what = f"{where} has no model {shown(wanted)[:120]!r}"
    if meant:
        return UnknownModel(what, f"did you mean {shown(meant[0])}?")
    return UnknownModel(f"{what}, but {_list(names)}" if names else what, "name one of its files")


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(shown(name)[:120] for name in names[:_LISTED]) + more
