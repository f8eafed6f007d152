"""What a person asked for, as a request to a text engine: prompt, sampling, constraint.

Options, a server's JSON or a batch's row become `GenerateOptions`; nothing here knows a console.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from localai import settings
from localai.errors import BadConstraint, BadInput
from localai.system.files import expanded, read_text
from localai.types import Constraint, Cut, Message, Sampling, TextRequest

if TYPE_CHECKING:
    from localai.characters.card import Character
    from localai.prompts.files import Prompt

_ANY_INPUT = "\ue000"  # stands for an input to see where a prompt file puts it
_MOST_OF_A_FILE = 1 << 26  # bytes
_YES_NO = "yes,no"
_FORMS = ("choices", "schema", "regex", "grammar")  # the keys of a prompt file for one
CONSTRAINTS = ("choices", "regex", "schema", "grammar", "json_object", "test")
"""Options of which each holds an answer to a form; one at most is kept."""


class GenerateOptions(NamedTuple):
    """What a person asked for beside the input; what is None or empty was not said."""

    prompt: str | None = None  # a prompt file's name or path
    variables: Mapping[str, str] = {}
    character: str | None = None  # a character's name, or a card's path
    persona: str | None = None  # the path of a text that says who the user is
    system: str | None = None
    raw: bool = False  # continue the input, without a chat template
    think: Literal["auto", "off", "show"] = "auto"
    truncate: Cut | None = None
    context: int | None = None  # tokens, at least
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    seed: int | None = None
    temperature_first: bool | None = None
    choices: str | None = None  # A,B,...
    regex: str | None = None
    schema: str | None = None  # a file, JSON, or "name, age int"
    grammar: str | None = None  # a file
    json_object: bool = False
    test: bool = False  # yes or no


def joined(piped: str, argument: str) -> str:
    """Return stdin's text and the argument's, a blank line between them if there are both."""
    piped = piped.rstrip("\n")
    return f"{piped}\n\n{argument}" if piped and argument else piped or argument


def prompt_file(options: GenerateOptions) -> Prompt | None:
    """Return the prompt file that was asked for, if any."""
    if options.prompt is None:
        return None
    from localai.prompts import files  # with YAML, which a plain question need not wait for

    return files.load(options.prompt)


def request(
    options: GenerateOptions, text: str, prompt: Prompt | None = None, card: Character | None = None
) -> TextRequest:
    """Return the request that options, the input, a prompt file and a character make together.

    Raises
    ------
    BadInput
        They contradict each other, or a variable or a constraint is wrong.
    """
    question, lead = Message("user", text), 0
    if prompt:
        question, lead = _prompted(prompt, options, text)
    elif options.variables:
        raise BadInput("--var sets a variable of a prompt file, and there is none", "add -p NAME")
    # An empty system text is one, too: without any, some templates write one of their own.
    system = options.system
    if system is None and prompt:
        system = prompt.system
    constraint = constraint_of(options, prompt)
    if card:
        messages, fixed = _acted(card, options, system, question)
    else:
        messages, fixed = _conversation(system, question), int(system is not None)
    return TextRequest(
        messages=() if options.raw else messages,
        raw=_raw(options, question.content, system, card) if options.raw else None,
        fixed=fixed,
        fixed_text=lead,
        sampling=Sampling(**sampling_said(options, prompt, card)),
        max_tokens=options.max_tokens or (prompt and prompt.max_tokens) or None,
        stop=_stop(options, prompt, constraint),
        constraint=constraint,
        think=False if options.think == "off" or constraint else None,
        truncate=options.truncate,
        context=options.context,
    )


def _prompted(prompt: Prompt, options: GenerateOptions, text: str) -> tuple[Message, int]:
    """Return a prompt file's question, and how many of its characters any input leaves as they are.

    Which of it is the input is told where the file leaves the blanks at its ends in their places.
    """
    from localai.formats.parts import join_parts  # which a plain question need not wait for

    whole = prompt.render(text, options.variables)
    own = prompt.render(_ANY_INPUT, options.variables).split(_ANY_INPUT)
    pieces = [("prompt", own[0])]
    for after in own[1:]:
        pieces += [("input", text.strip("\r\n")), ("prompt", after)]
    written, parts = join_parts(pieces)
    return Message("user", whole, parts if written.rstrip() == whole else ()), len(own[0])


def _conversation(system: str | None, question: Message) -> tuple[Message, ...]:
    return (question,) if system is None else (Message("system", system), question)


def character(options: GenerateOptions) -> Character | None:
    """Return the character that was asked for, if any.

    Raises
    ------
    BadInput
        There is none of that name, or the card is damaged, or a persona is given to nobody.
    """
    if not options.character:
        if options.persona:
            raise BadInput("--persona says who you are to a character", "add -c NAME")
        return None
    from localai.characters import index  # with YAML, which a plain question need not wait for

    return index.load(options.character)


def persona(path: str | None) -> str:
    """Return who the user is to a character: from the file that was named, else the settings'."""
    path = path or settings.load().persona
    return read_text(expanded(path), _MOST_OF_A_FILE).strip() if path else ""


def _acted(
    card: Character, options: GenerateOptions, system: str | None, question: Message
) -> tuple[tuple[Message, ...], int]:
    """Return what a character is told before it answers a question, and how much of it is fixed."""
    from localai.generation.card_prompt import card_messages  # other questions need not wait

    who = persona(options.persona)
    return card_messages(card, question, persona=who, system=system or "", seed=options.seed)


def _raw(options: GenerateOptions, text: str, system: str | None, card: Character | None) -> str:
    if card:
        raise BadInput("--raw has no character: it continues the prompt alone", "leave out -c")
    if options.system:
        raise BadInput("--raw has no system text: it continues the prompt alone", "leave out -s")
    if system:
        what = "--raw has no system text, and the prompt file has one"
        raise BadInput(what, "leave out --raw")
    return text


def _stop(
    options: GenerateOptions, prompt: Prompt | None, constraint: Constraint | None
) -> tuple[str, ...]:
    """Return the stop strings; a constraint says itself where an answer ends."""
    stop: tuple[str, ...] = options.stop
    if constraint and stop:
        raise BadInput(
            "--stop and a constraint cannot be kept together: it would cut an answer before it is "
            "complete",
            "leave out --stop",
        )
    return stop or (prompt.stop if prompt and not constraint else ())


def sampling_said(
    options: GenerateOptions, prompt: Prompt | None, card: Character | None
) -> dict[str, Any]:
    """Return the sampling settings that somebody has set: an option, else a prompt file or card."""
    asked = {name: getattr(options, name) for name in Sampling._fields}
    if asked["temperature"] is None and prompt:
        asked["temperature"] = prompt.temperature
    for name, value in (card.sampling if card else {}).items():
        if asked.get(name) is None:
            asked[name] = value
    return {name: value for name, value in asked.items() if value is not None}


def constraint_of(options: GenerateOptions, prompt: Prompt | None) -> Constraint | None:
    """Return the one constraint that was asked for; a flag goes before the prompt file's.

    Raises
    ------
    BadInput
        There are several, or it is wrong.
    """
    flags = [name for name in CONSTRAINTS if getattr(options, name) not in (None, False)]
    if len(flags) > 1:
        named = " and ".join("--" + flag.replace("_", "-") for flag in flags)
        raise BadInput(f"{named} cannot be kept together", "use one of them")
    own = [name for name in _FORMS if prompt and getattr(prompt, name)]
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
        return makers[flags[0]](getattr(options, flags[0]))
    assert prompt is not None
    makers["schema"] = partial(_schema_of, prompt.path)
    makers["grammar"] = partial(_grammar_of, prompt.path)
    try:
        return makers[own[0]](getattr(prompt, own[0]))
    except BadInput as error:
        raise BadConstraint(f"{prompt.path}: `{own[0]}`: {error.what}", error.next_step) from None


def _grammar_of(file: Path, grammar: str) -> Constraint:
    """Return the constraint of a prompt file's grammar, which may lie in a file beside it."""
    from localai.generation import constraints
    from localai.prompts import files

    if "\n" in grammar.strip() or not grammar.strip().endswith((".gbnf", ".lark")):
        return constraints.from_grammar_text(grammar)
    if (path := files.FOLDER.beside(file, grammar.strip())) is None:
        raise BadConstraint(f"there is no file {grammar!r} beside it", "write the grammar into it")
    return constraints.from_grammar(path)


def _schema_of(file: Path, schema: str | Mapping[str, object]) -> Constraint:
    """Return the constraint of a prompt file's schema, which may lie in a file beside it."""
    from localai.generation import constraints
    from localai.prompts import files

    if not isinstance(schema, str) or not schema.endswith(".json"):
        return constraints.from_schema(schema)
    if (path := files.FOLDER.beside(file, schema)) is None:
        raise BadConstraint(f"there is no file {schema!r} beside it", "write the schema into it")
    return constraints.from_schema_file(path)
