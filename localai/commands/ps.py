"""`localai ps`: the models that are loaded now."""

from __future__ import annotations

import time
from typing import Any

import click

from localai.commands.click_ext import command, option
from localai.formats.units import amount, span
from localai.pool import daemon_client
from localai.terminal.console import Console
from localai.terminal.table import table

_HEADS = (
    "MODEL",
    "KIND",
    "DEVICE",
    "MEMORY",
    "OF FILES",
    "REQUESTS",
    "IDLE",
    "LEAVES IN",
    "SINCE",
)


@command(epilog="\b\nExamples:\n  localai ps\n  localai ps --json | jq '.models[].memory'")
@option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@click.pass_obj
def ps(console: Console, as_json: bool) -> None:
    """Show the loaded models: kind, device, memory, requests, and since when.

    A model stays loaded for some time after its last request (`--keep-alive`), so that the next one
    is answered at once.

    MEMORY is measured, OF FILES how much of it are pages of the model's files: the system takes
    those back where room is needed, so a model gets by with less. What a model needs, about, is
    told by `localai models show`.
    """
    found = daemon_client.status()
    if as_json:
        console.write_json(found)
        return
    if not found["models"]:
        console.talk("no model is loaded")
        return
    for line in table(_HEADS, [_row(each) for each in found["models"]], "   rrr"):
        console.write_line(line)


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    busy = f"{model['running']}" + (f" (+{model['waiting']})" if model["waiting"] else "")
    idle = span(model["idle"]) if model["idle"] >= 1 else "-"
    leaves = "-" if model["leaves_in"] is None else span(model["leaves_in"])
    since = time.strftime("%H:%M", time.localtime(model["since"]))
    device = model["device"] or model["state"]
    memory, files = amount(model["memory"]), amount(model["file_memory"])
    return (model["model"], model["kind"], device, memory, files, busy, idle, leaves, since)
