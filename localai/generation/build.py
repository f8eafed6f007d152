"""What was typed after `ask`, as a request to an engine: prompt, model, sampling, constraint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai import settings
from localai.catalog.gguf.parts import load_path
from localai.errors import BadConstraint, BadInput, UnknownModel
from localai.formats.text import read_text
from localai.generation import obtain
from localai.terminal.console import Console
from localai.types import Constraint, Message, ModelSpec, Sampling, TextRequest

if TYPE_CHECKING:
    from localai.characters.card import Character
    from localai.prompts.files import Prompt

Given = Mapping[str, Any]  # the options of a command, by their names

_ANY_INPUT = "\ue000"  # stands for an input to see where a prompt file puts it
_NO_END = 1 << 40  # tokens
_MOST_OF_A_FILE = 1 << 26  # bytes
_YES_NO = "yes,no"
_CONSTRAINTS = ("choices", "regex", "schema", "grammar", "json_object", "test")  # the flags


def joined(piped: str, argument: str) -> str:
    """Return stdin's text and the argument's, a blank line between them if there are both."""
    piped = piped.rstrip("\n")
    return f"{piped}\n\n{argument}" if piped and argument else piped or argument


def prompt_file(given: Given) -> Prompt | None:
    """Return the prompt file that was asked for, if any."""
    if given["prompt_file"] is None:
        return None
    from localai.prompts import files  # with YAML, which a plain question need not wait for

    return files.load(given["prompt_file"])


def spec(console: Console, given: Given, own: str = "") -> ModelSpec:
    """Return which model to load, and how: flags, then what files ask for, then the settings.

    A model that was named is fetched if it is not on disk; where none was, one is offered.

    Parameters
    ----------
    own : str
        The model that a prompt file or a character asks for.
    """
    chosen = settings.load()
    if given["model"] == "":
        raise UnknownModel("the model's name is empty", "localai models")
    name = given["model"] or own or chosen.model("text")
    model = obtain.obtain(
        console,
        name or obtain.offer("text"),
        offline=given["offline"] or chosen.offline,
        offered=not name,
        yes=given["yes"],
    )
    options = {
        "gpu_layers": given["gpu_layers"] or chosen.gpu_layers,
        "threads": given["threads"] or chosen.threads,
        "context": given["ctx"] or chosen.context,
    }
    return ModelSpec(
        "text",
        files=(str(load_path(model.path)),),
        name=model.name,
        options={name: value for name, value in options.items() if value},
    )


def request(
    given: Given, text: str, prompt: Prompt | None = None, card: Character | None = None
) -> TextRequest:
    """Return the request that options, the input, a prompt file and a character make together.

    Raises
    ------
    BadInput
        They contradict each other, or a variable or a constraint is wrong.
    """
    lead = 0
    if prompt:
        variables = _variables(given["variables"])
        text = prompt.render(text, variables)
        lead = len(prompt.render(_ANY_INPUT, variables).partition(_ANY_INPUT)[0])
    elif given["variables"]:
        raise BadInput("--var sets a variable of a prompt file, and there is none", "add -p NAME")
    system: str | None = given["system"] or (prompt.system if prompt else None)
    constraint = _constraint(given, prompt)
    if card:
        messages, fixed = _acted(card, given, system, text)
    else:
        messages, fixed = _conversation(system, Message("user", text)), 1 if system else 0
    return TextRequest(
        messages=() if given["raw"] else messages,
        raw=_raw(given, text, system, card) if given["raw"] else None,
        fixed=fixed,
        fixed_text=lead,
        sampling=_sampling(given, prompt, card),
        max_tokens=given["max_tokens"] or (prompt and prompt.max_tokens) or None,
        stop=_stop(given, prompt, constraint),
        constraint=constraint,
        think=False if given["think"] == "off" or constraint else None,
        truncate=given["truncate"],
        context=given["ctx"],
    )


def _conversation(system: str | None, question: Message) -> tuple[Message, ...]:
    return (Message("system", system), question) if system else (question,)


def character(given: Given) -> Character | None:
    """Return the character that was asked for, if any.

    Raises
    ------
    BadInput
        There is none of that name, or the card is damaged, or a persona is given to nobody.
    """
    if not given["character"]:
        if given["persona"]:
            raise BadInput("--persona says who you are to a character", "add -c NAME")
        return None
    from localai.characters import index  # with YAML, which a plain question need not wait for

    return index.load(given["character"])


def persona(given: Given) -> str:
    """Return who the user is to a character: from the flag's file, else from the settings'."""
    path = given["persona"] or settings.load().persona
    return read_text(Path(path).expanduser(), _MOST_OF_A_FILE).strip() if path else ""


def _acted(
    card: Character, given: Given, system: str | None, text: str
) -> tuple[tuple[Message, ...], int]:
    """Return what a character is told before it answers a question, and how much of it is fixed."""
    from dataclasses import replace  # characters wait for these; other questions need not

    from localai.characters.prompt_parts import prompt_parts, triggered_lore
    from localai.generation.conversation import Conversation, fit, fold

    opened = prompt_parts(
        card, persona=persona(given), seed=given["seed"] or 0, system=system or ""
    )
    talk = Conversation(opened, (Message("user", text),))
    talk = replace(talk, notes=triggered_lore(card, opened, talk.said, talk.answers))
    # Nothing leaves: what is too long for the model is told, as with any question. Not every
    # template takes a system text in the middle, or an answer before a question.
    shape = partial(fold, mid_system=False, user_first=True, alternate=True)
    messages = fit(talk, lambda _: 0, _NO_END, 0, shape=shape).messages
    # All but the question is the same at the next use, the greeting too.
    return messages, len(messages) - 1


def _raw(given: Given, text: str, system: str | None, card: Character | None) -> str:
    if card:
        raise BadInput("--raw has no character: it continues the prompt alone", "leave out -c")
    if given["system"]:
        raise BadInput("--raw has no system text: it continues the prompt alone", "leave out -s")
    if system:
        what = "--raw has no system text, and the prompt file has one"
        raise BadInput(what, "leave out --raw")
    return text


def _stop(given: Given, prompt: Prompt | None, constraint: Constraint | None) -> tuple[str, ...]:
    """Return the stop strings; a constraint says itself where an answer ends."""
    stop: tuple[str, ...] = given["stop"]
    if constraint and stop:
        raise BadInput(
            "--stop and a constraint cannot be kept together: it would cut an answer before it is "
            "complete",
            "leave out --stop",
        )
    return stop or (prompt.stop if prompt and not constraint else ())


def _sampling(given: Given, prompt: Prompt | None, card: Character | None) -> Sampling:
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
    for name, value in (card.sampling if card else {}).items():
        if asked.get(name) is None:
            asked[name] = value
    return Sampling(**{name: value for name, value in asked.items() if value is not None})


def _constraint(given: Given, prompt: Prompt | None) -> Constraint | None:
    """Return the one constraint that was asked for; a flag goes before the prompt file's."""
    flags = [name for name in _CONSTRAINTS if given[name] not in (None, False)]
    if len(flags) > 1:
        named = " and ".join("--" + flag.replace("_", "-") for flag in flags)
        raise BadInput(f"{named} cannot be kept together", "use one of them")
    own = [name for name in ("choices", "schema", "regex") if prompt and getattr(prompt, name)]
    if not flags and not own:
        return None
    from localai.generation import constraints  # which a plain question need not wait for

    makers: dict[str, Callable[[Any], Constraint]] = {
        "choices": constraints.from_choices,
        "regex": constraints.from_regex,
        "schema": constraints.from_typed_schema,
        "grammar": constraints.from_grammar,
        "json_object": lambda _: constraints.json_object(),
        "test": lambda _: constraints.from_choices(_YES_NO),
    }
    if flags:
        return makers[flags[0]](given[flags[0]])
    assert prompt is not None
    makers["schema"] = partial(_schema_of, prompt.path)
    try:
        return makers[own[0]](getattr(prompt, own[0]))
    except BadInput as error:
        raise BadConstraint(f"{prompt.path}: `{own[0]}`: {error.what}", error.next_step) from None


def _schema_of(file: Path, schema: str | Mapping[str, object]) -> Constraint:
    """Return the constraint of a prompt file's schema, which may lie in a file beside it."""
    from localai.generation import constraints
    from localai.prompts import files

    if not isinstance(schema, str) or not schema.endswith(".json"):
        return constraints.from_schema(schema)
    if (path := files.FOLDER.beside(file, schema)) is None:
        raise BadConstraint(f"there is no file {schema!r} beside it", "write the schema into it")
    return constraints.from_schema_file(path)


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
