"""Picture models: bundles of the table, files, folders, and the tiny one, which is written here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from localai.catalog.diffusion import bundles
from localai.catalog.diffusion.parts import is_diffusers
from localai.catalog.names import ModelFile, Reference, hub_place
from localai.catalog.source import Entry, Offer, refuse_own
from localai.errors import LocalaiError, UnknownModel
from localai.formats.text import closest, shown
from localai.system.files import expanded

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile

DEFAULT: Final = "z-image-turbo"
_FOR_CPU: Final = "sdxs-512"
_MORE: Final = 1 << 30  # bytes that a picture takes beside the weights, about
_TINY_VERSION: Final = 1  # of its weights: another one is another folder
_SUFFIXES: Final = (".safetensors", ".gguf", ".sft", ".ckpt", ".pt", ".pth")


class SdModels:
    """The source of picture models, with the methods of `source.ModelSource`."""

    def __init__(self, role: str = "image") -> None:
        self._role = role

    def resolve(self, name: str) -> ModelFile | Reference:
        """Return a model's files, or where the first one that is missing would be fetched from."""
        if name == "tiny":
            return tiny()
        if _is_path(name):
            return _from_path(name)
        if row := bundles.find(name):
            return _of_bundle(name, row)
        place = hub_place(name)
        if "/" in name and place and place[1]:
            return _on_disk(Reference(name, *place))
        near = closest(name.lower(), ("tiny", *bundles.names()))
        known = ", ".join(row.name for row in bundles.rows())
        hint = f"did you mean {near}?" if near else f"tiny, {known}; or a file or folder"
        raise UnknownModel(f"no picture model is called {shown(name)}", hint)

    def offered(self) -> str:
        """Return the bundle to begin with: the best on a graphics card, the quickest on a CPU."""
        from localai.system import gpus

        return DEFAULT if gpus.find() else _FOR_CPU

    def about(self, reference: Reference) -> Offer | None:
        """Return what the table says of a bundle."""
        row = bundles.find(reference.name)
        return Offer(row.name, row.bytes, row.good_for, row.licence) if row else None

    def needed(self, files: Sequence[HubFile], reference: Reference) -> Sequence[HubFile]:
        """Return the one file of a repository that is wanted."""
        wanted = reference.wanted or "*"
        found = [file for file in files if file.name == wanted or fnmatchcase(file.name, wanted)]
        if len(found) == 1:
            return found
        how = "holds no file" if not found else f"holds {len(found)} files"
        what = f"{shown(reference.repo)} {how} {shown(wanted)}"
        raise UnknownModel(what, "name one of its files: hf:OWNER/REPO/FILE")

    def model(self, reference: Reference, paths: Sequence[Path]) -> ModelFile | Reference:
        """Return the model that was fetched, or the place of what a bundle still lacks."""
        row = bundles.find(reference.name)
        return _of_bundle(reference.name, row) if row else ModelFile(reference.name, paths[0])

    def known(self) -> Iterator[Entry]:
        """Yield the bundles of the table."""
        return map(_entry, bundles.rows())

    def remove(self, name: str) -> int:
        """Remove a file, or a bundle's files but those that others have need of."""
        from localai.catalog.hub import cache

        if row := bundles.find(name):
            files = _own_files(row)
        else:
            place = None if _is_path(name) else hub_place(name)
            if not (place and place[1]):
                self.resolve(name)
                raise refuse_own(name)
            files = [(place[0], place[1])]
        return cache.remove_present(files)


def _entry(row: bundles.Bundle) -> Entry:
    """Return what is told of a bundle, which may lie in several repositories."""
    from localai.catalog.hub import cache

    paths = [cache.find(file.repo, file.name) for file in row.files]
    return Entry(
        row.name,
        "image",
        row.bytes,
        row.bytes + row.bytes // 5 + _MORE,
        row.good_for,
        all(paths),
        any(paths) and not all(paths),
        licence=row.licence,
        path=str(paths[0]) if paths[0] and all(paths) else "",
    )


def _own_files(row: bundles.Bundle) -> list[tuple[str, str]]:
    """Return the repositories and names of a bundle's files that no other model on disk needs."""
    from localai.catalog import known

    others = [other for other in bundles.rows() if other != row and _entry(other).on_disk]
    shared = {(file.repo, file.name) for other in others for file in other.files}
    shared |= {(other.repo, other.file) for other in known.rows()}
    return [place for file in row.files if (place := (file.repo, file.name)) not in shared]


def tiny() -> ModelFile:
    """Return the tiny model, written into the cache at its first use.

    Raises
    ------
    LocalaiError
        It cannot be written.
    """
    from localai import settings

    folder = settings.load().folders.cache / f"tiny-draw-{_TINY_VERSION}"
    names = ("tiny-draw.safetensors", "tiny-draw-taesd.safetensors")
    if not folder.is_dir():
        try:
            _write_tiny(folder)
        except OSError as error:
            why = error.strerror or str(error)
            what = f"the tiny picture model cannot be written to {shown(folder)}: {why}"
            raise LocalaiError(what, "make room there, or set XDG_CACHE_HOME") from None
    return ModelFile("tiny", folder / names[0], (folder / names[1],))


def _write_tiny(folder: Path) -> None:
    """Write the folder whole, or not at all; another process may be doing the same."""
    from localai.tiny import draw_model  # needs numpy, which is loaded for this alone

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draw_model.write(partial)
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_path(name: str) -> bool:
    if name.startswith(("/", "./", "../", "~")) or name.lower().endswith(_SUFFIXES):
        return not name.lower().startswith(("hf:", "http:", "https:"))
    return os.path.exists(name)


def _from_path(name: str) -> ModelFile:
    path = expanded(name)
    if not path.exists():
        near = _near(path)
        hint = f"did you mean {shown(near)}?" if near else "localai models lists some by name"
        raise UnknownModel(f"there is no model file {shown(name)}", hint)
    if path.is_file() or is_diffusers(path):
        return ModelFile(name, path)
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in _SUFFIXES[:3])
    if not found:
        raise UnknownModel(f"the folder {shown(name)} holds no model file", "name a file")
    return ModelFile(name, found[0], tuple(found[1:]))


def _near(path: Path) -> str:
    try:
        names = [each.name for each in path.parent.iterdir() if each.suffix in _SUFFIXES]
    except OSError:
        return ""
    near = closest(path.name, sorted(names), 0.5)
    return str(path.with_name(near)) if near else ""


def _of_bundle(name: str, row: bundles.Bundle) -> ModelFile | Reference:
    """Return a bundle's files if the cache has them all, else the place of the first it lacks."""
    from localai.catalog.hub import cache

    paths = []
    for file in row.files:
        path = cache.find(file.repo, file.name)
        if path is None:
            return Reference(name, file.repo, file.name)
        paths.append(path)
    return ModelFile(name, paths[0], tuple(paths[1:]))


def _on_disk(reference: Reference) -> ModelFile | Reference:
    from localai.catalog.hub import cache

    path = cache.find(reference.repo, reference.wanted or "")
    return ModelFile(reference.name, path) if path else reference
