"""`localai chat`: a conversation that people stay in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from localai.commands import options
from localai.commands.click_ext import command, option
from localai.commands.open_engine import engine_for, spec_for
from localai.commands.params import BoundedNumber
from localai.commands.spoken import listening
from localai.errors import ExitCode
from localai.generation import build
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.chat.open import ChatRequest
    from localai.chat.painter import Painter

_SAMPLING = ("top_k", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "seed", "max_tokens",
          "memory_ratio", "think")  # fmt: skip


@command(context_settings={"max_content_width": 100})
@options.model
@options.character
@options.system
@option("--greeting", type=BoundedNumber(1), metavar="N", help="The character's Nth greeting. [1]")
@option("--session", metavar="NAME", help="Keep the chat under this name, or go on with it.")
@option("--continue", "go_on", is_flag=True, help="Go on with the last session.")
@option("--no-save", is_flag=True, help="Keep nothing of this chat.")
@option(
    "--memory-ratio",
    type=BoundedNumber(0.05, 0.9),
    metavar="R",
    help="Share of the context for the present turn; older turns leave for it. [0.25]",
)
@option("--script", metavar="FILE", help="Ask the messages in FILE, print the transcript.")
@option(
    "--think",
    type=click.Choice(["auto", "off", "show"]),
    help="Thinking: as the model likes, off, or shown on stderr. [auto]",
)
@options.sampling
@options.engine
@options.unbuffered
@options.speaking
@options.talk
@click.pass_context
def chat(ctx: click.Context, /, **given: Any) -> int:
    """Talk with a model or a character, on a terminal or line by line in a pipe.

    /help lists what can be done in the chat. Sessions are kept as they happen; `localai sessions`
    lists, searches and removes them.

    \b
    Examples:
      localai chat -m tiny
      localai chat -m tiny -c librarian
      localai chat -m tiny -s "You are Ada." --session ada
      localai chat --continue
      printf 'Who are you?\\n/quit\\n' | localai chat -m tiny --no-save
      localai chat -m tiny -c librarian --no-save --script questions.txt --json
    """  # noqa: D301 (click reads the \b)
    console: Console = ctx.obj
    options.apply(console, given)
    if not given["unbuffered"]:
        console.write_by("line")
    from localai.chat import open, repl, script  # with YAML and more, which --help need not
    from localai.chat.view import ChatView

    models = open.ModelHandle(
        lambda name, role: spec_for(console, {**given, "model": name or given["model"]}, role=role),
        lambda spec: engine_for(console, given, spec),
    )
    messages = script.read(given["script"], console) if given["script"] else None
    with open.begin(models, _request(given)) as session:
        if not (console.stdin.terminal or given["session"] or given["go_on"]):
            session.unkept = console.warn  # nobody has asked for it to be kept
        if strange := session.transcript.strange:
            console.warn(f"{strange} damaged lines of the session were left out")
        view = ChatView(
            console,
            session,
            stats=given["stats"],
            painter=_painter(console, given),
            heard=listening(console, given),
            record=partial(_said, console, given),
        )
        if messages is not None:
            script.run(view, messages, as_json=given["as_json"])
        else:
            repl.run(view, as_json=given["as_json"])
    return ExitCode.DONE


def _painter(console: Console, given: dict[str, Any]) -> Painter:
    """Return what draws for `/sd`: the picture model of the settings; tiny goes with tiny."""
    from localai.chat.painter import Painter

    model = "tiny" if given["model"] == "tiny" else None
    return Painter(
        console,
        lambda: spec_for(console, {**given, "model": model}, role="image"),
        lambda spec: engine_for(console, given, spec),
    )


def _said(console: Console, given: dict[str, Any], device: str) -> str:
    """Return what is said into a microphone; with what hears it, which few chats need."""
    from localai.commands.spoken_question import said

    return said(console, given, device)


def _request(given: dict[str, Any]) -> ChatRequest:
    from localai.chat import open

    named = given["session"] or given["go_on"]
    persona = build.persona(given["persona"]) or None
    greeting = given["greeting"] - 1 if given["greeting"] else None
    settings = {name: given[name] for name in _SAMPLING}
    settings |= {
        "temperature": given["temp"],
        "temperature_first": given["temp_first"] or None,
        "stop": list(given["stop"]) or None,
    }
    return open.ChatRequest(
        session=given["session"],
        go_on=given["go_on"],
        # A script is a test of a character: it is kept only where a session was named.
        save=not given["no_save"] and not (given["script"] and not named),
        values={
            "model": given["model"],
            "character": given["character"],
            "system": given["system"],
            "persona": persona,
            "greeting": greeting,
        },
        settings=settings,
    )
