"""Who speaks in a chat: the character, the user's persona, and what they make of the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from localai.characters.persona import NOBODY
from localai.characters.prompt_parts import PromptParts, guess, plain_parts, prompt_parts
from localai.formats.text import shown

if TYPE_CHECKING:
    from localai.characters.card import Character


@dataclass(frozen=True)
class Participants:
    """Who speaks."""

    character: Character | None
    prompt_parts: PromptParts
    model: str  # what the model is called, for a chat without a character

    @classmethod
    def of(cls, values: Mapping[str, Any], model: str, context: int) -> Participants:
        """Return who speaks in a chat that is held with these values.

        Raises
        ------
        BadInput
            The character's card is gone, or damaged.
        """
        system, persona = _text(values, "system"), _text(values, "persona")
        if not (name := _text(values, "character")):
            asked = system if isinstance(values.get("system"), str) else None
            parts = plain_parts(model, asked, persona, _whole(values, "seed"), _began(values))
            return cls(None, parts, model)
        from localai.characters import index  # with YAML, which a chat without a card need not

        character = index.load(name)
        opened = prompt_parts(
            character,
            persona=persona,
            system=system,
            greeting=_greeting(values, character),
            seed=_whole(values, "seed"),
            now=_began(values),
            context=context,
            size=guess,
        )
        return cls(character, opened, model)

    @property
    def char(self) -> str:
        """What the one who answers is called."""
        return shown(self.character.called if self.character else self.model)

    @property
    def user(self) -> str:
        """What the one who asks is called."""
        return shown(self.prompt_parts.values.user if self.prompt_parts.values else NOBODY)

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How the character wants words to be chosen."""
        return self.character.sampling if self.character else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0


def _greeting(values: Mapping[str, Any], character: Character) -> int:
    return min(_whole(values, "greeting"), max(0, len(character.greetings) - 1))


def _began(values: Mapping[str, Any]) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(_text(values, "began"))
    return None
