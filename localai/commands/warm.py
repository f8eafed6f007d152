"""`localai warm`: load a model before the first question."""

from __future__ import annotations

from typing import Any

import click

from localai import settings
from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.errors import BadInput, NoDaemon
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine


@command(epilog="\b\nExamples:\n  localai warm tiny\n  localai warm tiny --keep-alive 1h")
@click.argument("model", required=False)
@options.engine
@option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors.")
@option("--no-color", is_flag=True, help="No colour.")
@click.pass_obj
def warm(console: Console, /, **given: Any) -> None:
    """Load a model and keep it loaded, so that the first question is answered at once."""
    options.apply(console, given)
    if given["cold"]:
        raise BadInput("--cold keeps nothing loaded", "leave it out")
    if not settings.load().warm:
        raise NoDaemon(
            "the warm host is switched off", "set LOCALAI_WARM=1, or `warm` in the config"
        )
    spec = spec_for(console, given)
    with ProgressLine(console, f"loading {spec.name}"), engine_for(console, given, spec) as engine:
        if not engine.persistent:
            raise NoDaemon("nothing is kept loaded without a warm host", "localai doctor")
        engine.wait()
