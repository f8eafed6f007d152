"""click's command, group and option, as ours are made: they start sooner than its own.

click cleans the help of each option that it makes, and loads `inspect` for that, which every
one-liner would wait for. Ours are written clean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


class Option(click.Option):
    """An option whose help stands as it is written."""

    def __init__(self, *arguments: Any, help: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.help = help


def _show_help(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(context.get_help(), color=context.color)
        context.exit()


_HELP = Option(
    ["-h", "--help"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_help,
    help="Show this message and exit.",
)


class Command(click.Command):
    """A command with `-h` and `--help`."""

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Return the option that shows the help, one for all."""
        return _HELP


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command


def option(*names: str, **attributes: Any) -> Callable[[Function], Function]:
    """Add an option to a command, as `click.option` does; `help` is needed."""
    return click.option(*names, cls=Option, **attributes)


def command(**attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command, as `click.command` does."""
    return click.command(cls=Command, **attributes)


def group(**attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a function a group of commands, as `click.group` does."""
    return click.group(cls=Group, **attributes)
