"""click's command, group and option, as ours are made: they start sooner than its own.

click cleans the help of each option that it makes, and loads `inspect` for that, which every
one-liner would wait for. Ours are written clean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

_WIDE = 60  # columns
Function = TypeVar("Function", bound=Callable[..., Any])


class Option(click.Option):
    """An option whose help stands as it is written."""

    def __init__(self, *arguments: Any, help: str, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.help = help


def showing(*names: str, text: Callable[[click.Context], str], help: str) -> Option:
    """Return an option that prints a text and leaves, whatever else is asked for."""

    def show(context: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not context.resilient_parsing:
            context.obj.write_line(text(context))  # the console: its reader may have left
            context.exit()

    return Option(names, is_flag=True, is_eager=True, expose_value=False, callback=show, help=help)


_HELP = showing("-h", "--help", text=click.Context.get_help, help="Show this message and exit.")


# Read by `main` from the words themselves: also what is wrong with them can be traced.
_DEBUG = Option(
    ["--debug"],
    is_flag=True,
    expose_value=False,
    help="On failure: where it was, and the engine's last words.",
)


class Formatter(click.HelpFormatter):
    """Help for the terminal's own width; a narrow one has each meaning below its option."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write options or commands and their meanings."""
        if self.width >= _WIDE:
            super().write_dl(list(rows), col_max, col_spacing)
            return
        for name, meaning in rows:
            self.write_text(name)
            with self.indentation():
                self.write_text(meaning)


class CommandContext(click.Context):
    """A context whose help is as wide as the terminal."""

    formatter_class = Formatter

    def make_formatter(self) -> click.HelpFormatter:
        """Return a formatter of at most `max_content_width` columns (click takes 50 at least)."""
        import shutil

        columns = shutil.get_terminal_size().columns
        return self.formatter_class(width=max(20, min(columns, self.max_content_width or 80) - 2))


class Command(click.Command):
    """A command with `-h` and `--help`."""

    context_class = CommandContext

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; what is wrong with them knows whose they are."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def make_parser(self, ctx: click.Context) -> Any:
        """Return click's parser, with the short options among the long ones, where it looks first.

        Else each `-m` first fails as a long option, which looks for names that are like it: 2 ms.
        """
        parser: Any = super().make_parser(ctx)
        for name, option in parser._short_opt.items():
            parser._long_opt.setdefault(name, option)
        options = parser._process_opts

        def process(word: str, state: Any) -> None:
            """Take a word that begins with a dash: no option's name is a blank (`- item one`)."""
            if parser.allow_interspersed_args and word.lstrip("-")[:1].isspace():
                state.largs.append(word)
            else:
                options(word, state)

        parser._process_opts = process
        return parser

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with those that all commands have."""
        *own, shows_help = super().get_params(ctx)
        return [*own, _DEBUG, shows_help]

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """Return the option that shows the help, one for all."""
        return _HELP


class Group(Command, click.Group):
    """A group of such commands."""

    command_class = Command


def option(*names: str, help: str, **attributes: Any) -> Callable[[Function], Function]:
    """Add an option to a command, as `click.option` does."""
    return click.option(*names, cls=Option, help=help, **attributes)


def command(**attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command, as `click.command` does."""
    return click.command(cls=Command, **attributes)


def group(**attributes: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a function a group of commands, as `click.group` does."""
    return click.group(cls=Group, **attributes)


def list_unless_asked(context: click.Context, list_: click.Command, as_json: bool) -> None:
    """Let a group list what it has where none of its commands was named.

    Raises
    ------
    click.UsageError
        Of a command that was named, `--json` stands before it, where it means nothing.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)
    elif as_json:
        name = f"{context.info_name} {context.invoked_subcommand}"
        raise click.UsageError(f"--json stands behind the command: localai {name} --json", context)
