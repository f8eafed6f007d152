"""A model's file for a command: on disk, or fetched because that was asked for.

The only place that asks "[Y/n]" and draws a transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localai import settings
from localai.catalog.names import ModelFile, Reference
from localai.engines.registry import models_for
from localai.errors import Interrupted, Unavailable
from localai.formats.text import shown
from localai.formats.units import amount
from localai.generation.model_spec import ModelOptions
from localai.terminal.confirm import can_ask, confirm
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine

if TYPE_CHECKING:
    from localai.catalog.hub.repository import HubFile, Repository
    from localai.catalog.source import ModelSource, Offer


def obtain(console: Console, options: ModelOptions, name: str, role: str = "text") -> ModelFile:
    """Return the files of a model, fetched with progress if they are not on disk.

    Parameters
    ----------
    name : str
        As given with `-m`; empty: nobody named one. Then one is offered: it is fetched only after
        a yes on a terminal, or with `yes`.
    role : str
        What it is to do, as in a row of `engines.registry`.

    Raises
    ------
    UnknownModel, Unavailable
        There is no such model, or it cannot be fetched, or may not.
    NotEnoughMemory
        It is too large for this machine; nothing was fetched.
    """
    source = models_for(role)
    meant = source.resolve(name or source.offered())
    if isinstance(meant, ModelFile):
        return meant
    if options.offline or settings.load().offline:
        raise Unavailable(
            f"{shown(meant.name)} is not on disk, and --offline forbids fetching it",
            "leave --offline out, or use -m tiny",
        )
    about = source.about(meant)
    if about is not None and about.bytes:  # its size is known: the hub need not be asked
        from localai.catalog.fit_check import refuse_too_large

        refuse_too_large(meant.name, about.bytes)
    if not name and not options.yes and about is not None:
        _ask(console, about, role)
    while isinstance(meant, Reference):
        meant = _fetched(console, meant, source)
    return meant


def _ask(console: Console, offer: Offer, role: str) -> None:
    """Offer a model that nobody named, on a terminal; in a pipe nothing is fetched unasked."""
    name, size = offer.name, amount(offer.bytes)
    if not can_ask(console):
        pull = f"localai models pull {name}" + (f" --kind {role}" if role != "text" else "")
        raise Unavailable(
            f"no model was named, and the one to begin with, {name} ({size}), is not on disk",
            f"{pull}, or add -y to fetch it now, or -m tiny to do without",
        )
    console.talk(f"No model is set. {name} suits this machine: {offer.good_for}.")
    if not confirm(console, f"Fetch it now ({size}, {offer.licence})?"):
        raise Interrupted("nothing was fetched", "-m tiny needs no download")


def _fetched(console: Console, reference: Reference, source: ModelSource) -> ModelFile | Reference:
    from localai.catalog.fit_check import refuse_too_large
    from localai.catalog.hub import repository

    found = repository.look(reference.repo, revision=reference.revision)
    files = source.needed(found.files, reference)
    total = sum(file.bytes or 0 for file in files)
    refuse_too_large(reference.name, total, reference.repo, found.files)
    return source.model(reference, _with_progress(console, reference.name, found, files))


def _with_progress(
    console: Console, name: str, repository: Repository, files: Sequence[HubFile]
) -> Sequence[Path]:
    from localai.catalog.hub import download

    with ProgressLine(console, f"fetching {name}", "bytes") as progress:
        return download.fetch(repository, files, progress.update)
