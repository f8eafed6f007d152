"""`localai bench`: how fast a model is on this machine."""

from __future__ import annotations

from typing import Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import spec_for
from localai.diagnostics import bench as measuring
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine
from localai.terminal.table import table


@command(epilog="\b\nExamples:\n  localai bench tiny\n  localai bench tiny --json")
@click.argument("model", required=False)
@options.machine
@option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@option("--no-color", is_flag=True, help="No colour.")
@click.pass_obj
def bench(console: Console, /, **given: Any) -> None:
    """Measure a model: prompt and decoding speed, time to the first token, several streams.

    It is measured in a process of its own, whatever else is loaded.
    """
    options.apply(console, given)
    spec = spec_for(console, given)
    with ProgressLine(console, f"measuring {spec.name}") as progress:

        def note(what: str) -> None:
            progress.label = f"measuring {spec.name}: {what}"

        speeds = measuring.measure(spec, note)
    if given["as_json"]:
        console.write_json({"model": spec.name, **speeds.to_json()})
        return
    for line in table(("WHAT", spec.name, ""), _rows(speeds), " r"):
        console.write_line(line)


def _rows(speeds: measuring.Speeds) -> list[tuple[str, str, str]]:
    rows = [
        (f"prompt, {measuring.PROMPT_TOKENS} tokens", f"{speeds.prompt:.0f}", "tokens/s"),
        (f"decoding, {measuring.DECODE_TOKENS} tokens", f"{speeds.decode:.0f}", "tokens/s"),
        ("first token, cold", f"{speeds.first_token_cold * 1000:.0f}", "ms"),
        ("first token, warm", f"{speeds.first_token_warm * 1000:.0f}", "ms"),
    ]
    for count, speed in speeds.streams.items():
        rows.append((f"{count} stream{'s' * (count > 1)} together", f"{speed:.0f}", "tokens/s"))
    return rows
