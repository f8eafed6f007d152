"""Options that several commands share: the same flag has the same meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from localai.commands.click_ext import Function, option
from localai.commands.params import BoundedNumber, Duration, Layers, SomeText
from localai.errors import BadInput
from localai.generation.build import GenerateOptions
from localai.generation.model_spec import ModelOptions
from localai.system.files import read_text
from localai.terminal.console import Console
from localai.types import SAMPLING_BOUNDS

_MOST_OF_A_FILE = 1 << 26  # bytes


def stack(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Return options as one decorator, in their order."""

    def decorate(command: Function) -> Function:
        for add in reversed(options):
            command = add(command)
        return command

    return decorate


model = option(
    "-m",
    "--model",
    metavar="MODEL",
    help="A name (see localai models), a .gguf file, owner/repo[:quant].",
)

character = stack(
    option("-c", "--character", metavar="NAME", help="A character's name, or a card's file."),
    option("--persona", metavar="FILE", help="A text file that says who you are."),
)

prompt = stack(
    option("-p", "--prompt", "prompt_file", metavar="NAME", help="A prompt file's name or path."),
    option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the prompt file; VALUE may be @FILE."),
)  # fmt: skip

system = option("-s", "--system", metavar="TEXT", help="System text: who the model is.")

raw = option("--raw", is_flag=True, help="Continue the text, without a chat template.")

truncate = option(
    "--truncate",
    type=click.Choice(["head", "middle", "tail"]),
    help="Cut this part of an input that is too long.",
)

machine = stack(
    option("--offline", is_flag=True, help="Fetch nothing."),
    option("-y", "--yes", is_flag=True, help="Fetch the model to begin with, unasked."),
    option("--ctx", type=BoundedNumber(1), metavar="N", help="Context in tokens, at least."),
    option("--gpu-layers", type=Layers(), metavar="auto|all|N", help="Layers on the GPU. [auto]"),
    option("--threads", type=BoundedNumber(1, 1024), metavar="N", help="CPU threads. [cores]"),
)

engine = stack(
    machine,
    option("--cold", is_flag=True, help="Load the model for this call alone."),
    option(
        "--keep-alive",
        type=Duration(),
        metavar="TIME",
        help="Stay loaded for 300, 5m, 1h; -1: for ever. [5m]",
    ),
)

sampling = stack(
    option("-n", "--max-tokens", type=BoundedNumber(1), metavar="N", help="Longest answer, in tokens."),
    option("--temp", type=BoundedNumber(*SAMPLING_BOUNDS["temperature"]), metavar="T", help="Temperature; 0 is greedy. [0.8]"),
    option("--top-k", type=BoundedNumber(*SAMPLING_BOUNDS["top_k"]), metavar="N", help="Only the N likeliest tokens; 0: all. [40]"),
    option("--top-p", type=BoundedNumber(*SAMPLING_BOUNDS["top_p"]), metavar="P", help="Only the likeliest tokens of sum P. [0.95]"),
    option("--min-p", type=BoundedNumber(*SAMPLING_BOUNDS["min_p"]), metavar="P", help="Only tokens P times as likely as the best. [0.05]"),
    option("--repeat-penalty", type=BoundedNumber(*SAMPLING_BOUNDS["repeat_penalty"]), metavar="X", help="Against repetition; 1 is off. [1]"),
    option("--repeat-last-n", type=BoundedNumber(*SAMPLING_BOUNDS["repeat_last_n"]), metavar="N", help="Tokens that the penalty looks back on. [64]"),
    option("--temp-first", is_flag=True, help="Temperature before top-k, top-p and min-p, as other toolkits do."),
    option("--seed", type=BoundedNumber(*SAMPLING_BOUNDS["seed"]), metavar="N", help="Makes a run repeatable."),
    option("--stop", type=SomeText(), multiple=True, metavar="TEXT", help="End the answer before this text; repeatable."),
)  # fmt: skip

image_tokens = option(
    "--image-tokens",
    type=BoundedNumber(8, 1 << 14),
    metavar="N",
    help="Tokens of each picture, at most; fewer are quicker and see less.",
)

constraints = stack(
    option("--choices", metavar="A,B,...", help="The answer is one of these."),
    option("--regex", metavar="REGEX", help="The answer matches this as a whole."),
    option("--schema", metavar="SCHEMA", help="JSON of this schema: a file, inline JSON, or 'name, age int'."),
    option("--grammar", metavar="FILE", help="The answer follows a GBNF or Lark grammar, or the one in FILE."),
    option("--json-object", is_flag=True, help="The answer is some JSON object."),
)  # fmt: skip

no_stdin = option(
    "-I", "--no-stdin", is_flag=True, help="Leave stdin alone: for loops that read it."
)

_json = option(
    "--json", "as_json", is_flag=True, help="One JSON object instead of text; errors too."
)
_quiet = stack(
    option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors."),
    option("--no-color", is_flag=True, help="No colour."),
)
talk = stack(_json, option("--stats", is_flag=True, help="Speeds and counts on stderr."), _quiet)
talk_of_many = stack(_json, _quiet)  # answers that go on and on: their figures would be in between

unbuffered = option(
    "--unbuffered", is_flag=True, help="In a pipe, too, write each token as it comes."
)

output = stack(
    unbuffered,
    option("-o", "--output", metavar="FILE", help="Write there instead of stdout; - is stdout."),
    option("--force", is_flag=True, help="Overwrite the file of -o."),
)  # fmt: skip


speaking = stack(
    option("--speak", is_flag=True, help="Speak the answer while it comes."),
    option("--voice", metavar="VOICE", help="Speak with this voice: espeak, FILE.onnx, say."),
)

microphone = stack(
    option("--mic", is_flag=True, help="Listen to the microphone, until you are silent or press Enter."),
    option("--mic-device", metavar="NAME", help="This microphone: its name, or a part of it."),
)  # fmt: skip

hearing = stack(
    microphone,
    option("--audio", metavar="FILE", help="What is said in this sound is the question, or what it is about."),
)  # fmt: skip


def speaks(given: dict[str, Any]) -> bool:
    """Return whether somebody is to speak into a microphone."""
    return given["mic"] or given["mic_device"] is not None


def model_options(given: dict[str, Any]) -> ModelOptions:
    """Return what was said of the model and the machine."""
    return ModelOptions(
        model=given.get("model"),
        gpu_layers=given["gpu_layers"],
        threads=given["threads"],
        context=given["ctx"],
        offline=given["offline"],
        yes=given["yes"],
    )


def generation(given: dict[str, Any]) -> GenerateOptions:
    """Return what was said of the answer.

    Raises
    ------
    BadInput
        A variable is none, or its file cannot be read.
    """
    same = {name: given[name] for name in GenerateOptions._fields if name in given}
    return GenerateOptions(**same)._replace(
        prompt=given["prompt_file"],
        variables=_variables(given["variables"]),
        context=given["ctx"],
        temperature=given["temp"],
        temperature_first=given["temp_first"] or None,
    )


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=VALUE` pairs; `NAME=@FILE` takes the file's text."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput(
                f"--var {pair!r} is not NAME=VALUE", "for instance --var language=German"
            )
        if value == "@":
            raise BadInput(f"--var {name}=@ names no file", f"--var {name}=@FILE")
        values[name] = (
            read_text(Path(value[1:]), _MOST_OF_A_FILE) if value.startswith("@") else value
        )
    return values


def apply(console: Console, given: dict[str, Any]) -> None:
    """Let the console obey `--quiet` and `--no-color`."""
    if given["quiet"]:
        console.hush()
    if given["no_color"]:
        console.uncolor()
