"""Renaming pictures: a plan that overwrites nothing, a script that undoes it, then the moves."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from localai.errors import LocalaiError
from localai.formats.text import shown
from localai.system.files import atomic_create, move_without_replacing

# What cameras and programs write beside a picture, by its stem or its whole name, in either case.
_BESIDE: Final = (".xmp", ".txt", ".caption", ".json", ".aae", ".mov", ".pp3")


class Move(NamedTuple):
    """One file's old and new path."""

    old: Path
    new: Path


class Renaming(NamedTuple):
    """A picture and what lies beside it, moved together."""

    moves: tuple[Move, ...]  # the picture first

    def __str__(self) -> str:
        picture = self.moves[0]
        return f"{shown(picture.old)} -> {shown(picture.new.name)}"


class _Folder:
    """The files of a folder by their stems, as they were when it was looked at."""

    def __init__(self, path: Path) -> None:
        self._endings: dict[str, list[str]] = {}
        try:
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        except OSError:  # it may be searched and not listed: then nothing is known of it
            names = []
        for name in names:
            stem, ending = os.path.splitext(name)
            self._endings.setdefault(stem, []).append(ending)

    def endings(self, picture: Path) -> list[str]:
        """Return what follows the picture's stem in the names of what belongs to it alone.

        What goes by the stem belongs to all files that have it: a raw file's edits do not go with
        its JPEG.
        """
        found = [
            picture.suffix + ending
            for ending in self._endings.get(picture.name, ())
            if picture.suffix and ending.lower() in _BESIDE
        ]
        others = [each for each in self._endings.get(picture.stem, ()) if each != picture.suffix]
        if all(ending.lower() in _BESIDE for ending in others):
            found += others
        return found


class Planner:
    """Gives pictures names that nothing has, in the order in which they come."""

    def __init__(self) -> None:
        self._taken: set[Path] = set()
        self._folders: dict[Path, _Folder] = {}

    def plan(self, picture: Path, stem: str) -> Renaming | None:
        """Return how a picture gets a name; None: it has it already.

        Folder and ending stay. Where a name is taken, `-2`, `-3` and so on are tried.
        """
        if picture.parent not in self._folders:
            self._folders[picture.parent] = _Folder(picture.parent)
        own = self._folders[picture.parent].endings(picture)
        for number in range(1, 10_000):
            wanted = stem if number == 1 else f"{stem}-{number}"
            if wanted == picture.stem:
                return None
            moves = tuple(
                Move(picture.with_name(picture.stem + ending), picture.with_name(wanted + ending))
                for ending in (picture.suffix, *own)
            )
            if not any(move.new in self._taken or os.path.lexists(move.new) for move in moves):
                self._taken.update(move.new for move in moves)
                return Renaming(moves)
        raise LocalaiError(
            f"there is no free name for {shown(picture)}", "empty the folder a little"
        )


def write_undo(renamings: Sequence[Renaming], folder: Path) -> Path:
    """Write a shell script that gives all files their old names back, and return its path.

    It is whole on the disk before the first file is moved: what fails later finds it there.

    Raises
    ------
    LocalaiError
        It cannot be written; so nothing should be moved.
    """
    lines = [
        "#!/bin/sh",
        "# Gives pictures that were renamed their old names back; overwrites nothing.",
    ]
    for renaming in reversed(renamings):
        for move in renaming.moves:
            old, new = (shlex.quote(os.path.abspath(path)) for path in move)
            lines.append(f"[ -e {new} ] && [ ! -e {old} ] && mv -- {new} {old}")
    lines.append("true")
    when = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = folder / f"rename-{when}-{os.getpid()}.sh"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_create(path) as partial, partial.open("wb") as file:
            file.write(os.fsencode("\n".join(lines) + "\n"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LocalaiError(
            "nothing was renamed, for the script that would undo it cannot be written: "
            f"{error.strerror}",
            f"make room in {folder}",
        ) from None
    return path


def apply(renamings: Iterable[Renaming]) -> Iterator[tuple[Renaming, OSError | None]]:
    """Move the files of each renaming, and yield it with what went wrong.

    A picture and what lies beside it move together or not at all.
    """
    for renaming in renamings:
        done: list[Move] = []
        try:
            for move in renaming.moves:
                move_without_replacing(move.old, move.new)
                done.append(move)
        except OSError as error:
            for move in reversed(done):
                with suppress(OSError):
                    move_without_replacing(move.new, move.old)
            yield renaming, error
        else:
            yield renaming, None
