"""`localai sd`: words to pictures, and what pictures say of how they were made."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command
from localai.commands.drawing_options import (
    asked_of,
    gigabytes,
    like,
    pictures,
    read_picture,
    result,
)
from localai.commands.failed_item import tell_failed
from localai.commands.open_engine import engine_for, spec_for
from localai.errors import BadInput, ExitCode, LocalaiError, SomeFailed
from localai.formats.text import one_line, sanitise, shown
from localai.system.files import read_text, sweep_partials
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.drawing.names import OutputNames
    from localai.drawing.options import DrawOptions
    from localai.drawing.view import DrawingView
    from localai.media.generation_parameters import GenerationParameters
    from localai.pool.engine_client import EngineClient
    from localai.types import ModelSpec

_MOST_TEXT = 1 << 26  # bytes of a file of prompts


@command(context_settings={"max_content_width": 100})
@click.argument("words", metavar="[PROMPT]...", nargs=-1)
@options.model
@pictures
@options.character
@result
@options.engine
@options.talk
@click.pass_context
def sd(ctx: click.Context, /, **given: Any) -> int:
    """Draw a picture of what the words say, and print its path.

    With -f, or words of `-`, each line is a picture of its own, and the model is loaded once.
    `localai sd show IMAGE` prints how a picture was made, `--like IMAGE` draws it again.

    \b
    Examples:
      localai sd -m tiny "a red apple"
      localai sd -m tiny "a red fox, ink drawing" -o - | localai sd -m tiny --init - "blue"
      localai sd -m tiny --count 4 --aspect wide -o 'foxes/{seed}.webp' "a red fox"
      localai sd show a-red-apple-5.png
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    if given["words"][:1] == ("show",) and len(given["words"]) == 2:
        return _show(console, given["words"][1], as_json=given["as_json"])
    if given["words"] == ("show",):
        raise BadInput("show names no picture", "localai sd show FILE.png")
    known = like(console, given)
    prompts = _prompts(console, given, known)
    asked = asked_of(given, known)
    spec = _spec(console, given, known)
    with ExitStack() as opened:
        names = _names(console, given, len(prompts) * asked.pictures, opened)
        files = _init_files(console, given, opened)
        view = _view(console, given, asked)
        engine = opened.enter_context(engine_for(console, given, spec))
        _draw(console, view, engine, spec, prompts, asked, names, given, files)
    return ExitCode.DONE


def _show(console: Console, name: str, *, as_json: bool) -> int:
    """Print how a picture was made."""
    from localai.media.generation_parameters import render

    parameters = read_picture(console, name)
    if as_json:
        console.write_json({**parameters._asdict(), "settings": dict(parameters.settings)})
    else:
        text = render(parameters)
        console.write_line(sanitise(text) if console.stdout.terminal else text)
    return ExitCode.DONE


def _prompts(
    console: Console, given: dict[str, Any], like: GenerationParameters | None
) -> list[str]:
    """Return what is to be drawn, one picture or several a prompt."""
    from localai.drawing.prompts import lines

    words = " ".join(given["words"])
    piped = not words and not given["prompts"] and not like and given["init"] != "-"
    if given["prompts"] and words:
        raise BadInput("-f has the prompts, and there are words, too", "use one of them")
    if given["prompts"] == "-" or words == "-" or (piped and not console.stdin.terminal):
        found = lines(console.read_stdin(typed=True))
    elif given["prompts"]:
        found = lines(read_text(Path(given["prompts"]), _MOST_TEXT))
    else:
        found = [words] if words.strip() else [like.prompt] if like else []
    if given["character"]:
        found = [_of_character(console, given, what) for what in found]
    if given["prompt_file"]:
        from localai.prompts import files

        template = files.load(given["prompt_file"])
        given["model"] = given["model"] or template.model
        found = [template.render(text) for text in found or [""]]
    if not any(text.strip() for text in found):
        raise BadInput(
            "there is nothing to draw", "give it as an argument, or a line each on stdin"
        )
    return found


def _of_character(console: Console, given: dict[str, Any], what: str) -> str:
    """Let the model that speaks as a character say how it looks, or what is around it."""
    from localai.chat import image_prompt
    from localai.commands.character_words import character_words

    if what not in image_prompt.OF_CARD:
        known = ", ".join(image_prompt.OF_CARD)
        raise BadInput(
            f"-c draws {known}, not {shown(what)[:40]!r}", f"-c {given['character']} you"
        )
    if what == "face" and not (given["size"] or given["width"] or given["height"]):
        given["aspect"] = given["aspect"] or "portrait"
    return character_words(console, given, what)


def _spec(console: Console, given: dict[str, Any], like: GenerationParameters | None) -> ModelSpec:
    """Return the model: the one that is named, else the one that --like was drawn with."""
    from localai.drawing.requests import model_like

    own = model_like(like, given["like"]) if like and not given["model"] else ""
    if own:
        given["model"] = own
    spec = spec_for(console, given, role="image")
    chosen: dict[str, str | int] = dict(spec.options)
    files = spec.files
    if given["vae"]:
        path = os.path.abspath(given["vae"])
        if not os.path.isfile(path):
            raise BadInput(f"there is no file {shown(given['vae'])}", "--vae FILE")
        files, chosen["vae"] = (*files, path), path
    if given["vram"] not in (None, "auto"):
        chosen["vram"] = gigabytes(given["vram"])
    return spec._replace(files=files, options=chosen)


def _names(
    console: Console, given: dict[str, Any], pictures: int, opened: ExitStack
) -> OutputNames:
    from localai.drawing.names import OutputNames

    output = given["output"]
    if output == "-":
        if console.stdout.terminal:
            raise BadInput("a picture's bytes would not show on a terminal", "-o FILE.png")
        if pictures > 1:
            raise BadInput(f"{pictures} pictures do not fit on stdout", "-o FOLDER/")
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="localai-sd-"))
        return OutputNames(f"{folder}/", 1, given["form"])
    names = OutputNames(output, pictures, given["form"])
    try:
        names.folder.mkdir(parents=True, exist_ok=True)
        sweep_partials(names.folder)
    except OSError as error:
        raise BadInput(f"{shown(names.folder)} cannot be used: {error.strerror}") from None
    return names


def _init_files(console: Console, given: dict[str, Any], opened: ExitStack) -> tuple[int, ...]:
    """Return the descriptor of a picture that comes on stdin or a pipe, kept to be read twice."""
    name = given["init"]
    if not name or os.path.isfile(name):
        return ()
    if name != "-" and (not os.path.exists(name) or os.path.isdir(name)):
        raise BadInput(f"there is no file {shown(name)}", "--init FILE")
    data = console.read_bytes() if name == "-" else _read_pipe(name)
    file = opened.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (it is entered)
    file.write(data)
    file.flush()
    return (file.fileno(),)


def _read_pipe(name: str) -> bytes:
    """Return the bytes of what is no plain file, such as `<(command)`."""
    with open(name, "rb") as file:
        data = file.read(_MOST_TEXT + 1)
    if len(data) > _MOST_TEXT:
        raise BadInput(f"{shown(name)} goes on and on", "--init FILE")
    return data


def _view(console: Console, given: dict[str, Any], asked: DrawOptions) -> DrawingView:
    from localai.drawing.view import DrawingView

    named = given["output"] is None or "{seed}" in given["output"] or os.path.isdir(given["output"])
    return DrawingView(
        console,
        pictures=not given["no_preview"],
        as_json=given["as_json"],
        as_bytes=given["output"] == "-",
        say_seed=asked.seed is None and not named,
        stats=given["stats"],
    )


def _draw(
    console: Console,
    view: DrawingView,
    engine: EngineClient,
    spec: ModelSpec,
    prompts: list[str],
    asked: DrawOptions,
    names: OutputNames,
    given: dict[str, Any],
    files: tuple[int, ...],
) -> None:
    """Draw all prompts; of several, one that fails does not keep the others from being drawn."""
    from localai.drawing.requests import requests
    from localai.drawing.session import Drawing

    failed = drawn = 0
    for prompt in prompts:
        try:
            for request in requests(
                asked, prompt, spec.name, names.folder, names.format, preview=view.shows
            ):
                drawing = Drawing(request, names, drawn, overwrite=given["force"])
                with closing(drawing.events(engine, files)) as events:  # type: ignore[type-var]
                    drawn += len(view.follow(events, f"drawing {spec.name}"))
        except LocalaiError as error:
            if len(prompts) == 1:
                raise
            tell_failed(console, one_line(prompt)[:60], error, as_json=given["as_json"])
            failed += 1
    if failed:
        raise SomeFailed(f"{failed} of {len(prompts)} prompts could not be drawn")
