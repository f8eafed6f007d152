"""A card becomes what stands before and around a conversation. Pure.

Everything that the card says goes through `macros.expand` here; what the user types never does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from localai.characters import lorebook
from localai.characters.card import Character, DepthNote, LoreNote, Role
from localai.characters.macro_values import macro_values
from localai.characters.macros import MacroValues, expand
from localai.characters.persona import read as read_persona
from localai.errors import BadInput
from localai.formats.parts import Parts, join_parts

DEFAULT = (
    "You are {{char}}, and you talk with {{user}}. Stay in character. Do not speak for {{user}}."
)
"""Our own system text, for cards that have none."""

EXAMPLE = "[Example Chat]"
"""Stands before each block of example dialogue."""

_START = re.compile("<start>", re.IGNORECASE)
_CALLED_DEPTH = 1  # knowledge that was called for stands before the present question


@dataclass(frozen=True)
class ExampleTurn:
    """A message before it is one of an engine's: engines stand above cards in the house."""

    role: Role
    content: str


@dataclass(frozen=True)
class PromptParts:
    """What a card makes of a conversation, all macros replaced.

    Parameters
    ----------
    system : str
        The system text; empty: there is none.
    examples : tuple of tuple of ExampleTurn
        Blocks of example dialogue, each after a system turn that says what it is.
    greeting : str
        What the character says first; empty: it waits.
    notes : tuple of DepthNote
        Notes that stand near the end of the conversation, at every turn.
    post_history : str
        What is said after the conversation, at every turn.
    values : MacroValues or None
        What the macros stood for, for knowledge that is called for later.
    lore_room : int
        Tokens that are left for such knowledge.
    says_nothing : bool
        An empty system text was asked for: none would let some templates write one of their own.
    system_parts : tuple of Part
        Of what the system text is made.
    """

    system: str = ""
    examples: tuple[tuple[ExampleTurn, ...], ...] = ()
    greeting: str = ""
    notes: tuple[DepthNote, ...] = ()
    post_history: str = ""
    values: MacroValues | None = None
    lore_room: int = 0
    says_nothing: bool = False
    system_parts: Parts = ()


def guess(text: str) -> int:
    """Return about how many tokens a text has, where no model can be asked."""
    return len(text) // 3 + 1


def prompt_parts(
    character: Character,
    user: str = "",
    persona: str = "",
    greeting: int | None = 0,
    seed: int | None = 0,
    *,
    system: str = "",
    now: datetime | None = None,
    context: int = 4096,
    size: lorebook.Size = guess,
) -> PromptParts:
    """Return what a character says and is told, before the first word of the user.

    Parameters
    ----------
    user : str
        The user's name; empty: as the persona says, else `User`.
    persona : str
        Who the user is; empty: as the card says. Its macros are replaced, too.
    greeting : int or None
        Which of the character's greetings; 0: the card's own choice, None: none.
    seed : int or None
        Of `{{random}}` and its kin; the same through a session, so that the text stays the same.
        None: another one each time.
    system : str
        What is asked for beside the card: it is told after all that the card says.
    now : datetime or None
        The time of the session's start, for `{{time}}` and its kin; None: the present.
    context : int
        Tokens of the context; a lorebook without a budget of its own may take a quarter of them.

    Raises
    ------
    BadInput
        There is no such greeting.
    """
    who = read_persona(persona or character.persona)
    values = macro_values(character.called, who, user, card=character, seed=seed, now=now)
    room = lorebook.room(character.lorebook, context) if character.lorebook else 0
    known = lorebook.standing(character.lorebook, values, size, room) if character.lorebook else ()
    notes = [character.note] if character.note else []
    text, parts = join_parts([*_system(character, values, known), ("system", system)], "\n")
    return PromptParts(
        system=text,
        system_parts=parts,
        examples=_examples(character, values),
        greeting=expand(_greeting(character, greeting), values).strip(),
        notes=(
            *(replace(note, text=expand(note.text, values).strip()) for note in notes),
            *_deep(known),
        ),
        post_history=expand(character.post_history, replace(values, original="")).strip(),
        values=values,
        lore_room=room - sum(size(piece.text) for piece in known if not piece.unpaid),
    )


def plain_parts(
    called: str,
    system: str | None = None,
    persona: str = "",
    seed: int | None = 0,
    now: datetime | None = None,
) -> PromptParts:
    """Return what a model without a character is told; macros count in the persona alone."""
    values = macro_values(called, read_persona(persona), seed=seed, now=now)
    pieces = (("system", system or ""), ("persona", values.texts["persona"]))
    text, parts = join_parts(pieces, "\n")
    nothing = system == "" == text
    return PromptParts(system=text, system_parts=parts, says_nothing=nothing, values=values)


def triggered_lore(
    character: Character,
    opened: PromptParts,
    said: Sequence[str],
    answers: int,
    size: lorebook.Size = guess,
) -> tuple[DepthNote, ...]:
    """Return the knowledge that the last messages call for, as notes in the conversation.

    It would stand in the system text if the order of other programs were kept; then every word
    that calls for an entry would make the whole conversation new to the engine. So it stands
    before the present question, what comes before the description first.

    Parameters
    ----------
    said : sequence of str
        What was said, oldest first, the greeting and the present question included.
    answers : int
        How many of them the character has said.
    """
    if not character.lorebook or not opened.values:
        return ()
    last, answer = ([*said[::-1], "", ""])[:2]
    values = replace(opened.values, last_message=last, last_answer=answer)
    pieces = lorebook.called(character.lorebook, said, answers, values, size, opened.lore_room)
    near = [p.text for where in ("before", "after") for p in _placed(pieces, where)]
    before = [LoreNote("\n".join(near), _CALLED_DEPTH)] if near else []
    return (*before, *_deep(pieces))


def _deep(pieces: tuple[lorebook.LoreText, ...]) -> list[DepthNote]:
    """Return the knowledge that stands at a depth of the conversation."""
    return [LoreNote(p.text, p.depth, p.role) for p in pieces if p.depth is not None]


def _system(
    character: Character, values: MacroValues, known: tuple[lorebook.LoreText, ...]
) -> list[tuple[str, str]]:
    """Return the pieces of a card's system text, each with the part that it is."""
    ours = expand(DEFAULT, values)
    own = expand(character.system, replace(values, original=ours)).strip()
    persona = values.texts["persona"]
    personality = expand(character.personality, values).strip()
    scenario = expand(character.scenario, values).strip()
    return [
        ("card", own or ours),
        *(("lore", piece.text) for piece in _placed(known, "before")),
        ("card", expand(character.description, values).strip()),
        ("card", f"{values.char}'s personality: {personality}" if personality else ""),
        ("card", f"Scenario: {scenario}" if scenario else ""),
        *(("lore", piece.text) for piece in _placed(known, "after")),
        ("persona", persona.strip()),
    ]


def _placed(pieces: tuple[lorebook.LoreText, ...], position: str) -> list[lorebook.LoreText]:
    return [piece for piece in pieces if piece.depth is None and piece.position == position]


def _greeting(character: Character, number: int | None) -> str:
    greetings = character.greetings
    if number is None or (number == 0 and not greetings):
        return ""
    if 0 <= number < len(greetings):
        return greetings[number]
    have = f"greetings 0 to {len(greetings) - 1}" if greetings else "no greeting"
    raise BadInput(f"{character.called!r} has {have}; number {number} was asked for")


def _examples(character: Character, values: MacroValues) -> tuple[tuple[ExampleTurn, ...], ...]:
    blocks = split_examples(character.examples, values.user, (character.name, values.char))
    return tuple(
        tuple(ExampleTurn(turn.role, expand(turn.content, values).strip()) for turn in block)
        for block in blocks
    )


def split_examples(
    text: str, user: str, names: Sequence[str]
) -> tuple[tuple[ExampleTurn, ...], ...]:
    """Return example dialogue in blocks of turns, macros not yet replaced.

    `<START>` begins a block. A line that begins with `{{user}}:`, `{{char}}:` or one of their names
    begins a turn; other lines belong to the turn above them, and before the first one to the
    system turn `[Example Chat]` that every block begins with.

    Parameters
    ----------
    names : sequence of str
        The character's names. Where the user has one of them, too, it is the character's.
    """
    speakers: dict[str, Role] = {user.strip(): "user"}
    speakers |= {name.strip(): "assistant" for name in names}
    speakers |= {"{{user}}": "user", "<user>": "user"}
    speakers |= {name: "assistant" for name in ("{{char}}", "{{bot}}", "<char>", "<bot>")}
    # Longest first: the name `Ann: the second` begins like the name `Ann`.
    ordered = sorted(filter(None, speakers), key=len, reverse=True)
    known = [(name.lower(), len(name), speakers[name]) for name in ordered]
    blocks = (_block(text, known) for text in _START.split(text))
    return tuple(block for block in blocks if len(block) > 1 or block[0].content != EXAMPLE)


_Speakers = list[tuple[str, int, Role]]  # name in small letters, its length as written, role


def _block(text: str, speakers: _Speakers) -> tuple[ExampleTurn, ...]:
    turns: list[tuple[Role, list[str]]] = [("system", [EXAMPLE])]
    for line in text.strip().replace("\r\n", "\n").split("\n"):
        role, words = _speaker(line, speakers)
        if role:
            turns.append((role, [words]))
        else:
            turns[-1][1].append(line)
    texts = ((role, "\n".join(words).strip()) for role, words in turns)
    return tuple(ExampleTurn(role, text) for role, text in texts if text)


def _speaker(line: str, speakers: _Speakers) -> tuple[Role | None, str]:
    """Return whose line it is, if it begins with a name, and what is said."""
    begin = line.lstrip()
    for name, length, role in speakers:
        if begin[:length].lower() == name:
            rest = begin[length:].lstrip(" ")
            if rest.startswith(":"):
                return role, rest[1:].lstrip()
    return None, line
