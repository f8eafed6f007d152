"""`localai transcribe`: speech to text, on stdout or as subtitles."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options, transcribe_flags, transcript_files
from localai.commands.click_ext import command, option
from localai.commands.heard import HeardView, guessed, stats
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber, Duration
from localai.commands.transcribe_flags import FORMATS
from localai.errors import WHOLE_RUN, BadInput, ExitCode, LocalaiError, SomeFailed
from localai.formats.text import shown
from localai.terminal.console import Console
from localai.terminal.output_file import output_to

if TYPE_CHECKING:
    from localai.media.captions import Layout
    from localai.pool.engine_client import EngineClient
    from localai.transcription.session import TranscribeOptions
    from localai.types import ModelSpec

SILENCE = 1.5  # seconds; as `transcription.dictation` has it, which --help need not import
_SHORT = 1 << 20  # bytes: half a minute of a WAV file, a minute of MP3


@command(context_settings={"max_content_width": 100})
@click.argument("files", metavar="FILE...", nargs=-1)
@options.model
@option(
    "-F",
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    metavar="|".join(FORMATS),
    help="Format of the output; repeatable. [txt]",
)
@option("-o", "--output", metavar="FILE|DIR", help="Write there instead of stdout; - is stdout.")
@option("--force", is_flag=True, help="Overwrite files that are there.")
@option("--skip-existing", is_flag=True, help="Leave files alone whose output is there.")
@option(
    "-l", "--language", metavar="CODE", help="The language that is spoken (en, de). [found out]"
)
@option("--languages", metavar="A,B,...", help="One of these languages is spoken.")
@option("--detect-language", is_flag=True, help="Print the language alone.")
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
@option("--offset", metavar="TIME", help="Begin there (90, 1:30, 2m).")
@option("--duration", metavar="TIME", help="Only so much of it.")
@option(
    "--channels",
    type=click.Choice(["mix", "split"]),
    default="mix",
    help="split: each channel is a speaker of its own. [mix]",
)
@option(
    "--max-line-width",
    type=BoundedNumber(1, 1000),
    metavar="N",
    help="Columns of a caption's line. [42]",
)
@option("--max-line-count", type=BoundedNumber(1, 100), metavar="N", help="Lines of a caption. [2]")
@option("--highlight-words", is_flag=True, help="Underline each word of a caption as it is said.")
@option(
    "--sample-rate",
    type=BoundedNumber(1, 1_000_000),
    metavar="HZ",
    help="The input is bare 16-bit samples at this rate.",
)
@option(
    "--temp",
    type=BoundedNumber(0.0, 1.0),
    metavar="T",
    help="Temperature. [0, and higher where that fails]",
)
@option(
    "--beam-size",
    type=BoundedNumber(1, 100),
    default=5,
    metavar="N",
    help="Texts that are weighed; 1 is quickest. [5]",
)
@option(
    "--batch", is_flag=True, help="Quicker, plain text alone: without times that could be kept to."
)
@option("--resume", is_flag=True, help="Go on where the same command was cut off.")
@options.microphone
@option(
    "--silence",
    type=Duration(),
    default=SILENCE,
    metavar="TIME",
    help="With --mic: so much silence ends it; 0: Enter alone. [1.5]",
)
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
      localai transcribe --channels split -F md interview.wav
      ffmpeg -i talk.mp4 -f wav - | localai transcribe -
      localai transcribe --mic
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    if given["as_json"] and not given["formats"] and not given["detect_language"]:
        given["formats"] = ("json",)
    if options.speaks(given):
        return _dictate(console, given, transcribe_flags.asked(given))
    asked = transcribe_flags.asked(given)
    files = given["files"] or (("-",) if not console.stdin.terminal else ())
    if not files:
        raise BadInput("there is no sound", "localai transcribe FILE, or - for stdin")
    if given["detect_language"]:
        with output_to(console, given["output"], overwrite=given["force"]):
            failed = _each(console, given, files, _detect, asked._replace(detect=True))
    else:
        goals = transcript_files.targets(files, given["formats"], given["output"])
        work = partial(_one, targets=goals, layout=transcribe_flags.layout(given))
        failed = _each(console, given, files, work, asked)
    if failed:
        raise SomeFailed(f"{failed} of {len(files)} files could not be transcribed")
    return ExitCode.DONE


def _each(
    console: Console,
    given: dict[str, Any],
    files: tuple[str, ...],
    work: Callable[..., None],
    asked: TranscribeOptions,
) -> int:
    """Do the same with each file; where there are several, each failure stands alone.

    Return how many failed.
    """
    if len(files) == 1 and files[0] != "-" and not Path(files[0]).exists():
        raise BadInput(f"there is no file {shown(files[0])}", "check its name")
    spec = spec_for(console, given, role="hear")
    failed = 0
    with engine_for(console, given, spec) as engine:
        for name in files:
            try:
                work(console, given, engine, spec, name, asked, alone=len(files) == 1)
            except LocalaiError as error:
                if len(files) == 1 or error.code in WHOLE_RUN:
                    raise
                console.end()  # of what was written of this one
                console.warn(f"{shown(name)}: {error.what}")
                failed += 1
    return failed


def _one(
    console: Console,
    given: dict[str, Any],
    engine: EngineClient,
    spec: ModelSpec,
    name: str,
    asked: TranscribeOptions,
    *,
    targets: dict[str, transcript_files.Targets],
    layout: Layout,
    alone: bool,
) -> None:
    """Transcribe one file and write its formats."""
    from localai.transcription.channels import open_transcription

    paths = targets[name]
    there = transcript_files.there(paths)
    if there and given["skip_existing"]:
        return
    if there and not given["force"]:
        raise BadInput(f"{shown(there[0])} exists already", "use --force to overwrite it")
    split = given["channels"] == "split"
    if alone and _is_short(name):
        asked = asked._replace(interactive=True)
    with open_transcription(spec, name, asked, split=split) as hearing:
        streamed = not split and transcript_files.streamed(paths)
        HeardView(console, show=streamed).listen(hearing, hearing.events(engine))
        if split and hearing.channels == 1:
            console.warn(f"{shown(name)} has one channel: there is nothing to split")
        if not streamed:
            force = given["force"]
            about = hearing.about
            transcript_files.write(console, paths, hearing.segments, layout, about, force=force)
        if given["stats"] and hearing.summary:
            console.talk(stats(hearing.summary))


def _dictate(console: Console, given: dict[str, Any], asked: TranscribeOptions) -> int:
    """Transcribe what is said into a microphone."""
    from localai.commands.recorded import dictation

    name, layout, force = "microphone", transcribe_flags.layout(given), given["force"]
    paths = transcript_files.targets((name,), given["formats"], given["output"])[name]
    if (there := transcript_files.there(paths)) and not force:
        raise BadInput(f"{shown(there[0])} exists already", "use --force to overwrite it")
    device, silence = given["mic_device"] or "", max(0.0, given["silence"])
    spec = spec_for(console, given, role="hear")
    with (
        engine_for(console, given, spec) as engine,
        dictation(console, device, silence, engine, asked, spec) as (said, events),
    ):
        streamed = transcript_files.streamed(paths)
        HeardView(console, show=streamed).listen(said, events)
        if not streamed:
            found, about = said.segments, said.about
            transcript_files.write(console, paths, found, layout, about, force=force)
        if given["stats"] and said.summary:
            console.talk(stats(said.summary))
    return ExitCode.DONE


def _is_short(name: str) -> bool:
    """Whether a sound goes before those that take long."""
    path = Path(name)
    return name != "-" and path.is_file() and path.stat().st_size < _SHORT


def _detect(
    console: Console,
    given: dict[str, Any],
    engine: EngineClient,
    spec: ModelSpec,
    name: str,
    asked: TranscribeOptions,
    *,
    alone: bool,
) -> None:
    """Print the language that is spoken in one file."""
    from localai.media.transcription import SURE, Language
    from localai.transcription.channels import open_transcription

    with (
        open_transcription(spec, name, asked) as hearing,
        closing(hearing.events(engine)) as events,  # type: ignore[type-var]
    ):
        found = next((each for each in events if isinstance(each, Language)), None)
    told = "stdin" if name == "-" else name
    if given["as_json"]:
        code, sure = (found.code, found.probability) if found else (None, None)
        console.write_json({"file": told, "language": code, "probability": sure})
    elif found:
        console.write_line(found.code if alone else f"{told}: {found.code}")
    if found is None:
        console.talk(f"no speech was found in {shown(told)}")
    elif found.probability < SURE:
        console.warn(guessed(shown(told), found))
