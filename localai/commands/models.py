"""`localai models`: known models, what is on disk, and which one is used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai import settings
from localai.catalog import default_model, inventory, names
from localai.catalog.fit_check import whole_memory
from localai.catalog.gguf.parts import load_path
from localai.catalog.gguf_models import on_disk
from localai.commands.click_ext import group, list_unless_asked, option
from localai.engines.registry import ENGINES, engines, models_for
from localai.errors import UnknownModel
from localai.formats.text import clip, shown
from localai.formats.units import amount
from localai.generation.model_spec import ModelOptions
from localai.generation.obtain import obtain
from localai.terminal.console import Console
from localai.terminal.table import table

if TYPE_CHECKING:
    from localai.catalog.source import Entry, ModelSource

_json = option("--json", "as_json", is_flag=True, help="One JSON value instead of text.")
_KINDS = click.Choice([role for row in ENGINES.values() for role in row.roles])


@group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  localai models\n"
    "  localai models pull qwen3-4b\n"
    "  localai models show tiny\n"
    "  localai models default qwen3-4b",
)
@_json
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """Show, fetch and remove models, and choose the one that is used."""
    list_unless_asked(context, list_, as_json)


@models.command("list", epilog="\b\nExamples:\n  localai models list --json | jq -r '.[].name'")
@_json
@click.pass_obj
def list_(console: Console, as_json: bool) -> None:
    """List the known models and what else is on disk.

    Each kind has a table, under the name that --kind takes. NEEDS is the memory that a model
    takes, about; `*` marks what is on disk, `!` what does not fit into this machine's memory.
    """
    most = whole_memory()
    found = [replace(entry, fits=entry.memory <= most) for entry in _known()]
    if as_json:
        console.write_json([entry.to_json() for entry in found])
        return
    width = console.width if console.stdout.terminal else None
    for at, kind in enumerate(dict.fromkeys(entry.kind for entry in found)):
        if at:
            console.write_line("")
        heads = ("", kind.upper(), "SIZE", "NEEDS", "GOOD FOR")
        mine = [entry for entry in found if entry.kind == kind]
        rows = [(e.mark, e.name, amount(e.bytes), amount(e.memory), e.good_for) for e in mine]
        for line in table(heads, rows, "  rr"):
            console.write_line(clip(line, width) if width else line)


@models.command(
    "pull",
    epilog="\b\nExamples:\n"
    "  localai models pull qwen3-4b\n"
    "  localai models pull owner/repo:Q8_0\n"
    "  localai models pull hf:owner/repo/FILE.gguf\n"
    "  localai models pull owner/repo --kind hear",
)
@click.argument("name")
@option("--kind", type=_KINDS, help="What kind of model it is. [as listed, else text]")
@option("--offline", is_flag=True, help="Fetch nothing.")
@option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@click.pass_obj
def pull(console: Console, name: str, kind: str | None, offline: bool, quiet: bool) -> None:
    """Fetch a model and print its path; a transfer that was broken off goes on where it was."""
    if quiet:
        console.hush()
    if not name:
        raise UnknownModel("the model's name is empty", "localai models")
    role = kind or next((each.kind for each in _known() if each.name == name), "text")
    found = obtain(console, ModelOptions(name, offline=offline), name, role)
    console.write_line(shown(found.path))


@models.command("show", epilog="\b\nExamples:\n  localai models show tiny\n"
    "  localai models show ./model.gguf --json")  # fmt: skip
@click.argument("name", metavar="MODEL")
@_json
@click.pass_obj
def show(console: Console, name: str, as_json: bool) -> None:
    """Show what a model's file says of it, and the memory that it will need, about.

    Of a model that is no GGUF file (hearing, voices, pictures): what is known of it.

    `localai ps` shows what a loaded model has in memory at that time.
    """
    facts = _facts(name)
    if as_json:
        console.write_json(facts)
        return
    if "architecture" in facts:
        context = min(facts["context"] or inventory.CONTEXT, inventory.CONTEXT)
        facts["memory"] = f"{facts['memory']:,}, about, with a context of {context:,} tokens"
    for line in table(("", ""), [(key, _said(value)) for key, value in facts.items()])[1:]:
        console.write_line(line)


@models.command("rm", epilog="\b\nExamples:\n  localai models rm qwen3-4b")
@click.argument("name", metavar="MODEL")
@click.pass_obj
def rm(console: Console, name: str) -> None:
    """Remove a model from disk, and say how much room that gave."""
    freed = _removed(name)
    if not freed:
        raise UnknownModel(f"{shown(name)} is not on disk", "localai models")
    console.talk(f"removed {shown(name)}: {amount(freed)} freed")


@models.command("default", epilog="\b\nExamples:\n  localai models default\n"
    "  localai models default qwen3-4b")  # fmt: skip
@click.argument("name", metavar="[MODEL]", required=False)
@option("--kind", type=_KINDS, default="text", help="For what it is used. [text]")
@click.pass_obj
def default(console: Console, name: str | None, kind: str) -> None:
    """Show the model that is used where none is named, or choose it."""
    if name is None:
        chosen = settings.load().model(kind)
        if chosen is None:
            raise UnknownModel(f"no model is set for {kind}", "localai models default NAME")
        console.write_line(shown(chosen))
        return
    meant = models_for(kind).resolve(name)  # refuses what is none
    kept = name
    if isinstance(meant, names.ModelFile) and Path(name).exists():
        kept = str(load_path(meant.path))  # which means the same in every folder
    console.talk(f"{shown(default_model.set_model(kind, kept))}: {kind} = {shown(kept)}")


def _sources() -> Iterator[ModelSource]:
    """Yield what knows the models of each kind of engine, once."""
    for role in {row.models: row.roles[0] for row in engines().values() if row.roles}.values():
        yield models_for(role)


def _known() -> Iterator[Entry]:
    return chain.from_iterable(source.known() for source in _sources())


def _removed(name: str) -> int:
    """Return the bytes that removing a model of whatever kind has freed; 0: it is not on disk."""
    known, unknown = False, UnknownModel(f"no model is called {shown(name)}", "localai models")
    for at, source in enumerate(_sources()):
        try:
            if freed := source.remove(name):
                return freed
            known = True
        except UnknownModel as error:
            unknown = unknown if at else error
    if not known:
        raise unknown
    return 0


def _facts(name: str) -> dict[str, Any]:
    """Return what is known of a model: by its GGUF file, else by the tables of the other kinds."""
    try:
        return inventory.facts(name, _path(name))
    except UnknownModel:
        others = (entry for entry in _known() if entry.kind not in engines()["text"].roles)
        if (entry := next((each for each in others if each.name == name), None)) is None:
            raise
        return entry.to_json()


def _path(name: str) -> Path:
    """Return the file of a model that is on disk."""
    meant = names.resolve(name)
    found = meant if isinstance(meant, names.ModelFile) else on_disk(meant)
    if found is None:
        raise UnknownModel(f"{shown(name)} is not on disk", f"localai models pull {shown(name)}")
    return found.path


def _said(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,}" if type(value) is int else str(value)
