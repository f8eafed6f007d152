"""GGUF models: the shipped one, the known ones, and what else lies in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localai.catalog import known
from localai.catalog.diffusion import bundles
from localai.catalog.gguf.check import check
from localai.catalog.hub import cache
from localai.catalog.hub.select import choose, grouped, is_whole
from localai.catalog.names import TINY, Reference
from localai.catalog.placement.layout import on_cpu
from localai.catalog.placement.plan import PlacementRequest
from localai.catalog.placement.sizes import ModelMemory
from localai.catalog.source import Entry

CONTEXT = 4096  # tokens, for which a model's memory is told
_MORE = 1 << 30  # bytes for a context of ordinary length and the process itself, as in `known`


def listing() -> Iterator[Entry]:
    """Yield the tiny model, the known ones, and what else is on disk."""
    stored = cache.stored()
    yield _tiny()
    for row in known.rows():
        yield _row(row, stored)
    yield from _others(stored)


def _tiny() -> Entry:
    size = TINY.stat().st_size
    about = "trying things out; knows next to nothing"
    return Entry("tiny", "text", size, 32 * size, about, True, licence="MIT", path=str(TINY))


def _row(row: known.Known, stored: list[cache.CachedFile]) -> Entry:
    mine = [each for each in stored if (each.repo, each.name) == (row.repo, row.file)]
    whole = [each for each in mine if not each.partial]
    if row.projector and not any(
        (each.repo, each.name, each.partial) == (row.repo, row.projector, False) for each in stored
    ):
        whole, mine = [], mine + whole  # of what sees, one file of two is a part
    return Entry(
        row.name,
        "spirit" if row.base else row.kind,
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
        "text",
        size,
        size + size // 5 + _MORE,
        "fetched in part: pull it again to go on" if partial else "on disk",
        not partial,
        partial,
        path="" if partial else str(parts[0].path),
    )


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
