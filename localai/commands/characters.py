"""`localai characters`: list, show, check, import, export and write character cards."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from localai.characters import export as exporting
from localai.characters import index as files
from localai.characters import lint as rules
from localai.characters import load, paths
from localai.characters.formats import yaml_writer
from localai.commands.click_ext import group, list_unless_asked, option
from localai.errors import BadInput, SomeFailed
from localai.formats.serialization import to_plain
from localai.formats.text import one_line
from localai.terminal.console import Console
from localai.terminal.output_file import output_to
from localai.terminal.table import show_names


class CharacterName(click.types.StringParamType):
    """The name of a character, or a path to a card."""

    name = "name"
    completion = "character"


_json = option("--json", "as_json", is_flag=True, help="One JSON value instead of text.")
_force = option("--force", is_flag=True, help="Overwrite what has that name.")


@group(
    invoke_without_command=True,
    epilog="\b\nExamples:\n"
    "  localai characters\n"
    "  localai characters show librarian\n"
    "  localai characters import card.png\n"
    "  localai characters export librarian -o librarian.png",
)
@_json
@click.pass_context
def characters(context: click.Context, as_json: bool) -> None:
    """List, show, check, import, export and write character cards.

    A card says who the model is: `localai chat -c NAME`. Cards are YAML files of our own form, and
    those of other programs: JSON, PNG and CHARX. Files in your own folder stand before the
    shipped ones.
    """
    list_unless_asked(context, list_, as_json)


@characters.command(
    "list",
    epilog="\b\nExamples:\n"
    "  localai characters list\n"
    "  localai characters list --json | jq -r '.[].name'",
)
@_json
@click.pass_obj
def list_(console: Console, as_json: bool) -> None:
    """List all characters with what they are."""
    found = files.listing()
    if as_json:
        console.write_json([{**asdict(row), "path": str(row.path)} for row in found])
        return
    show_names(console, [(row.name, _about(row)) for row in found])


@characters.command(
    "show",
    epilog="\b\nExamples:\n"
    "  localai characters show librarian\n"
    "  localai characters show ./card.png > card.yaml",
)
@click.argument("name", type=CharacterName())
@_json
@click.pass_obj
def show(console: Console, name: str, as_json: bool) -> None:
    """Show a card as YAML, or with --json what was read from it."""
    card = files.opened(name)
    if as_json:
        head = {"path": str(card.path), "form": card.form}
        console.write_json({**head, **to_plain(card.character)})
        return
    _tell_losses(console, card)
    console.write_line(yaml_writer.write(card.character).rstrip("\n"))


@characters.command(
    "path",
    epilog="\b\nExamples:\n"
    "  localai characters path librarian\n"
    '  $EDITOR "$(localai characters path mara)"',
)
@click.argument("name", type=CharacterName())
@click.pass_obj
def path(console: Console, name: str) -> None:
    """Print where a card lies."""
    console.write_line(str(paths.FOLDER.find(name)))


@characters.command(
    "check",
    epilog="\b\nExamples:\n  localai characters check\n  localai characters check ./card.png mara",
)
@click.argument("names", nargs=-1, type=CharacterName())
@_json
@click.pass_obj
def check(console: Console, names: tuple[str, ...], as_json: bool) -> None:
    """Warn of what is probably wrong in a card.

    Without a name all cards are looked at. Warnings are on stdout, with file and line, and the exit
    code is 0; a card that cannot be read is an error.
    """
    chosen = [paths.FOLDER.find(name) for name in names] or [row.path for row in files.listing()]
    found: list[rules.LintWarning] = []
    damaged: list[BadInput] = []
    for card in chosen:
        try:
            found += rules.check(load.open_card(card))
        except BadInput as error:
            damaged.append(error)
    _tell(console, found, as_json)
    _end(console, len(chosen), len(found), damaged)


@characters.command(
    "import",
    epilog="\b\nExamples:\n"
    "  localai characters import card.png\n"
    "  localai characters import card.json --as mara\n"
    "  localai characters import - < card.charx",
)
@click.argument("file", type=click.Path())
@option("--as", "name", metavar="NAME", help="Call it this, not as the card is called.")
@_force
@click.pass_obj
def import_(console: Console, file: str, name: str | None, force: bool) -> None:
    """Put a card into your own folder and print its path.

    Tavern cards V1, V2 and V3 (JSON, PNG, CHARX), YAML of text-generation-webui and JSON of
    Pygmalion. The file stays as it is; `new --extends NAME` makes a card that changes it.
    """
    source = Path("stdin" if file == "-" else file)
    data = console.read_bytes() if file == "-" else paths.FOLDER.read(source)
    card = load.parse(data, source)
    suffix, content = exporting.imported(card, data)
    name = exporting.name_for(card.character) if name is None else name
    console.write_line(str(paths.FOLDER.add(name, suffix, content, force)))
    for warning in rules.check(card):
        console.warn(str(warning))


@characters.command(
    "export",
    epilog="\b\nExamples:\n"
    "  localai characters export librarian -o librarian.png\n"
    "  localai characters export librarian --spec 2 > librarian.json",
)
@click.argument("name", type=CharacterName())
@option(
    "-o", "--output", metavar="FILE", help="A .json, .png or .yaml file; - is JSON on stdout. [-]"
)
@option("--spec", type=click.Choice(["2", "3"]), default="3", help="Version of the JSON. [3]")
@option("--picture", type=click.Path(), metavar="FILE", help="A PNG for the .png card.")
@_force
@click.pass_obj
def export(
    console: Console, name: str, output: str | None, spec: str, picture: str | None, force: bool
) -> None:
    """Write a card that other programs read.

    A PNG keeps the card's own picture, or gets a plain one, and holds both versions. JSON and PNG
    keep every key of the card; YAML keeps what localai uses.
    """
    card = files.opened(name)
    form = Path(output).suffix.lower() if output not in (None, "-") else ".json"
    if form == ".yaml":
        _tell_losses(console, card)
    given = paths.FOLDER.read(Path(picture)) if picture else None
    data = exporting.exported(card, form, int(spec), given)
    with output_to(console, output, overwrite=force):
        console.write_bytes(data)


@characters.command(
    "new",
    epilog="\b\nExamples:\n"
    "  localai characters new mara\n"
    "  localai characters new my-librarian --extends librarian\n"
    "  localai characters new ghost --from ghost",
)
@click.argument("name")
@option("--from", "source", type=CharacterName(), help="Copy this card.")
@option("--extends", "base", type=CharacterName(), help="Change this card, and keep its rest.")
@_force
@click.pass_obj
def new(console: Console, name: str, source: str | None, base: str | None, force: bool) -> None:
    """Begin a new card in your own folder and print its path."""
    if source and base:
        raise BadInput("--from and --extends exclude each other")
    if source:
        card = files.opened(source)
        _tell_losses(console, card)
        text = yaml_writer.write(card.character)
    elif base:
        text = yaml_writer.patch(files.load(base).name, _nameable(base, name))
    else:
        text = yaml_writer.skeleton(name.replace("-", " ").title())
    console.write_line(str(paths.FOLDER.add(name, ".yaml", text.encode(), force)))


def _nameable(base: str, name: str) -> str:
    if paths.FOLDER.is_path(base):
        raise BadInput(
            f"a card can only extend characters that have a name, not {base!r}",
            f"localai characters import {base}",
        )
    if paths.FOLDER.find(base).parent == paths.FOLDER.folders()["user"] and base == name:
        raise BadInput(f"{name!r} cannot be a change of itself", "give the new card another name")
    return base


def _about(row: files.CharacterSummary) -> str:
    return one_line(f"(damaged) {row.problem}" if row.problem else row.about or row.character)


def _tell(console: Console, found: list[rules.LintWarning], as_json: bool) -> None:
    if as_json:
        console.write_json([_plain(warning) for warning in found])
        return
    for warning in found:
        console.write_line(str(warning))


def _plain(warning: rules.LintWarning) -> dict[str, Any]:
    return {"path": str(warning.path), "line": warning.line or None, "text": warning.text}


def _end(console: Console, cards: int, warnings: int, damaged: list[BadInput]) -> None:
    if len(damaged) == 1 == cards:
        raise damaged[0]
    if damaged:
        reasons = "; ".join(error.what for error in damaged[:5])
        raise SomeFailed(f"{len(damaged)} of {cards} cards cannot be read: {reasons}")
    console.talk(
        f"{cards} card{'s' * (cards != 1)}, {warnings or 'no'} warning{'s' * (warnings != 1)}"
    )


def _tell_losses(console: Console, card: load.LoadedCard) -> None:
    if lost := sum(len(part) for part in card.character.extra.values()):
        keys = f"{lost} key{'s' * (lost != 1)} of other programs left out"
        console.warn(f"{keys}; an export to .json keeps everything")
