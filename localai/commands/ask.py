"""One question, one streamed answer; stdin joins the argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from localai import answers, constraints, prompts, settings
from localai.catalog import names
from localai.commands import options
from localai.constraints import Constraint
from localai.engines.base import Message, ModelSpec, Sampling, TextRequest
from localai.errors import BadInput, ExitCode, LocalaiError, Undecided, UnknownModel
from localai.prompts import Prompt
from localai.terminal.console import Console
from localai.terminal.output import output_to
from localai.terminal.text import decode
from localai.warm.client import ColdEngine

_ANY_INPUT = "\ue000"  # stands for an input to see where a prompt file puts it
_YES_NO = "yes,no"


@click.command(context_settings={"max_content_width": 100})
@click.argument("words", metavar="[PROMPT]...", nargs=-1)
@options.model
@click.option("-p", "--prompt", "prompt_file", metavar="NAME", help="A prompt file's name or path.")
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the prompt file; VALUE may be @FILE.",
)
@click.option("-s", "--system", metavar="TEXT", help="System text: who the model is.")
@click.option("-e", "escapes", is_flag=True, help=r"Read \n, \t, \\, \xNN and \uNNNN in PROMPT.")
@click.option("--raw", is_flag=True, help="Continue the text, without a chat template.")
@click.option(
    "--think",
    type=click.Choice(["auto", "off", "show"]),
    default="auto",
    help="Thinking: as the model likes, off, or shown on stderr.",
)
@click.option(
    "--truncate",
    type=click.Choice(["head", "middle", "tail"]),
    help="Cut this part of the input if it is too long.",
)
@options.constraints
@click.option(
    "--test", is_flag=True, help="No output: exit 0 for yes, 1 for no, 2 or more for failures."
)
@options.sampling
@options.engine
@options.output
@options.talk
@click.pass_context
def ask(ctx: click.Context, /, **given: Any) -> int:
    r"""Ask a question; the answer goes to stdout.

    PROMPT and stdin are joined: stdin first, then a blank line, then PROMPT.

    \b
    Examples:
      localai ask -m tiny "What is the capital of France?"
      localai ask -m tiny "Explain the above in one sentence:" < wolf.txt
      echo "The dog is black." | localai ask -m tiny -p translate --var language=German
      localai ask -m tiny --schema "answer" "What is the capital of Peru? Answer in JSON."
      if localai ask -m tiny --test "Is Rome the capital of Italy?"; then echo yes; fi
    """
    console: Console = ctx.obj
    options.apply(console, given)
    text = _input(console, given["words"], given["escapes"])
    if not text and given["prompt_file"] is None:
        console.talk(ctx.get_help())
        return ExitCode.USAGE
    if given["test"]:
        return _decide(console, given, text)
    _answer(console, given, text)
    return ExitCode.DONE


def _input(console: Console, words: tuple[str, ...], escapes: bool) -> str:
    """Return stdin and the argument, joined by a blank line."""
    argument = " ".join(words)
    if escapes:
        argument = options.unescape(argument)
    piped = console.read_stdin().rstrip("\n")
    return f"{piped}\n\n{argument}" if piped and argument else piped or argument


def _decide(console: Console, given: dict[str, Any], text: str) -> int:
    """Return the exit code of `--test`, as grep does: 0 yes, 1 no, failures above."""
    try:
        answer = _answer(console, given, text)
    except LocalaiError as error:
        if error.code == ExitCode.FAILED:
            raise Undecided(error.what, error.next_step) from error
        raise
    return ExitCode.DONE if answer.content == "yes" else ExitCode.FAILED


def _answer(console: Console, given: dict[str, Any], text: str) -> answers.Answer:
    prompt = prompts.load(given["prompt_file"]) if given["prompt_file"] else None
    request = _request(given, prompt, text)
    spec = _spec(given, prompt)
    silent = given["as_json"] or given["test"]
    target = output_to(console, given["output"], overwrite=given["force"])
    with target, ColdEngine(spec) as engine:
        if not (given["raw"] or silent or request.constraint):
            console.use_markdown()
        deltas = engine.ask(request)
        answer = answers.read(deltas, console, spec.name, show=not silent, think=given["think"])
        if given["as_json"]:
            console.write_json(answer.as_json())
    if given["stats"]:
        console.talk(answer.stats())
    return answer


def _spec(given: dict[str, Any], prompt: Prompt | None) -> ModelSpec:
    """Return which model to load, and how: flags, then the prompt file, then the settings."""
    chosen = settings.load()
    name = given["model"] or (prompt and prompt.model) or chosen.model("text")
    if not name:
        raise UnknownModel(
            "no model was named, and there is no default model yet",
            "add -m tiny or -m FILE.gguf, or set LOCALAI_MODEL",
        )
    return ModelSpec(
        "text",
        files=(str(names.resolve(name).path.resolve()),),
        name=name,
        gpu_layers=given["gpu_layers"] or chosen.gpu_layers or "auto",
        threads=given["threads"] or chosen.threads,
        context=given["ctx"] or chosen.context,
    )


def _request(given: dict[str, Any], prompt: Prompt | None, text: str) -> TextRequest:
    lead = 0
    if prompt:
        variables = _variables(given["variables"])
        text = prompt.render(text, variables)
        lead = len(prompt.render(_ANY_INPUT, variables).partition(_ANY_INPUT)[0])
    elif given["variables"]:
        raise BadInput("--var sets a variable of a prompt file, and there is none", "add -p NAME")
    system: str | None = given["system"] or (prompt.system if prompt else None)
    constraint = _constraint(given, prompt)
    return TextRequest(
        messages=() if given["raw"] else _conversation(system, Message("user", text)),
        raw=_raw(text, system) if given["raw"] else None,
        fixed=1 if system else 0,
        fixed_text=lead,
        sampling=_sampling(given, prompt),
        max_tokens=given["max_tokens"] or (prompt and prompt.max_tokens) or None,
        stop=given["stop"] or (prompt.stop if prompt else ()),
        constraint=constraint,
        think=False if given["think"] == "off" or constraint else None,
        truncate=given["truncate"],
        context=given["ctx"],
    )


def _conversation(system: str | None, question: Message) -> tuple[Message, ...]:
    return (Message("system", system), question) if system else (question,)


def _raw(text: str, system: str | None) -> str:
    if system:
        raise BadInput("--raw has no system text: it continues the prompt alone", "leave out -s")
    return text


def _sampling(given: dict[str, Any], prompt: Prompt | None) -> Sampling:
    asked = {
        "temperature": given["temp"],
        "top_k": given["top_k"],
        "top_p": given["top_p"],
        "min_p": given["min_p"],
        "repeat_penalty": given["repeat_penalty"],
        "repeat_last_n": given["repeat_last_n"],
        "seed": given["seed"],
        "temperature_first": given["temp_first"],
    }
    if asked["temperature"] is None and prompt:
        asked["temperature"] = prompt.temperature
    return Sampling(**{name: value for name, value in asked.items() if value is not None})


def _constraint(given: dict[str, Any], prompt: Prompt | None) -> Constraint | None:
    """Return the one constraint that was asked for; a flag goes before the prompt file's."""
    makers: dict[str, Callable[[Any], Constraint]] = {
        "choices": constraints.from_choices,
        "regex": constraints.from_regex,
        "schema": constraints.from_schema,
        "grammar": constraints.from_grammar,
        "json_object": lambda _: constraints.json_object(),
    }
    flags = [name for name in makers if given[name] not in (None, False)]
    if given["test"]:
        flags.append("test")
    if len(flags) > 1:
        named = " and ".join("--" + flag.replace("_", "-") for flag in flags)
        raise BadInput(f"{named} cannot be kept together", "use one of them")
    if given["test"]:
        return constraints.from_choices(_YES_NO)
    if flags:
        return makers[flags[0]](given[flags[0]])
    for name in ("choices", "schema", "regex"):
        if prompt and (wanted := getattr(prompt, name)):
            return makers[name](wanted)
    return None


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return `NAME=VALUE` pairs; `NAME=@FILE` takes the file's text."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput(
                f"--var {pair!r} is not NAME=VALUE", "for instance --var language=German"
            )
        values[name] = _file(Path(value[1:])) if value.startswith("@") else value
    return values


def _file(path: Path) -> str:
    """Return the text of a file named on the command line."""
    try:
        return decode(path.read_bytes(), str(path)).rstrip("\n")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
