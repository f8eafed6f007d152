"""From a model's name to its file: on disk, in the cache, or fetched because that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai.catalog.name_cache import recall, remember
from localai.catalog.names import ModelFile, Reference, resolve
from localai.errors import Interrupted, Unavailable, UnknownModel
from localai.formats.text import shown
from localai.formats.units import amount
from localai.terminal.confirm import can_ask, confirm
from localai.terminal.console import Console
from localai.terminal.progress import Progress

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile, Repository


def obtain(
    console: Console, name: str, *, offline: bool = False, offered: bool = False, yes: bool = False
) -> ModelFile:
    """Return the file of a model, fetched with progress if it is not on disk.

    Parameters
    ----------
    name : str
        As given with `-m`.
    offered : bool
        Nobody named it: it is fetched only after a yes on a terminal, or with `yes`.

    Raises
    ------
    UnknownModel, Unavailable
        There is no such model, or it cannot be fetched, or may not.
    NotEnoughMemory
        It is too large for this machine; nothing was fetched.
    """
    if path := recall(name):
        return ModelFile(name, path)
    meant = resolve(name)
    if isinstance(meant, ModelFile):
        return meant
    if found := on_disk(meant):
        remember(name, found.path)
        return found
    if offline:
        raise Unavailable(
            f"{shown(name)} is not on disk, and --offline forbids fetching it",
            "leave --offline out, or use -m tiny",
        )
    if meant.row:  # its size is known: nobody need be asked
        from localai.catalog.fit_check import refuse_too_large

        refuse_too_large(name, meant.row.download)
    if offered and not yes:
        _ask(console, meant)
    return _fetched(console, meant)


def on_disk(reference: Reference) -> ModelFile | None:
    """Return a model's file if the cache has it whole."""
    from localai.catalog.hub import cache  # which names of files need not wait for

    if reference.row:
        path = cache.find(reference.repo, reference.row.file)
        return ModelFile(reference.name, path) if path else None
    from localai.catalog.hub.select import choose

    whole = [each for each in cache.stored(reference.repo) if not each.partial]
    try:
        parts = choose(whole, reference.wanted, reference.repo)
    except UnknownModel:
        return None
    return ModelFile(reference.name, parts[0].path)


def offer(kind: str) -> str:
    """Return the name of the model to offer where none was named and none is the default.

    Raises
    ------
    UnknownModel
        None fits this machine.
    """
    from localai.catalog import known
    from localai.system.memory import free_memory

    row = known.default_for(kind, free_memory())
    if row is None:
        raise UnknownModel(
            "no model was named, and none of the known ones fits into the free memory",
            "add -m tiny or -m FILE.gguf",
        )
    return row.name


def _ask(console: Console, reference: Reference) -> None:
    """Offer a model that nobody named, on a terminal; in a pipe nothing is fetched unasked."""
    row = reference.row
    assert row is not None
    if not can_ask(console):
        raise Unavailable(
            f"no model was named, and the one to begin with, {row.name} ({amount(row.download)}), "
            "is not on disk",
            f"localai models pull {row.name}, or add -y to fetch it now, or -m tiny to do without",
        )
    console.talk(f"No model is set. {row.name} suits this machine: {row.good_for}.")
    if not confirm(console, f"Fetch it now ({amount(row.download)}, {row.licence})?"):
        raise Interrupted("nothing was fetched", "-m tiny needs no download")


def _fetched(console: Console, reference: Reference) -> ModelFile:
    from localai.catalog.fit_check import refuse_too_large
    from localai.catalog.hub import repository
    from localai.catalog.hub.select import choose

    found = repository.look(reference.repo, revision=reference.revision)
    files = choose(found.files, reference.wanted, reference.repo)
    total = sum(file.bytes or 0 for file in files)
    refuse_too_large(reference.name, total, reference.repo, found.files)
    paths = _with_progress(console, reference.name, found, files)
    remember(reference.name, paths[0])
    return ModelFile(reference.name, paths[0])


def _with_progress(
    console: Console, name: str, repository: Repository, files: Sequence[HubFile]
) -> Sequence[Path]:
    from localai.catalog.hub import download

    with Progress(console, f"fetching {name}", "bytes") as progress:
        return download.fetch(repository, files, progress.update)
