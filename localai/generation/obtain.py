"""A model's file for a command: on disk, or fetched because that was asked for.

The only place that asks "[Y/n]" and draws a transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai import settings
from localai.catalog.name_cache import remember
from localai.catalog.names import ModelFile, Reference
from localai.catalog.resolve import offer, resolve
from localai.errors import Interrupted, Unavailable
from localai.formats.text import shown
from localai.formats.units import amount
from localai.generation.model_spec import ModelOptions
from localai.terminal.confirm import can_ask, confirm
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile, Repository


def obtain(console: Console, options: ModelOptions, name: str, kind: str = "text") -> ModelFile:
    """Return the file of a model, fetched with progress if it is not on disk.

    Parameters
    ----------
    name : str
        As given with `-m`; empty: nobody named one. Then one is offered: it is fetched only after
        a yes on a terminal, or with `yes`.
    kind : str
        Of model that is offered.

    Raises
    ------
    UnknownModel, Unavailable
        There is no such model, or it cannot be fetched, or may not.
    NotEnoughMemory
        It is too large for this machine; nothing was fetched.
    """
    meant = resolve(name or offer(kind), kind)
    if isinstance(meant, ModelFile):
        return meant
    if options.offline or settings.load().offline:
        raise Unavailable(
            f"{shown(meant.name)} is not on disk, and --offline forbids fetching it",
            "leave --offline out, or use -m tiny",
        )
    if meant.row:  # its size is known: nobody need be asked
        from localai.catalog.fit_check import refuse_too_large

        refuse_too_large(meant.name, meant.row.download)
    if not name and not options.yes:
        _ask(console, meant, kind)
    return _fetched(console, meant, kind)


def _ask(console: Console, reference: Reference, kind: str) -> None:
    """Offer a model that nobody named, on a terminal; in a pipe nothing is fetched unasked."""
    name, size, good_for, licence = _offer_of(reference)
    if not can_ask(console):
        pull = f"localai models pull {name}" + (f" --kind {kind}" if kind != "text" else "")
        raise Unavailable(
            f"no model was named, and the one to begin with, {name} ({amount(size)}), "
            "is not on disk",
            f"{pull}, or add -y to fetch it now, or -m tiny to do without",
        )
    console.talk(f"No model is set. {name} suits this machine: {good_for}.")
    if not confirm(console, f"Fetch it now ({amount(size)}, {licence})?"):
        raise Interrupted("nothing was fetched", "-m tiny needs no download")


def _offer_of(reference: Reference) -> tuple[str, int, str, str]:
    """Return name, bytes, use and licence of a model that is offered."""
    if (row := reference.row) is not None:
        return row.name, row.download, row.good_for, row.licence
    from localai.catalog import whisper

    _, size, good_for = whisper.SIZES[reference.name]
    return reference.name, size, good_for, "MIT"


def _fetched(console: Console, reference: Reference, kind: str) -> ModelFile:
    from localai.catalog.fit_check import refuse_too_large
    from localai.catalog.hub import repository
    from localai.catalog.hub.select import choose

    found = repository.look(reference.repo, revision=reference.revision)
    if kind == "hear":
        from localai.catalog import whisper

        parts = whisper.needed(found.files, reference.repo)
        folder = _with_progress(console, reference.name, found, parts)[0].parent
        return ModelFile(reference.name, folder)
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

    with ProgressLine(console, f"fetching {name}", "bytes") as progress:
        return download.fetch(repository, files, progress.update)
