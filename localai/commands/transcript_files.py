"""Where transcripts go: stdout, files beside the sounds, a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.commands.transcribe_flags import FORMATS
from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.terminal.console import Console
from localai.terminal.output_file import Destination, destination

if TYPE_CHECKING:
    from localai.media.captions import Layout
    from localai.media.segments import Segment
    from localai.media.subtitles import About

Targets = dict[str, Path | None]
"""The file of each format; None is stdout."""


def targets(files: Sequence[str], formats: Sequence[str], output: str | None) -> dict[str, Targets]:
    """Return for each input where each format goes.

    Parameters
    ----------
    output : str or None
        What `-o` says: a file, a folder, `-`. None is stdout for one file and one format, else
        beside the inputs.

    Raises
    ------
    BadInput
        Several formats were to go to stdout, or two inputs to one file; or a name is empty, or
        that of a folder.
    """
    formats = tuple(dict.fromkeys(formats)) or ("txt",)
    if output == "-" or (output is None and len(files) == 1 and len(formats) == 1):
        if len(formats) > 1:
            raise BadInput("several formats do not fit on stdout", "-o FILE or -o FOLDER/")
        return {name: {formats[0]: None} for name in files}
    if output == "":
        raise BadInput("-o names no file", "-o FILE, or -o FOLDER/")
    found = {name: _paths(name, formats, output, alone=len(files) == 1) for name in files}
    taken: dict[str, str] = {}
    for name, paths in found.items():
        for path in paths.values():
            if (other := taken.setdefault(os.path.realpath(str(path)), name)) != name:
                what = f"{shown(other)} and {shown(name)} would both be written to {shown(path)}"
                raise BadInput(what, "transcribe them into different folders")
    return found


def _paths(name: str, formats: Sequence[str], output: str | None, *, alone: bool) -> Targets:
    sound = Path("stdin" if name == "-" else name)
    if not sound.name:  # `.`, `/`
        raise BadInput(f"{shown(name)} is no file", "name sound files")
    if output is None:
        return {each: sound.with_suffix(f".{each}") for each in formats}
    place = Path(output)
    if place.is_dir() or output.endswith("/") or not alone:
        return {each: place / f"{sound.stem}.{each}" for each in formats}
    if len(formats) == 1:
        return {formats[0]: place}
    if destination(output).direct:
        what = f"several formats do not fit into {shown(output)}"
        raise BadInput(what, "name a file or a folder with -o")
    # `-o talk.srt` names one of several formats; `-o episode.1` is a name with a point in it.
    stem = place.stem if place.suffix[1:] in FORMATS else place.name
    return {each: place.with_name(f"{stem}.{each}") for each in formats}


def write(
    console: Console,
    paths: Targets,
    segments: Sequence[Segment],
    layout: Layout,
    about: About,
    *,
    force: bool,
) -> None:
    """Write every format from the same segments, and print the names of the written files.

    Raises
    ------
    LocalaiError
        A file cannot be written.
    """
    from localai.media.subtitles import render

    for form, path in paths.items():
        data = render(form, segments, layout, about).encode()
        if path is None:
            console.write_bytes(data)
            continue
        try:
            _put(destination(str(path)), data, force=force)
        except OSError as error:
            raise LocalaiError(f"{shown(path)} cannot be written: {error.strerror}") from None
        console.write_line(str(path))


def _put(place: Destination, data: bytes, *, force: bool) -> None:
    """Write a file; it becomes what it is called once it is whole, unless it is a pipe."""
    if place.direct:
        place.path.write_bytes(data)
        return
    from localai.system.files import atomic_create, atomic_replace

    with (atomic_replace if force else atomic_create)(place.path) as partial:
        partial.write_bytes(data)


def streamed(paths: Targets) -> bool:
    """Return whether plain text goes to stdout, as it is heard."""
    return "txt" in paths and paths["txt"] is None


def there(paths: Targets) -> list[Path]:
    """Return those of the files that are there already; their folders are made.

    Raises
    ------
    BadInput
        Nothing can be written there: better told before an hour is transcribed than after it.
    """
    wanted = {path: destination(str(path)) for path in paths.values() if path is not None}
    for folder in {place.path.parent for place in wanted.values() if not place.direct}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{shown(folder)} cannot be made: {error.strerror}") from None
        if not os.access(folder, os.W_OK):
            raise BadInput(f"{shown(folder)} may not be written to", "name another place with -o")
    return [path for path, place in wanted.items() if place.taken]
