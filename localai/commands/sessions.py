"""`localai sessions`: the chats that were kept."""

from __future__ import annotations

import click

from localai.chat import export, session_store
from localai.chat.slash import storage
from localai.commands.click_ext import group, list_unless_asked, option
from localai.terminal.console import Console
from localai.terminal.table import table

_json = option("--json", "as_json", is_flag=True, help="One JSON value instead of text.")


class SessionName(click.types.StringParamType):
    """The name of a session."""

    name, completion = "name", "session"


@group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  localai sessions\n"
    "  localai sessions search lighthouse\n"
    "  localai sessions remove ada",
)
@_json
@click.pass_context
def sessions(context: click.Context, as_json: bool) -> None:
    """List, show, search and remove the chats that were kept.

    `localai chat --session NAME` goes on with one.
    """
    list_unless_asked(context, list_, as_json)


@sessions.command("list", epilog="\b\nExamples:\n  localai sessions list --json | jq '.[].name'")
@_json
@click.pass_obj
def list_(console: Console, as_json: bool) -> None:
    """List all sessions, the one that changed last first."""
    found = session_store.listing()
    if as_json:
        console.write_json([session_store.to_json(row) for row in found])
    elif not found:
        console.talk("there are no sessions")
    else:
        for line in table(storage.SESSION_HEADS, list(map(storage.session_row, found)), "  r"):
            console.write_line(line)


@sessions.command("show", epilog="\b\nExamples:\n  localai sessions show ada | less")
@click.argument("name", type=SessionName())
@_json
@click.pass_obj
def show(console: Console, name: str, as_json: bool) -> None:
    """Show what was said in a session."""
    transcript = session_store.read(name)
    if as_json:
        console.write_json(export.as_json(transcript))
    else:
        console.write_line(export.as_markdown(transcript).rstrip("\n"))


@sessions.command("search", epilog="\b\nExamples:\n  localai sessions search lighthouse")
@click.argument("words", nargs=-1, required=True)
@_json
@click.pass_obj
def search(console: Console, words: tuple[str, ...], as_json: bool) -> None:
    """Find what was said, in all sessions, whatever its case."""
    found = list(session_store.search(" ".join(words)))
    if as_json:
        console.write_json([session_store.to_json(row) for row in found])
    elif not found:
        console.talk("nothing found")
    else:
        rows = [(row.session, row.role, row.text) for row in found]
        for line in table(("SESSION", "WHO", "TEXT"), rows):
            console.write_line(line)


@sessions.command("remove", epilog="\b\nExamples:\n  localai sessions remove ada")
@click.argument("names", type=SessionName(), nargs=-1, required=True)
@click.pass_obj
def remove(console: Console, names: tuple[str, ...]) -> None:
    """Remove sessions for good."""
    for name in names:
        session_store.existing(name)  # all or none
    for name in names:
        session_store.remove(name)
        console.talk(f"removed {name}")
