"""Where transcripts go: stdout, files beside the sounds, a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.terminal.console import Console

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
        Several formats were to go to stdout, or two inputs to one file.
    """
    formats = tuple(dict.fromkeys(formats)) or ("txt",)
    if output == "-" or (output is None and len(files) == 1 and len(formats) == 1):
        if len(formats) > 1:
            raise BadInput("several formats do not fit on stdout", "-o FILE or -o FOLDER/")
        return {name: {formats[0]: None} for name in files}
    found = {name: _paths(name, formats, output, alone=len(files) == 1) for name in files}
    taken: dict[Path | None, str] = {}
    for name, paths in found.items():
        for path in paths.values():
            if (other := taken.setdefault(path, name)) != name:
                what = f"{shown(other)} and {shown(name)} would both be written to {shown(path)}"
                raise BadInput(what, "transcribe them into different folders")
    return found


def _paths(name: str, formats: Sequence[str], output: str | None, *, alone: bool) -> Targets:
    if output is None:
        beside = Path("stdin" if name == "-" else name)
        return {each: beside.with_suffix(f".{each}") for each in formats}
    place = Path(output)
    if place.is_dir() or output.endswith("/") or not alone:
        stem = "stdin" if name == "-" else Path(name).stem or "sound"
        return {each: place / f"{stem}.{each}" for each in formats}
    whole = place if len(formats) == 1 else None
    return {each: whole or place.with_suffix(f".{each}") for each in formats}


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
    from localai.system.files import atomic_create, atomic_replace

    for form, path in paths.items():
        text = render(form, segments, layout, about)
        if path is None:
            console.write_bytes(text.encode())
            continue
        try:
            with (atomic_replace if force else atomic_create)(path) as partial:
                partial.write_text(text, "utf-8")
        except OSError as error:
            raise LocalaiError(f"{shown(path)} cannot be written: {error.strerror}") from None
        console.write_line(str(path))


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
    wanted = [path for path in paths.values() if path is not None]
    for folder in {path.parent for path in wanted}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{shown(folder)} cannot be made: {error.strerror}") from None
        if not os.access(folder, os.W_OK):
            raise BadInput(f"{shown(folder)} may not be written to", "name another place with -o")
    return [path for path in wanted if path.exists()]
