"""`localai stop`: give the memory back now."""

from __future__ import annotations

import click

from localai.catalog import names
from localai.catalog.gguf.parts import load_path
from localai.catalog.gguf_models import on_disk
from localai.commands.click_ext import command, option
from localai.errors import BadInput, LocalaiError, UnknownModel
from localai.formats.text import nearest, shown
from localai.pool import daemon_client
from localai.terminal.console import Console


@command(epilog="\b\nExamples:\n  localai stop tiny\n  localai stop --all")
@click.argument("model", required=False)
@option("--all", "everything", is_flag=True, help="All models, and the warm host itself.")
@click.pass_obj
def stop(console: Console, model: str | None, everything: bool) -> None:
    """Stop a loaded model at once; what it was answering ends there.

    MODEL is a name or a file as `localai ps` shows it.
    """
    if (model is None) != everything:
        raise BadInput("stop one model, or all of them", "localai stop MODEL or localai stop --all")
    for name in daemon_client.stop(None if model is None else _called(model)) or _nothing(model):
        console.talk(f"stopped {shown(name)}")


def _called(model: str) -> tuple[str, ...]:
    """Return what the model may be called in the host's books."""
    try:
        found = names.resolve(model)
        if isinstance(found, names.Reference):
            found = on_disk(found) or found
    except LocalaiError:  # it may have been moved since it was loaded
        return (model,)
    return (model, str(load_path(found.path))) if isinstance(found, names.ModelFile) else (model,)


def _nothing(model: str | None) -> list[str]:
    if model is not None:
        loaded = [each["model"] for each in daemon_client.status()["models"]]
        raise UnknownModel(f"{shown(model)} is not loaded", nearest(model, loaded) or "localai ps")
    return []
