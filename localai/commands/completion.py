"""`localai completion`: a static script for the shell, made from the table of commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from localai import settings
from localai.characters import paths
from localai.commands.click_ext import command
from localai.prompts import files
from localai.resources import ResourceFolder
from localai.terminal.completions import (
    CompletionCommand,
    CompletionOption,
    CompletionValues,
    Folders,
    Table,
    bash,
    zsh,
)
from localai.terminal.completions_fish import fish
from localai.terminal.console import Console

_SCRIPTS: dict[str, Callable[[Table, Folders], str]] = {"bash": bash, "fish": fish, "zsh": zsh}

# What an option's name or a metavar says where a parameter's type says nothing.
_BY_NAME = {
    "--prompt": CompletionValues("prompt"),
    "--character": CompletionValues("character"),
    "--session": CompletionValues("session"),
    "--model": CompletionValues("model", ("tiny",)),
    "MODEL": CompletionValues("model", ("tiny",)),
    "--schema": CompletionValues("file"),
    "FILE": CompletionValues("file"),
    "FOLDER": CompletionValues("folder"),
}


@command(
    epilog="\b\nExamples:\n"
    "  localai completion bash > ~/.local/share/bash-completion/completions/localai\n"
    "  localai completion zsh > ~/.zfunc/_localai\n"
    "  localai completion fish > ~/.config/fish/completions/localai.fish",
)
@click.argument("shell", type=click.Choice(list(_SCRIPTS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script for bash, zsh or fish.

    The script is complete in itself: it starts no Python, neither with the shell nor at a Tab.
    Print it anew after an update.
    """
    console: Console = context.obj
    root = context.find_root()
    table = list(_walk(root.command, _context(root.command, None), ()))
    console.write_line(_SCRIPTS[shell](table, _folders()))


def _folders() -> dict[str, list[str]]:
    """Return where the files lie whose names are completed."""
    return {
        "prompt": _of(files.FOLDER),
        "character": _of(paths.FOLDER),
        "session": [str(settings.load().folders.data / "sessions")],
    }


def _of(shelf: ResourceFolder) -> list[str]:
    return [str(folder) for folder in shelf.folders().values()]


def _walk(
    command: click.Command, context: click.Context, path: tuple[str, ...]
) -> Iterator[CompletionCommand]:
    """Yield a command and all below it."""
    children = _children(command, context) if isinstance(command, click.Group) else {}
    shown = [param for param in command.get_params(context) if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if isinstance(param, click.Argument)]
    yield CompletionCommand(
        path=path,
        children=tuple((name, child.get_short_help_str(60)) for name, child in children.items()),
        options=tuple(_option(param) for param in shown if isinstance(param, click.Option)),
        arguments=tuple(_values(argument) for argument in arguments),
        repeats=any(argument.nargs == -1 for argument in arguments),
    )
    for name, child in children.items():
        yield from _walk(child, _context(child, context), (*path, name))


def _context(command: click.Command, parent: click.Context | None) -> click.Context:
    # The settings hold the names of the help option.
    return click.Context(command, parent, **command.context_settings)


def _children(group: click.Group, context: click.Context) -> dict[str, click.Command]:
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: child for name, child in found.items() if child and not child.hidden}


def _option(param: click.Option) -> CompletionOption:
    takes = None if param.is_flag or param.count else _values(param)
    text = (param.help or "").split("\n")[0].split(". ")[0].rstrip(".")
    return CompletionOption((*param.opts, *param.secondary_opts), text, takes)


def _values(param: click.Parameter) -> CompletionValues:
    """Return what may stand in a parameter's place.

    A parameter type may say it in an attribute `completion`: "file", "folder", "prompt",
    "character", "session", or a tuple of words; else the parameter's name or metavar does.
    """
    said = getattr(param.type, "completion", None)
    if isinstance(said, tuple):
        return CompletionValues("words", said)
    if isinstance(said, str):
        return CompletionValues(said)
    if isinstance(param.type, click.Choice):
        return CompletionValues("words", tuple(map(str, param.type.choices)))
    if isinstance(param.type, click.Path):
        return CompletionValues("file" if param.type.file_okay else "folder")
    if isinstance(param.type, click.File):
        return CompletionValues("file")
    names = (*param.opts, (param.metavar or param.human_readable_name).strip("[].").upper())
    return next((_BY_NAME[name] for name in names if name in _BY_NAME), CompletionValues("none"))
