"""Where captions go: lines, JSON, files beside the pictures, or the pictures' new names."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localai.captioning.file_names import check_pattern, from_pattern, slug
from localai.captioning.rename import Planner, Renaming, apply, write_undo
from localai.captioning.session import PictureCaption
from localai.captioning.sources import PictureSource
from localai.errors import BadInput, LocalaiError
from localai.formats.text import encode, shown
from localai.system.files import atomic_create, atomic_replace
from localai.terminal.console import Console


class CaptionOutput(ABC):
    """Takes captions as they come."""

    def check(self, source: PictureSource) -> None:  # noqa: B027 (most have a place for all)
        """Raise BadInput where there is no place for what will be said of a picture."""

    @abstractmethod
    def put(self, caption: PictureCaption) -> None:
        """Take one; raises LocalaiError where it cannot be kept."""

    def put_failed(self, source: PictureSource, error: LocalaiError) -> None:  # noqa: B027
        """Take note that there is none of this picture, where the result tells that."""

    def finish(self) -> int:
        """Do what waits for all of them; return how many failed at that."""
        return 0


class Lines(CaptionOutput):
    """Text: of one picture alone, of several a line each with the file's name before a tab.

    Parameters
    ----------
    many : bool
        Whether there are several pictures.
    nul : bool
        End each with NUL instead of a newline, so that the text may hold newlines; not on a
        terminal, which shows names and texts as it always does.
    """

    def __init__(self, console: Console, *, many: bool, nul: bool) -> None:
        self._console, self._many, self._nul = console, many, nul

    def put(self, caption: PictureCaption) -> None:
        """Print it."""
        name, text = caption.source.name, caption.text
        if self._console.stdout.terminal:
            self._console.write_line(f"{shown(name)}\t{text}" if self._many else text)
            return
        if self._many and not self._nul:
            text = " ".join(text.split())
        before = os.fsencode(name) + b"\t" if self._many else b""
        self._console.write_bytes(before + encode(text) + (b"\0" if self._nul else b"\n"))


class JsonOutput(CaptionOutput):
    """One object, an array of them, or an object a line."""

    def __init__(self, console: Console, *, many: bool, lines: bool) -> None:
        self._console, self._many, self._lines = console, many, lines
        self._kept: list[dict[str, Any]] = []

    def put(self, caption: PictureCaption) -> None:
        """Print it, or keep it for the array."""
        self._put(caption.as_json())

    def put_failed(self, source: PictureSource, error: LocalaiError) -> None:
        """Print an object with the error in it, or keep that for the array."""
        self._put({"file": source.name, "text": None, "error": error.to_json()})

    def _put(self, row: dict[str, Any]) -> None:
        if self._many and not self._lines:
            self._kept.append(row)
        else:
            self._console.write_json(row)

    def finish(self) -> int:
        """Print the array."""
        if self._many and not self._lines:
            self._console.write_json(self._kept)
        return 0


class Sidecars(CaptionOutput):
    """A text file beside each picture; its path is printed.

    Parameters
    ----------
    pictures : sequence of PictureSource
        All of the command: none of them is overwritten.
    overwrite : bool
        Text files that are there may be replaced, once.
    """

    def __init__(
        self, console: Console, ending: str, pictures: Sequence[PictureSource], *, overwrite: bool
    ) -> None:
        self._console, self._ending, self._overwrite = console, ending, overwrite
        self._pictures = {_identity(each.path) for each in pictures if each.path}
        self._written: set[object] = set()

    def check(self, source: PictureSource) -> None:
        """Raise BadInput where the file is there and may not be overwritten."""
        path = sidecar_of(source, self._ending)
        if (there := _identity(path)) in self._pictures:
            raise BadInput(f"its text would replace {shown(path)}, a picture", "rename that one")
        if there in self._written:
            what = f"{shown(path)} holds the text of another picture by now"
            raise BadInput(what, "give the pictures different names")
        if path.exists() and not self._overwrite:
            what = f"{shown(path)} exists already"
            raise BadInput(what, "use --force to overwrite it, or --skip-existing")

    def put(self, caption: PictureCaption) -> None:
        """Write it."""
        path = sidecar_of(caption.source, self._ending)
        try:
            with (atomic_replace if self._overwrite else atomic_create)(path) as partial:
                partial.write_bytes(encode(caption.text + "\n"))
        except OSError as error:
            raise LocalaiError(f"{shown(path)} cannot be written: {error.strerror}") from None
        self._written.add(_identity(path))
        self._console.write_line(shown(path) if self._console.stdout.terminal else str(path))


def _identity(path: Path) -> object:
    """Return what is the same for all names of a file, also where case makes no difference."""
    try:
        status = path.lstat()
    except OSError:
        return os.path.abspath(path)
    return (status.st_dev, status.st_ino)


def sidecar_of(source: PictureSource, ending: str) -> Path:
    """Return the file beside a picture that holds its text; `source` is a file."""
    assert source.path is not None
    return source.path.with_suffix(f".{ending}")


class Renamer(CaptionOutput):
    """New names for the pictures' files: shown as they come, given at the end.

    Parameters
    ----------
    pattern : str
        As `file_names.from_pattern` takes it.
    folder : Path
        Where the script that undoes it is written.
    really : bool
        Rename; else the names are only shown.

    Raises
    ------
    BadInput
        The pattern can give no file's name.
    """

    def __init__(self, console: Console, pattern: str, folder: Path, *, really: bool) -> None:
        check_pattern(pattern)
        self._console, self._pattern = console, pattern
        self._folder, self._really = folder, really
        self._planner = Planner()
        self._planned: list[Renaming] = []

    def put(self, caption: PictureCaption) -> None:
        """Show the name that a picture is to get."""
        path = caption.source.path
        assert path is not None
        stem = from_pattern(self._pattern, slug(caption.text), caption.picture.taken, path.stem)
        if not stem or stem.startswith("."):  # as of {date} alone, or of a hidden {old}
            raise LocalaiError(f"the pattern gives {shown(stem)!r}, which is no file's name")
        if (renaming := self._planner.plan(path, stem)) is not None:
            self._planned.append(renaming)
            self._console.write_line(str(renaming))

    def finish(self) -> int:
        """Rename what was shown, if that was asked for; return how many could not be."""
        if not self._planned:
            self._console.talk("every file has its name already")
            return 0
        if not self._really:
            self._console.talk("nothing was renamed; add --yes to do it")
            return 0
        script = write_undo(self._planned, self._folder)
        failed = 0
        for renaming, error in apply(self._planned):
            if error is not None:
                what = f"{shown(renaming.moves[0].old)} keeps its name: {error.strerror}"
                self._console.error(LocalaiError(what))
                failed += 1
        self._console.talk(f"to undo it: sh {shown(script)}")
        return failed
