"""What models there are: the shipped one, the known ones, and what else lies in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from localai.catalog import known
from localai.catalog.diffusion import bundles
from localai.catalog.fit_check import whole_memory
from localai.catalog.gguf.check import check
from localai.catalog.hub import cache
from localai.catalog.hub.select import choose, grouped, is_whole
from localai.catalog.names import TINY, Reference
from localai.catalog.placement.layout import on_cpu
from localai.catalog.placement.plan import PlacementRequest
from localai.catalog.placement.sizes import ModelMemory

CONTEXT = 4096  # tokens, for which a model's memory is told
_MORE = 1 << 30  # bytes for a context of ordinary length and the process itself, as in `known`


@dataclass(frozen=True)
class Entry:
    """A model that can be named."""

    name: str
    bytes: int  # of its files
    memory: int  # bytes, about
    good_for: str
    on_disk: bool
    partial: bool = False  # a part of it was fetched
    parameters: str = ""
    context: int | None = None  # tokens
    licence: str = ""
    base: bool = False  # continues text, does not answer
    path: str = ""
    fits: bool = True  # into this machine's memory

    @property
    def mark(self) -> str:
        """Return what stands before its name: on disk, or too large for this machine."""
        return "*" if self.on_disk else "" if self.fits else "!"

    def to_json(self) -> dict[str, Any]:
        """Return plain data with stable keys."""
        return asdict(self)


def listing() -> list[Entry]:
    """Return the tiny model, the known ones, and what else is on disk."""
    stored, most = cache.stored(), whole_memory()
    rows = (_row(row, stored) for row in known.rows())
    found = (_tiny(), *rows, *map(_bundle, bundles.rows()), *_others(stored))
    return [replace(entry, fits=entry.memory <= most) for entry in found]


def _tiny() -> Entry:
    size = TINY.stat().st_size
    about = "trying things out; knows next to nothing"
    return Entry("tiny", size, 32 * size, about, True, licence="MIT", path=str(TINY))


def _row(row: known.Known, stored: list[cache.CachedFile]) -> Entry:
    mine = [each for each in stored if (each.repo, each.name) == (row.repo, row.file)]
    whole = [each for each in mine if not each.partial]
    if row.projector and not any(
        (each.repo, each.name, each.partial) == (row.repo, row.projector, False) for each in stored
    ):
        whole, mine = [], mine + whole  # of what sees, one file of two is a part
    return Entry(
        row.name,
        row.download,
        row.memory,
        row.good_for,
        bool(whole),
        any(each.partial for each in mine),
        row.parameters,
        row.context,
        row.licence,
        row.base,
        str(whole[0].path) if whole else "",
    )


def _bundle(row: bundles.Bundle) -> Entry:
    """Return a picture model, which may lie in several repositories."""
    paths = [cache.find(file.repo, file.name) for file in row.files]
    return Entry(
        row.name,
        row.bytes,
        row.bytes + row.bytes // 5 + _MORE,
        f"pictures: {row.good_for}",
        all(paths),
        any(paths) and not all(paths),
        licence=row.licence,
        path=str(paths[0]) if paths[0] and all(paths) else "",
    )


def _others(stored: list[cache.CachedFile]) -> Iterator[Entry]:
    """Return the models of the cache that have no short name."""
    named = {(row.repo, file) for row in known.rows() for file in (row.file, row.projector)}
    named |= {(file.repo, file.name) for row in bundles.rows() for file in row.files}
    for repo in dict.fromkeys(each.repo for each in stored):
        for name, parts in grouped(each for each in stored if each.repo == repo).items():
            if name and (repo, name) not in named:
                yield _other(f"hf:{repo}/{name}", parts)


def _other(name: str, parts: list[cache.CachedFile]) -> Entry:
    """Return the entry of a model without a short name; it may be split."""
    partial = any(part.partial for part in parts) or not is_whole(name, parts)
    size = sum(part.bytes for part in parts)
    return Entry(
        name,
        size,
        size + size // 5 + _MORE,
        "fetched in part: pull it again to go on" if partial else "on disk",
        not partial,
        partial,
        path="" if partial else str(parts[0].path),
    )


def remove_bundle(row: bundles.Bundle) -> int:
    """Remove a picture model's files, but those that others have need of; return the bytes."""
    others = [other for other in bundles.rows() if other != row and _bundle(other).on_disk]
    shared = {file[:2] for other in others for file in other.files}
    shared |= {(other.repo, other.file) for other in known.rows()}
    own = [file for file in row.files if file[:2] not in shared]
    return sum(cache.remove(each.repo, each.name) for each in own if cache.find(*each[:2]))


def remove(reference: Reference) -> int:
    """Remove a model's files from the cache, and return the bytes that were freed."""
    files = [each for each in cache.stored(reference.repo) if each.name]
    wanted = reference.row.file if reference.row else reference.wanted
    if not files:
        return 0
    parts = {each.name for each in choose(files, wanted, reference.repo)}
    if reference.row and reference.row.projector in {each.name for each in files}:
        parts.add(reference.row.projector)
    return sum(cache.remove(reference.repo, name) for name in parts)


def facts(name: str, path: Path) -> dict[str, Any]:
    """Return what a model's file says of it, in words that `localai models show` prints.

    Raises
    ------
    BadModel
        It is no model.
    """
    header = check(path)
    needs = on_cpu(
        ModelMemory.of(header),
        PlacementRequest().load(min(header.context_length or CONTEXT, CONTEXT), "f16"),
    )
    return {
        "model": name,
        "file": str(path),
        "bytes": header.file_bytes,
        "name": header.name,
        "architecture": header.architecture,
        "parameters": header.parameters,
        "quantisation": header.quantisation,
        "layers": header.block_count,
        "context": header.context_length,
        "vocabulary": header.vocabulary,
        "memory": needs.total,  # bytes, with that context, on the CPU
        "template": "yes" if header.chat_template else "none: a base model, or ChatML",
        "licence": header.text("general.license") or None,
    }
