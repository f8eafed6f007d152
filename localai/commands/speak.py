"""`localai speak`: a text to the loudspeaker or a WAV file."""

from __future__ import annotations

from typing import Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber
from localai.errors import BadInput, ExitCode
from localai.terminal.console import Console


@command(context_settings={"max_content_width": 100})
@click.argument("words", metavar="[TEXT]...", nargs=-1)
@option(
    "-m",
    "--model",
    "--voice",
    metavar="VOICE",
    help="espeak[:TIMBRE], a Piper voice's name or FILE.onnx[:SPEAKER], say. [one that is there]",
)
@option("-l", "--language", default="", metavar="CODE", help="Of the text: en, de. [en]")
@option(
    "--speed", type=BoundedNumber(0.3, 3.0), default=1.0, metavar="X", help="2 is twice as fast."
)
@option("--seed", type=BoundedNumber(0, 2**31 - 1), metavar="N", help="Makes it repeatable.")
@option("-o", "--output", metavar="FILE", help="Write a WAV file instead; - is stdout.")
@option("--force", is_flag=True, help="Overwrite the file of -o.")
@options.engine
@options.talk
@click.pass_context
def speak(ctx: click.Context, /, **given: Any) -> int:
    """Speak a text, or stdin, on the loudspeaker or into a WAV file.

    Markdown and code are left out. The voice is machine-made.

    \b
    Examples:
      localai speak "The kettle is on."
      localai ask -m tiny "What is the capital of France?" | localai speak -o answer.wav
      localai speak -m espeak:whisper -l de -o tuer.wav "Die Tür ist zu."
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    from localai.speech import reading

    output = given["output"]
    if given["as_json"] and output == "-":
        raise BadInput("--json and a WAV file do not fit on stdout", "-o FILE.wav")
    typed = given["words"] == ("-",)
    text = "" if typed else " ".join(given["words"])
    text = text or console.read_stdin(typed=typed)
    found = reading.sentences_of(text)
    if not found:
        raise BadInput("there is nothing to speak", "give it as an argument or on stdin")
    spec = spec_for(console, given, role="speak")
    with engine_for(console, given, spec) as engine:
        asked = reading.Reading(engine, spec, given["language"], given["speed"], given["seed"])
        if output is None:
            seconds = reading.aloud(console, asked, found)
        else:
            seconds = reading.to_file(console, asked, found, output, force=given["force"])
    figures = {"seconds": round(seconds, 3), "sentences": len(found), "voice": spec.name}
    if given["as_json"]:
        console.write_json({"file": output, **figures, "seed": given["seed"]})
    if given["stats"]:
        counted = f"{len(found)} sentence{'s' * (len(found) != 1)}"
        console.talk(f"{seconds:.1f} s of speech; {counted}; {spec.name}")
    return ExitCode.DONE
