"""What the macros of a conversation stand for: the one place that says it, for every command.

So a macro that is filled in a chat is filled in an answer to one question, too, with a character
and without.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime

from localai.characters.card import Character
from localai.characters.macros import MacroValues, expand
from localai.characters.persona import NOBODY, Persona, told


def macro_values(
    char: str,
    persona: Persona,
    user: str = "",
    *,
    card: Character | None = None,
    seed: int | None = 0,
    now: datetime | None = None,
) -> MacroValues:
    """Return what macros stand for.

    In a field of the card that a macro inserts, no other fields are inserted.

    Parameters
    ----------
    char : str
        What the one who answers is called.
    persona : Persona
        Who the user is.
    user : str
        The user's name; empty: as the persona says, else `User`.
    seed : int or None
        Of `{{random}}` and its kin; None: another one each time.
    now : datetime or None
        The time that macros tell; None: the present.
    """
    plain = MacroValues(
        char,
        user or persona.name or NOBODY,
        seed=random.getrandbits(31) if seed is None else seed,
        now=now or datetime.now().astimezone(),
    )
    if card:
        plain = replace(plain, texts={"charversion": card.version, "char_version": card.version})
    texts = {name: expand(text, plain) for name, text in _fields(card).items()}
    known = replace(plain, texts={**plain.texts, **texts})
    return replace(known, texts={**known.texts, "persona": told(expand(persona.text, known))})


def _fields(card: Character | None) -> dict[str, str]:
    if card is None:
        return {}
    return {
        "description": card.description,
        "personality": card.personality,
        "scenario": card.scenario,
        "mesexamples": card.examples,
        "mesexamplesraw": card.examples,
        "creatornotes": card.creator_notes,
        "chardepthprompt": card.note.text if card.note else "",
        "charprompt": card.system,
        "charjailbreak": card.post_history,
        "charinstruction": card.post_history,
    }
