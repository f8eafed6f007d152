"""A character as a base model needs it: no orders, but a text that is gone on with.

A card may hold anything; here it is plain text of bounded length before the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from localai.characters.card import Character
from localai.characters.macros import expand
from localai.characters.prompt_parts import ExampleTurn, prompt_parts
from localai.seance.prompts import SpiritPrompts

_LONGEST = 1200  # characters of who the voice is, and as many of examples: contexts are small
_MARKUP = re.compile(r"[*_`#<>]+")


class SpiritPersona(NamedTuple):
    """What stands before the prompts of a language; empty where nobody in particular speaks."""

    about: str = ""  # who the voice is
    examples: str = ""  # how it has answered: before questions only, or a monologue would ask some


def persona(card: Character, prompts: SpiritPrompts, seed: int) -> SpiritPersona:
    """Return a card as text before the prompts of a language.

    Parameters
    ----------
    seed : int
        Of all that a card draws.
    """
    parts = prompt_parts(card, user="the visitor", seed=seed)
    values = parts.values
    name = _plain(card.called)
    texts = (card.description, card.personality, card.scenario)
    about = " ".join(_plain(expand(text, values) if values else text) for text in texts)
    lead = prompts.persona.replace("{{name}}", name) if prompts.persona else f"{name}."
    examples = ""
    for block in (_exchange(turns, prompts) for turns in parts.examples):
        if len(examples) + len(block) <= _LONGEST:
            examples += block
    return SpiritPersona(f"{lead} {_cut(about.strip())}".rstrip() + "\n\n", examples)


def _exchange(turns: Sequence[ExampleTurn], prompts: SpiritPrompts) -> str:
    """Return an example dialogue as questions and answers, marked as the prompt marks them."""
    lines = prompts.question.splitlines()
    asks = next(line for line in lines if "{{question}}" in line)
    text = ""
    for turn in turns:
        if turn.role == "user":
            text += asks.replace("{{question}}", _plain(turn.content)) + "\n"
        elif turn.role == "assistant" and text:
            text += f"{lines[-1]} {_plain(turn.content)}\n"
    return text


def _plain(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).split())


def _cut(text: str) -> str:
    """Return the beginning of a text, up to the last sentence that fits."""
    if len(text) <= _LONGEST:
        return text
    whole = text[:_LONGEST]
    return whole[: whole.rfind(". ") + 1] or whole
