"""Named files of a kind, prompts or characters: those of the user stand before the shipped ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localai import settings
from localai.errors import BadInput, LocalaiError
from localai.formats.text import nearest
from localai.system.files import atomic_replace, read_regular

NAME = re.compile(r"\w[\w.-]{0,99}")


@dataclass(frozen=True)
class ResourceFolder:
    """Where the files of a kind lie, and how they are called there."""

    kind: str  # as people and the command call it: `prompt`, listed by `localai prompts`
    suffixes: tuple[str, ...]  # of one name with several, the first is used
    file: str  # what a file of it is: "a prompt file"
    limit: int  # bytes of a file

    @property
    def hint(self) -> str:
        """What to type where a name is not known."""
        return f"`localai {self.kind}s` lists them"

    def folders(self) -> dict[str, Path]:
        """Return where the files lie, the first place first: origin to folder."""
        folder = f"{self.kind}s"
        return {
            "user": settings.load().folders.data / folder,
            "shipped": settings.shipped(folder),
        }

    def is_path(self, name: str) -> bool:
        """Whether a text is the path of a file and not a name."""
        return "/" in name or name.lower().endswith(self.suffixes)

    def find(self, name_or_path: str) -> Path:
        """Return the file of that name or path.

        A path holds a `/` or ends as the files do; other texts are names, and where nothing has
        that name a file in the working folder will do.

        Raises
        ------
        BadInput
            There is none; with a guess.
        """
        if self.is_path(name_or_path):
            if os.path.lexists(name_or_path):
                return Path(name_or_path)
            raise BadInput(f"there is no file {name_or_path!r}", self.hint)
        if found := next(self.named(name_or_path, self.folders().values()), None):
            return found
        if os.path.isfile(name_or_path):
            return Path(name_or_path)
        names = [path.stem for path, _ in self.files()]
        hint = f"{nearest(name_or_path, names)} {self.hint}".strip()
        raise BadInput(f"there is no {self.kind} called {name_or_path!r}", hint)

    def named(self, name: str, folders: Iterable[Path]) -> Iterator[Path]:
        """Yield the files of that name, those of the first folder first."""
        if NAME.fullmatch(name):
            for folder in folders:
                for suffix in self.suffixes:
                    if os.path.lexists(path := folder / f"{name}{suffix}"):
                        yield path

    def files(self) -> list[tuple[Path, str]]:
        """Return the file that each name stands for, with its origin; in the order of the names."""
        found: dict[str, tuple[Path, str]] = {}
        for origin, folder in self.folders().items():
            paths = _inside(folder)
            for suffix in self.suffixes:
                for path in paths:
                    if path.suffix == suffix and NAME.fullmatch(path.stem):
                        found.setdefault(path.stem, (path, origin))
        return [found[name] for name in sorted(found)]

    def beside(self, file: Path, name: str) -> Path | None:
        """Return what a file names: in its own folder or below, links followed; None: not there.

        A file that is a link has two folders: the link's and its own.

        Raises
        ------
        BadInput
            The name leads elsewhere.
        """
        target = Path(name)
        elsewhere = BadInput(f"{self.file} may only name files in its own folder")
        if not name.isprintable() or target.is_absolute() or ".." in target.parts:
            raise elsewhere
        folders = {os.path.realpath(file.parent), os.path.dirname(os.path.realpath(file))}
        for path in (file.parent / target, Path(os.path.realpath(file)).parent / target):
            try:
                real = os.path.realpath(path)
                if not any(os.path.commonpath([folder, real]) == folder for folder in folders):
                    raise elsewhere
                if path.is_file():
                    return path
            except OSError:  # a name that is too long
                return None
        return None

    def read(self, path: Path) -> bytes:
        """Return a file; BadInput if it cannot be read, is no regular file or too large."""
        return read_regular(path, self.limit, self.file, self.hint)

    def add(self, name: str, suffix: str, data: bytes, force: bool = False) -> Path:
        """Write a file into the user's folder; return its path.

        An ending of such files is none of the name, as `find` would take it for a path.

        Raises
        ------
        BadInput
            The name is none, or there is a file of that name and `force` is not given.
        LocalaiError
            The file cannot be written.
        """
        stem, ending = os.path.splitext(name)
        name = stem if ending.lower() in self.suffixes else name
        if not NAME.fullmatch(name):
            what = f"{name!r} is no name for a {self.kind}"
            raise BadInput(what, "use letters, digits, `-` and `_`")
        folder = self.folders()["user"]
        path = folder / f"{name}{suffix}"
        before = list(self.named(name, [folder]))
        if before and not force:
            raise BadInput(f"{before[0]} exists", "--force overwrites it, or give another name")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_replace(path) as draft:
                draft.write_bytes(data)
            for other in before:  # of the same name in another form: one of them would be hidden
                if other != path:
                    other.unlink()
        except OSError as error:
            raise LocalaiError(f"{path} cannot be written: {error.strerror}") from None
        return path


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
