"""The table of commands, and `main`: the only place where an error becomes a message and a code."""

from __future__ import annotations

import gc
import importlib
import itertools
import sys

import click

from localai import __version__, settings
from localai.commands.click_ext import Group, showing
from localai.errors import BadInput, ClosedPipe, ExitCode, Interrupted, LocalaiError, Undecided
from localai.formats.text import nearest
from localai.terminal.console import Console
from localai.terminal.signals import fill_closed_streams, leave_tidily_on_signals

COMMANDS: dict[str, tuple[str, str]] = {
    # name: (module:function, summary)
    "ask": ("localai.commands.ask:ask", "Ask a question; the answer goes to stdout."),
    "chat": ("localai.commands.chat:chat", "Talk with a model or a character."),
    "describe-image": (
        "localai.commands.describe_image:describe_image",
        "Say what pictures show; name their files.",
    ),
    "sd": ("localai.commands.sd:sd", "Draw pictures of what words say."),
    "transcribe": ("localai.commands.transcribe:transcribe", "Write down speech."),
    "spirit": ("localai.commands.spirit:spirit", "Hold a seance: a voice out of the noise."),
    "speak": ("localai.commands.speak:speak", "Speak a text, aloud or into a file."),
    "batch": ("localai.commands.batch:batch", "Answer every row of a file."),
    "models": ("localai.commands.models:models", "Show, fetch and choose models."),
    "sessions": ("localai.commands.sessions:sessions", "List, show, search and remove chats."),
    "ps": ("localai.commands.ps:ps", "Show the loaded models."),
    "warm": ("localai.commands.warm:warm", "Load a model before the first question."),
    "stop": ("localai.commands.stop:stop", "Stop a loaded model, or all of them."),
    "bench": ("localai.commands.bench:bench", "Measure how fast a model is here."),
    "doctor": ("localai.commands.doctor:doctor", "Look whether everything works here."),
    "prompts": ("localai.commands.prompts:prompts", "List, show and write prompt files."),
    "characters": ("localai.commands.characters:characters", "List, show and write characters."),
    "completion": ("localai.commands.completion:completion", "Print a completion script."),
}


class LazyGroup(Group):
    """A group that imports a command's module only when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; an unknown name gets a did-you-mean."""
        if cmd_name not in COMMANDS:
            near = nearest(cmd_name, COMMANDS)
            raise BadInput(f"there is no command {cmd_name!r}", near or "localai --help")
        module, _, function = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), function)
        assert isinstance(command, click.Command)
        gc.freeze()
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the summaries of the table, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


_VERSION = showing(
    "--version", text=lambda _: f"localai {__version__}", help="Show the version and exit."
)


@click.group(cls=LazyGroup, invoke_without_command=True, params=[_VERSION])
@click.pass_context
def cli(ctx: click.Context) -> int:
    """Give local generative models to the shell: everything runs on your own machine.

    \b
    Examples:
      localai ask -m tiny "What is the capital of France?"
      localai ask -m tiny "Explain the above in one sentence:" < text.txt
      git diff | localai ask -p commit-message
      if localai ask -m tiny --test "Is this mail spam?" < mail.txt; then echo spam; fi
    """  # noqa: D301 (click reads the \b)
    if ctx.invoked_subcommand is None:
        ctx.obj.talk(ctx.get_help())
        return ExitCode.USAGE
    return ExitCode.DONE


def main(arguments: list[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Parameters
    ----------
    arguments : list of str or None
        Without the program's name; None: those of this process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    flags = set(itertools.takewhile("--".__ne__, arguments))
    fill_closed_streams()
    console = Console.standard()
    console.debug = "--debug" in flags or settings.debugging()
    leave_tidily_on_signals()
    try:
        result = cli.main(arguments, prog_name="localai", obj=console, standalone_mode=False)
        return int(result) if isinstance(result, int) else ExitCode.DONE
    except (Exception, KeyboardInterrupt) as error:
        known = _known(error)
        if known.code == ExitCode.FAILED and "--test" in flags:
            # Whatever broke, a test that was not made says neither yes nor no.
            known = Undecided(known.what, known.next_step)
        if known is not error:
            known.__cause__ = error
        if isinstance(known, ClosedPipe):
            console.abandon()
        else:
            console.error(known, as_json="--json" in flags)
        return known.code


def _known(error: BaseException) -> LocalaiError:
    """Return any error as one of ours."""
    match error:
        case LocalaiError():
            return error
        case click.UsageError():
            where = error.ctx.command_path if error.ctx else "localai"
            return BadInput(error.format_message().rstrip("."), f"{where} --help")
        case click.ClickException():
            return BadInput(error.format_message())
        case KeyboardInterrupt() | click.Abort():
            return Interrupted("stopped")
        case OSError():
            place = f": {error.filename}" if error.filename else ""
            return LocalaiError(f"the system refuses: {error.strerror or error}{place}")
        case _:
            return LocalaiError(
                f"this should not have happened: {type(error).__name__}: {error}",
                "run it again with --debug to see where, and report it",
            )
