"""`localai prompts`: list, show and write prompt files."""

from __future__ import annotations

from dataclasses import asdict

import click

from localai.commands.click_ext import group, list_unless_asked, option
from localai.formats.text import one_line
from localai.prompts import files as files
from localai.terminal.console import Console
from localai.terminal.table import show_names


class PromptName(click.types.StringParamType):
    """The name of a prompt, or a path to a prompt file."""

    name = "name"
    completion = "prompt"


_json = option("--json", "as_json", is_flag=True, help="One JSON value instead of text.")


@group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  localai prompts\n"
    "  localai prompts show summarize\n"
    "  localai prompts new haiku",
)
@_json
@click.pass_context
def prompts(context: click.Context, as_json: bool) -> None:
    """List, show and write prompt files.

    A prompt file holds a task that is needed again and again; `localai ask -p NAME` does it.
    Files in your own folder stand before the shipped ones.
    """
    list_unless_asked(context, list_, as_json)


@prompts.command(
    "list",
    epilog="\b\nExamples:\n"
    "  localai prompts list\n"
    "  localai prompts list --json | jq -r '.[].name'",
)
@_json
@click.pass_obj
def list_(console: Console, as_json: bool) -> None:
    """List all prompts with what they are for."""
    found = files.listing()
    if as_json:
        console.write_json([{**asdict(row), "path": str(row.path)} for row in found])
        return
    show_names(console, [(row.name, _about(row)) for row in found])


@prompts.command(
    "show",
    epilog="\b\nExamples:\n"
    "  localai prompts show translate\n"
    "  localai prompts show ./mine.md --json",
)
@click.argument("name", type=PromptName())
@_json
@click.pass_obj
def show(console: Console, name: str, as_json: bool) -> None:
    """Show a prompt file, or with --json what was read from it."""
    if as_json:
        console.write_json(files.load(name).to_json())
    else:
        console.write_line(files.read(files.FOLDER.find(name)))


@prompts.command(
    "path",
    epilog="\b\nExamples:\n"
    "  localai prompts path translate\n"
    '  $EDITOR "$(localai prompts path haiku)"',
)
@click.argument("name", type=PromptName())
@click.pass_obj
def path(console: Console, name: str) -> None:
    """Print where a prompt file lies."""
    console.write_line(str(files.FOLDER.find(name)))


@prompts.command(
    "new",
    epilog="\b\nExamples:\n"
    "  localai prompts new haiku\n"
    "  localai prompts new translate --from translate",
)
@click.argument("name")
@option("--from", "source", type=PromptName(), help="Copy this prompt.")
@option("--force", is_flag=True, help="Overwrite a prompt of that name.")
@click.pass_obj
def new(console: Console, name: str, source: str | None, force: bool) -> None:
    """Write a new prompt file into your own folder and print its path."""
    text = files.read(files.FOLDER.find(source)) if source else files.SKELETON
    console.write_line(str(files.FOLDER.add(name, ".md", text.encode(), force)))


def _about(row: files.PromptSummary) -> str:
    return one_line(row.description or f"(damaged) {row.problem}")
