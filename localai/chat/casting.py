"""Slash commands about who speaks, and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from localai.characters.macros import expand
from localai.chat import knobs
from localai.chat.memory import Memory
from localai.chat.slash import Outcome, slash
from localai.chat.talk import Talk
from localai.errors import BadInput
from localai.terminal.text import cells, clip, one_line, read_text

if TYPE_CHECKING:
    from localai.characters.card import Character

_LARGEST_PERSONA = 1 << 20  # bytes
_NOBODY = ("none", "-")
_FILE_LIKE = re.compile(r"[~./]\S*/\S*|\S+\.(?:txt|md)")


@slash("/system", "[TEXT]", "Tell the model who it is; `/system none` takes it away.")
def system(talk: Talk, words: str) -> Outcome:
    """Show or set the system text."""
    if not words:
        return talk.cast.opening.system or "there is no system text"
    if words in _NOBODY:
        talk.recast(system=None)
        return "your system text is taken away, from the next question on"
    talk.recast(system=words)
    return "the system text is changed, from the next question on"


@slash("/role", "WORDS", "Let the model be WORDS: `/role a patient teacher`.")
def role(talk: Talk, words: str) -> Outcome:
    """Set the system text from a few words."""
    if not words:
        raise BadInput("/role needs to know who the model is", "/role a patient teacher")
    return system(talk, f"You are {words.rstrip('.')}.")


@slash("/character", "[NAME]", "Talk with a character, or `none`; or say who speaks.", "character")
def character(talk: Talk, words: str) -> Outcome:
    """Change who answers; what was said stays."""
    if not words:
        return f"you talk with {talk.cast.char}"
    talk.recast(character=None if words in _NOBODY else words, greeting=None)
    if talk.transcript.turns:
        return f"{talk.cast.char} goes on with the conversation; /reset begins anew"
    talk.greet()
    return None


@slash("/persona", "[FILE|TEXT]", "Say who you are: a text, or a file of it; or `none`.", "file")
def persona(talk: Talk, words: str) -> Outcome:
    """Show or set the user's persona."""
    if not words:
        return str(talk.values.get("persona") or "you have no persona")
    if words in _NOBODY:
        talk.recast(persona=None)
        return "you have no persona, from the next question on"
    path = Path(words).expanduser()
    named = _is_file(path) or _FILE_LIKE.fullmatch(words)  # a slip in a file's name is told
    talk.recast(persona=read_text(path, _LARGEST_PERSONA).strip() if named else words)
    return f"your persona is changed, from the next question on; you are {talk.cast.user}"


@slash("/greeting", "[N]", "List the character's greetings, or begin with the Nth.")
def greeting(talk: Talk, words: str) -> Outcome:
    """Choose what the character says first."""
    card = talk.cast.character
    if card is None or not card.greetings:
        raise BadInput("there is no greeting to choose: no character that has one")
    if not words:
        return "\n".join(_greetings(talk, card))
    if talk.transcript.questions:
        raise BadInput("the conversation has begun", "/reset first")
    number = int(words) if words.isascii() and words.isdecimal() and len(words) < 6 else 0
    if not 1 <= number <= len(card.greetings):
        raise BadInput(f"there are greetings 1 to {len(card.greetings)}", "/greeting lists them")
    talk.record({"kind": "reset"})
    talk.recast(greeting=number - 1)
    talk.greet()
    return None


@slash("/model", "[NAME]", "Let another model answer, or say which one does.", "model")
def model(talk: Talk, words: str) -> Outcome:
    """Change the model; what was said stays."""
    if not words:
        return f"{talk.models.name}, {talk.models.context} tokens of context"
    talk.models.use(words)
    talk.recast(model=talk.models.name)
    talk.memory = Memory()  # other tokens, another template
    return f"{talk.models.name} answers from now on"


@slash("/set", "[NAME VALUE]", "Set how the model chooses its words; list it all.", "setting")
def set_knob(talk: Talk, words: str) -> Outcome:
    """Show or set one of the knobs; `-` gives it back to the model."""
    name, _, text = words.partition(" ")
    if not words:
        return knobs.overview(talk.settings)
    knobs.refuse_strangers(name)
    if text := text.strip():
        settings = {each: kept for each, kept in talk.settings.items() if each != knobs.key(name)}
        if text not in _NOBODY:
            settings[knobs.key(name)] = knobs.value(name, text)
        talk.change(settings=settings)
    return f"{name} {talk.settings.get(knobs.key(name), '-')}"


def _greetings(talk: Talk, card: Character) -> list[str]:
    """Return a line for each greeting, cut at the screen's width; the chosen one has a star."""
    chosen = talk.values.get("greeting") or 0
    lines = []
    for at, text in enumerate(card.greetings):
        values = talk.cast.opening.values
        said = one_line(expand(text, values) if values else text)
        line = f"{'*' if at == chosen else ' '} {at + 1}  {said}"
        room = talk.console.width
        lines.append(line if cells(line) <= room else clip(line, room - 3) + "...")
    return lines


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a persona that is too long for a name
        return False
