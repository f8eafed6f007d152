"""`localai describe-image`: captions, answers about pictures, and names for their files."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from localai import settings
from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.failed_item import tell_failed
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber
from localai.errors import BadInput, ExitCode, LocalaiError, SomeFailed
from localai.formats.text import shown
from localai.generation import build
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.captioning.output import CaptionOutput
    from localai.captioning.session import PictureCaption
    from localai.captioning.sources import PictureSource
    from localai.captioning.tasks import CaptionTask
    from localai.generation.build import GenerateOptions
    from localai.pool.engine_client import EngineClient

_PLACES = ("rename", "sidecar", "as_json", "jsonl", "print0")  # of the answers
_PARTS = {"pattern": "rename", "skip_existing": "sidecar", "force": "sidecar"}  # of another option
_TASKS = ("alt", "tags", "ocr", "filename")


@command(context_settings={"max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1)
@options.model
@option("--ask", "question", metavar="QUESTION", help="Answer this about the picture.")
@options.prompt
@options.system
@option("--alt", is_flag=True, help="Alternative text for web pages, at most 125 characters.")
@option("--tags", is_flag=True, help="Tags, separated by commas.")
@option("--ocr", is_flag=True, help="The text in the picture.")
@option("--filename", is_flag=True, help="A name for the file: lowercase-words-with-hyphens.")
@option("--max-words", type=BoundedNumber(1, 1000), metavar="N", help="At most N words.")
@options.constraints
@option(
    "--detail", type=click.Choice(["low", "high"]), help="How closely to look. [low; --ocr: high]"
)
@options.image_tokens
@option(
    "-r", "--recursive", is_flag=True, help="Take the pictures of folders and of those in them."
)
@option("--allow-url", is_flag=True, help="Fetch pictures named by http(s) addresses.")
@option("--rename", is_flag=True, help="Show names for the files: old -> new; rename with --yes.")
@option("--pattern", metavar="TEXT", help="Of new names: {name}, {date}, {old}. [{name}]")
@option("--only-bad-names", is_flag=True, help="Leave names alone that already read well.")
@option(
    "--sidecar", type=click.Choice(["txt", "caption"]), help="Write beside each picture instead."
)
@option("--prefix", default="", metavar="TEXT", help="Text before each answer.")
@option("--skip-existing", is_flag=True, help="Leave pictures alone whose --sidecar is there.")
@option("--force", is_flag=True, help="Overwrite sidecars that are there.")
@option("--jsonl", is_flag=True, help="One JSON object a line.")
@option("-0", "--print0", is_flag=True, help="NUL after each line instead of a newline.")
@options.sampling
@options.engine
@options.talk
@click.pass_context
def describe_image(ctx: click.Context, /, **given: Any) -> int:
    """Say what pictures show; `-` is stdin.

    One picture gives its text alone; several give a line each: file, tab, text. Answers are greedy
    unless --temp says otherwise.

    \b
    Examples:
      localai describe-image photo.jpg
      localai describe-image --filename lemurs.jpg
      localai describe-image --ask "How many people are there?" --schema 'count int' party.jpg
      localai describe-image --rename --yes ~/Pictures/IMG_*.jpg
      localai describe-image --sidecar txt --skip-existing -r dataset/
      localai describe-image --alt *.png > alt.tsv
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    _check_together(given)
    task, asked = _task(given), options.generation(given)
    names = given["files"] or (("-",) if not console.stdin.terminal else ())
    if not names:
        raise BadInput("there is no picture", "localai describe-image FILE, or - for stdin")
    from localai.captioning.sources import expand

    sources = expand(
        names,
        recursive=given["recursive"],
        allow_url=given["allow_url"],
        offline=given["offline"] or settings.load().offline,
    )
    wanted = _wanted(sources, given)
    output = _output(console, given, sources)
    failed = _describe_all(console, wanted, task, asked, output, given) + output.finish()
    if failed:
        raise SomeFailed(f"{failed} of {len(sources)} pictures failed")
    return ExitCode.DONE


def _check_together(given: dict[str, Any]) -> None:
    """Refuse options of which one would be left out without a word.

    Raises
    ------
    BadInput
        Two of them say where the answers go, or one goes with another that is not there.
    """
    places = [name for name in _PLACES if given[name]]
    if len(places) > 1 and set(places) != {"as_json", "jsonl"}:
        first, second = map(_flag, places[:2])
        raise BadInput(f"{first} and {second} are two places for the answers", "use one of them")
    for name, wanted in _PARTS.items():
        if given[name] not in (None, False) and not given[wanted]:
            raise BadInput(f"{_flag(name)} goes with {_flag(wanted)}", f"add {_flag(wanted)}")


def _flag(name: str) -> str:
    return "--json" if name == "as_json" else f"--{name.replace('_', '-')}"


def _task(given: dict[str, Any]) -> CaptionTask:
    """Return what is asked of each picture.

    Raises
    ------
    BadInput
        Several things are asked at once.
    """
    from localai.captioning import tasks

    if given["rename"]:
        given = {**given, "filename": True}
    named = [name for name in _TASKS if given[name]]
    own = [name for name in ("question", "prompt_file") if given[name] is not None]
    if len(named) + len(own) > 1:
        flags = ("--ask", "-p", *(f"--{name}" for name in _TASKS))
        raise BadInput(
            f"only one of {', '.join(flags)} can be asked at once", "leave the others out"
        )
    if own:
        question = given["question"] or ""
        task = tasks.CaptionTask(question, 2000)
    else:
        task = tasks.TASKS[named[0]] if named else tasks.CAPTION
    if named and any(given.get(name) for name in build.CONSTRAINTS):
        raise BadInput(
            f"--{named[0]} has a form of its own", "leave out the constraint, or use --ask"
        )
    return tasks.shortened(task, given["max_words"]) if given["max_words"] else task


def _wanted(sources: list[PictureSource], given: dict[str, Any]) -> list[PictureSource]:
    """Return the pictures that there is something to do for."""
    other = [each.name for each in sources if each.path is None]
    for name in ("rename", "sidecar", "only_bad_names"):
        if given[name] and other:
            what = f"{_flag(name)} is for files, and {shown(other[0])} is none"
            raise BadInput(what, "name a file")
    if given["only_bad_names"]:
        from localai.captioning.file_names import reads_well

        sources = [each for each in sources if each.path and not reads_well(each.path.stem)]
    if given["skip_existing"] and given["sidecar"]:
        from localai.captioning.output import sidecar_of

        sources = [e for e in sources if not sidecar_of(e, given["sidecar"]).exists()]
    return sources


def _output(console: Console, given: dict[str, Any], sources: list[PictureSource]) -> CaptionOutput:
    from localai.captioning import output

    many = len(sources) > 1
    if given["rename"]:
        folder = settings.load().folders.state / "renamed"
        pattern = "{name}" if given["pattern"] is None else given["pattern"]
        return output.Renamer(console, pattern, folder, really=given["yes"])
    if given["sidecar"]:
        return output.Sidecars(console, given["sidecar"], sources, overwrite=given["force"])
    if given["as_json"] or given["jsonl"]:
        return output.JsonOutput(console, many=many, lines=given["jsonl"])
    return output.Lines(console, many=many, nul=given["print0"])


def _describe_all(
    console: Console,
    sources: list[PictureSource],
    task: CaptionTask,
    asked: GenerateOptions,
    output: CaptionOutput,
    given: dict[str, Any],
) -> int:
    """Describe picture after picture, each put out before the next is read; return how many failed.

    The model is loaded once the first of them is known to be a picture.
    """
    from localai.captioning.session import Describer
    from localai.terminal.answer import tell_notice
    from localai.terminal.progress import ProgressLine

    prompt = build.prompt_file(asked)
    describer = Describer(
        task, asked, prompt, given["detail"], given["image_tokens"], given["prefix"]
    )
    notice = partial(tell_notice, console=console, told=set[str]())
    failed = 0
    with ExitStack() as opened:
        line = opened.enter_context(ProgressLine(console, "describing pictures", "requests"))
        engine: EngineClient | None = None
        for at, source in enumerate(sources):
            line.update(at, len(sources))
            try:
                output.check(source)
                picture = describer.decode(source, console.read_bytes)
                if engine is None:
                    spec = spec_for(console, given, (prompt and prompt.model) or "", role="vision")
                    engine = opened.enter_context(engine_for(console, given, spec))
                caption = describer.describe(engine, spec.name, source, picture, notice)
                output.put(caption)
            except LocalaiError as error:
                if len(sources) == 1:
                    raise
                tell_failed(console, shown(source.name), error, as_json=given["as_json"])
                output.put_failed(source, error)
                failed += 1
            else:
                _tell_end(console, caption, named=len(sources) > 1, stats=given["stats"])
    return failed


def _tell_end(console: Console, caption: PictureCaption, *, named: bool, stats: bool) -> None:
    """Say how an answer ended and, where that is asked for, what it has cost."""
    before = f"{shown(caption.source.name)}: " if named else ""
    if remark := caption.remark():
        console.warn(before + remark)
    if stats:
        console.talk(before + caption.answer.stats())
