"""`localai transcribe`: speech to text, on stdout or as subtitles."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.errors import BadInput, ExitCode, LocalaiError, SomeFailed
from localai.formats.text import shown
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.pool.engine_client import EngineClient
    from localai.transcription.session import TranscribeOptions, Transcription
    from localai.types import ModelSpec

_FORMATS = ("txt", "srt", "vtt", "tsv", "json", "jsonl", "lrc", "md")
_TIMED = ("srt", "vtt", "tsv", "lrc")


@command(context_settings={"max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1)
@options.model
@option(
    "-F",
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    metavar="|".join(_FORMATS),
    help="Format of the output; repeatable. [txt]",
)
@option("-o", "--output", metavar="FILE|DIR", help="Write there instead of stdout; - is stdout.")
@option("--force", is_flag=True, help="Overwrite files that are there.")
@option("--skip-existing", is_flag=True, help="Leave files alone whose output is there.")
@option(
    "-l", "--language", metavar="CODE", help="The language that is spoken (en, de). [found out]"
)
@option("--languages", metavar="A,B,...", help="One of these languages is spoken.")
@option("--translate", is_flag=True, help="Translate into English.")
@option(
    "--initial-prompt",
    "--hint",
    "prompt",
    default="",
    metavar="TEXT",
    help="Text whose spelling and names the transcript follows.",
)
@option("--hotwords", default="", metavar="WORDS", help="Words that are likely to be said.")
@option(
    "--clip",
    "clips",
    multiple=True,
    metavar="A-B",
    help="Only from A to B (1:30-2:10); repeatable.",
)
@option(
    "--sample-rate", type=int, metavar="HZ", help="The input is bare 16-bit samples at this rate."
)
@option(
    "--batch", is_flag=True, help="Quicker, plain text alone: without times that could be kept to."
)
@option("--resume", is_flag=True, help="Go on where the same command was cut off.")
@options.engine
@options.talk
@click.pass_context
def transcribe(ctx: click.Context, /, **given: Any) -> int:
    """Write down the speech in sound and video files; `-` is stdin.

    The text of one file goes to stdout as it is heard. With several files, the text of each is
    written beside it, or into the folder of -o, and the names of the written files are printed.

    \b
    Examples:
      localai transcribe talk.mp4
      localai transcribe talk.mp4 | localai ask -p summarize
      localai transcribe -F srt -F txt -o subtitles/ *.mkv
      ffmpeg -i talk.mp4 -f wav - | localai transcribe -
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    asked = _asked(given)
    files = given["files"] or (("-",) if not console.stdin.terminal else ())
    if not files:
        raise BadInput("there is no sound", "localai transcribe FILE, or - for stdin")
    targets = _targets(files, given)
    if len(files) == 1 and files[0] != "-" and not Path(files[0]).exists():
        raise BadInput(f"there is no file {shown(files[0])}", "check its name")
    spec = spec_for(console, given, role="hear")
    failed = 0
    with engine_for(console, given, spec) as engine:
        for name in files:
            try:
                _one(console, engine, spec, name, targets[name], asked, given)
            except LocalaiError as error:
                if len(files) == 1 or error.code in (ExitCode.INTERRUPTED, ExitCode.CLOSED_PIPE):
                    raise
                console.warn(f"{shown(name)}: {error.what}")
                failed += 1
    if failed:
        raise SomeFailed(f"{failed} of {len(files)} files could not be transcribed")
    return ExitCode.DONE


def _asked(given: dict[str, Any]) -> TranscribeOptions:
    from localai.media.clips import parse_clip
    from localai.transcription.session import TranscribeOptions

    formats = set(given["formats"])
    if given["batch"] and formats & {*_TIMED, "json", "jsonl"}:
        raise BadInput(
            "--batch gives no times that could be kept to", "leave it out, or use -F txt"
        )
    if given["language"] and given["languages"]:
        raise BadInput("--language and --languages cannot be kept together", "use one of them")
    return TranscribeOptions(
        language=given["language"],
        languages=tuple(filter(None, (given["languages"] or "").split(","))),
        translate=given["translate"],
        batch=given["batch"],
        prompt=given["prompt"],
        hotwords=given["hotwords"],
        clips=tuple(parse_clip(each) for each in given["clips"]),
        raw_rate=given["sample_rate"],
        resume=given["resume"],
    )


def _targets(files: tuple[str, ...], given: dict[str, Any]) -> dict[str, dict[str, Path | None]]:
    """Return for each input the file of each format; None is stdout."""
    formats = tuple(dict.fromkeys(given["formats"])) or ("txt",)
    output = given["output"]
    if output == "-" or (output is None and len(files) == 1 and len(formats) == 1):
        if len(formats) > 1:
            raise BadInput("several formats do not fit on stdout", "-o FILE or -o FOLDER/")
        return {name: {formats[0]: None} for name in files}
    if output is None:
        return {
            name: {each: Path(name).with_suffix(f".{each}") for each in formats} for name in files
        }
    folder = Path(output)
    if folder.is_dir() or output.endswith("/") or len(files) > 1:
        folder.mkdir(parents=True, exist_ok=True)
        return {
            name: {each: folder / f"{Path(name).stem or 'stdin'}.{each}" for each in formats}
            for name in files
        }
    whole = folder if len(formats) == 1 else None
    return {
        name: {each: whole or folder.with_suffix(f".{each}") for each in formats} for name in files
    }


def _one(
    console: Console,
    engine: EngineClient,
    spec: ModelSpec,
    name: str,
    targets: dict[str, Path | None],
    asked: TranscribeOptions,
    given: dict[str, Any],
) -> None:
    """Transcribe one file and write its formats."""
    from localai.transcription.session import Transcription

    there = [path for path in targets.values() if path is not None and path.exists()]
    if there and given["skip_existing"]:
        return
    if there and not given["force"]:
        raise BadInput(f"{there[0]} exists already", "use --force to overwrite it")
    source, told = (0, "stdin") if name == "-" else (Path(name), name)
    with Transcription(source, asked, spec, told) as transcription:
        streamed = targets.get("txt", Path()) is None
        _listen(console, engine, transcription, show=streamed)
        if not transcription.segments:
            console.talk(f"no speech was found in {told}")
        if not streamed:
            _write(console, transcription, targets, force=given["force"])
        if given["stats"] and transcription.summary:
            console.talk(_stats(transcription))


def _listen(
    console: Console, engine: EngineClient, transcription: Transcription, *, show: bool
) -> None:
    """Take what is heard; text is shown as it comes."""
    from localai.media.segments import Segment
    from localai.media.subtitles import Paragraphs
    from localai.terminal.output_file import check_reader
    from localai.terminal.progress import ProgressLine
    from localai.types import Progress

    paragraphs = Paragraphs()
    with (
        ProgressLine(console, f"transcribing {transcription.about.file}", "seconds") as line,
        closing(transcription.events(engine)) as events,  # type: ignore[type-var]
    ):
        for event in events:
            check_reader(console.stdout)
            if isinstance(event, Segment) and show:
                console.write(paragraphs.add(event))
            elif isinstance(event, Progress) and event.phase == "working" and event.total:
                line.update(int(event.done), int(event.total))
    if show and transcription.segments:
        console.end()


def _write(
    console: Console,
    transcription: Transcription,
    targets: dict[str, Path | None],
    *,
    force: bool,
) -> None:
    """Write every format from the same segments."""
    from localai.media.subtitles import render
    from localai.system.files import atomic_create, atomic_replace

    for form, path in targets.items():
        text = render(form, transcription.segments, about=transcription.about)
        if path is None:
            console.write_bytes(text.encode())
            continue
        try:
            with (atomic_replace if force else atomic_create)(path) as partial:
                partial.write_text(text, "utf-8")
        except OSError as error:
            raise LocalaiError(f"{path} cannot be written: {error.strerror}") from None
        console.write_line(str(path))


def _stats(transcription: Transcription) -> str:
    summary = transcription.summary
    assert summary is not None
    dropped = summary.lines + summary.loops + summary.invented
    return (
        f"{summary.seconds:.1f} s of sound, {summary.speech_seconds:.1f} s of speech; "
        f"{summary.device}, {summary.compute_type}; {dropped} lines dropped as invented or repeated"
    )
