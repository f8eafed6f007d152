"""One question, one streamed answer; stdin joins the argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import unescape
from localai.commands.spoken import listening
from localai.errors import BadInput, ExitCode
from localai.generation import build
from localai.terminal.console import Console
from localai.terminal.output_file import output_to

if TYPE_CHECKING:
    from localai.formats.answer import Answer
    from localai.pool.engine_client import EngineClient
    from localai.types import TextRequest


@command(context_settings={"max_content_width": 100})
@click.argument("words", metavar="[PROMPT]...", nargs=-1)
@options.model
@options.prompt
@options.character
@options.system
@option(
    "-e", "--escapes", is_flag=True, help=r"Read \n, \t, \\, \xNN and \uNNNN in PROMPT and --stop."
)
@options.no_stdin
@option(
    "--image",
    "images",
    multiple=True,
    metavar="FILE",
    help="A picture that the question is about (- is stdin); may be given again.",
)
@options.image_tokens
@options.raw
@option(
    "--think",
    type=click.Choice(["auto", "off", "show"]),
    default="auto",
    help="Thinking: as the model likes, off, or shown on stderr.",
)
@options.truncate
@options.hearing
@options.constraints
@option("--test", is_flag=True, help="No output: exit 0 for yes, 1 for no, 2 or more for failures.")
@option("--show-prompt", is_flag=True, help="Show what the model would get, without asking it.")
@options.sampling
@options.engine
@options.speaking
@options.output
@options.talk
@click.pass_context
def ask(ctx: click.Context, /, **given: Any) -> int:
    """Ask a question; the answer goes to stdout.

    PROMPT and stdin are joined: stdin first, then a blank line, then PROMPT. So in a loop that
    reads stdin itself the first call would take all that is left of it; -I leaves it to the loop:

    \b
      while read -r name; do localai ask -I "Who is $name?"; done < names.txt

    \b
    Examples:
      localai ask -m tiny "What is the capital of France?"
      localai ask -m tiny "Explain the above in one sentence:" < wolf.txt
      echo "The dog is black." | localai ask -m tiny -p translate --var language=German
      localai ask -m tiny --schema "answer" "What is the capital of Peru? Answer in JSON."
      if localai ask -m tiny --test "Is this mail spam?" < mail.txt; then echo spam; fi
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    text = _question(console, given)
    if not text.strip() and given["prompt_file"] is None:
        if console.stdin.terminal and not (given["as_json"] or given["quiet"]):
            console.talk(ctx.get_help())
            return ExitCode.USAGE
        raise BadInput("there is no question", "give it as an argument or on stdin")
    if given["test"] and given["output"] is not None:
        raise BadInput("--test has no output", "leave out -o")
    if given["test"] and given["show_prompt"]:
        raise BadInput("--test asks the model, and --show-prompt does not", "use one of them")
    answer = _answer(console, given, text)
    # A test exits as grep does; that no failure exits with 1 is seen to by `cli.main`.
    no = answer is not None and given["test"] and answer.content != "yes"
    return ExitCode.FAILED if no else ExitCode.DONE


def _question(console: Console, given: dict[str, Any]) -> str:
    """Return stdin's text, what was said, and the argument's text."""
    typed = given["words"] == ("-",)
    if "-" in given["images"]:
        if typed:
            raise BadInput("stdin cannot be question and picture both", "leave out one -")
        given["no_stdin"] = True
    if typed and given["no_stdin"]:
        raise BadInput("- reads stdin, and --no-stdin leaves it alone", "use one of them")
    argument = "" if typed else " ".join(given["words"])
    if given["escapes"]:
        argument = unescape(argument)
    heard = given["audio"] is not None or options.speaks(given)
    sound = given["audio"] == "-"  # comes on stdin
    piped = "" if given["no_stdin"] or sound else console.read_stdin(typed=typed)
    if heard:
        from localai.commands.spoken_question import said

        if given["audio"] is not None and options.speaks(given):
            raise BadInput("--audio is a sound, --mic what is said now", "use one of them")
        build.prompt_file(options.generation(given))  # that there is none is told before
        piped = build.joined(piped, said(console, given))
    return build.joined(piped, argument)


def _answer(console: Console, given: dict[str, Any], text: str) -> Answer | None:
    """Return the answer; None where its prompt alone was to be shown."""
    asked = options.generation(given)
    if given["escapes"]:
        asked = asked._replace(stop=tuple(map(unescape, asked.stop)))
    prompt, card = build.prompt_file(asked), build.character(asked)
    if prompt and not text.strip() and "input" in prompt.names():
        what = f"the prompt {prompt.name} wants an input, and there is none"
        raise BadInput(what, "give it as an argument or on stdin")
    request = build.request(asked, text, prompt, card)
    own = (prompt and prompt.model) or (card and card.model) or ""
    if given["images"]:
        from localai.generation.pictures import Attachments, load

        with Attachments(load(given["images"], console.read_bytes)) as shown:
            seen = shown.to(request)._replace(image_tokens=given["image_tokens"])
            return _answered(console, given, seen, own, shown.files)
    if given["image_tokens"]:
        raise BadInput("--image-tokens is about pictures, and there is none", "add --image FILE")
    return _answered(console, given, request, own)


def _answered(
    console: Console,
    given: dict[str, Any],
    request: TextRequest,
    own: str,
    files: Sequence[int] = (),
) -> Answer | None:
    """Return the answer to a request.

    Parameters
    ----------
    own : str
        The model that a prompt or a card asks for.
    files : sequence of int
        Descriptors of the pictures of the request.
    """
    spec = spec_for(console, given, own, role="vision" if files else "text")
    target = output_to(console, given["output"], overwrite=given["force"])
    with target, engine_for(console, given, spec) as engine:
        if given["show_prompt"]:
            from localai.commands.show_prompt import show_prompt

            show_prompt(console, engine, request, spec.name, files, as_json=given["as_json"])
            return None
        answer = _printed(console, given, engine, spec.name, request, files)
    if remark := answer.remark():
        console.warn(remark)
    if given["stats"]:
        console.talk(answer.stats())
    return answer


def _printed(
    console: Console,
    given: dict[str, Any],
    engine: EngineClient,
    model: str,
    request: TextRequest,
    files: Sequence[int],
) -> Answer:
    """Return the answer, printed while it comes."""
    silent = given["as_json"] or given["test"]
    with listening(console, given)(engine.ask(request, files)) as events:
        # The engine is at work: what shows its answer is imported meanwhile.
        from localai.terminal.answer import print_answer

        if not (given["raw"] or silent or request.constraint):
            console.use_markdown()
        if not given["unbuffered"]:
            console.write_by("answer" if request.constraint else "line")
        think, loaded = given["think"], engine.ready()
        answer = print_answer(events, console, model, show=not silent, think=think, loaded=loaded)
        if given["as_json"]:
            console.write_json(answer.as_json())
        answer.refuse_thinking_alone()
    return answer
