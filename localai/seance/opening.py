"""What a seance is held with, of what a person asked for; checked before any model is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from localai.characters import index
from localai.characters.card import Character
from localai.errors import BadInput
from localai.seance import prompts as spirit_prompts
from localai.seance.persona import persona
from localai.seance.prompts import SpiritPrompts
from localai.seance.seed import seed_of
from localai.seance.session import SAMPLING, Seance, SeanceOptions, TextEngine
from localai.types import Sampling

MACHINE_MADE = "All voices are machine-made; no one is there."
"""The first line of every seance."""


class SeanceWishes(NamedTuple):
    """What a person asked for; what is None was not said."""

    character: str | None = None  # a card's name or path
    prompts: str | None = None  # a file
    language: str | None = None  # code or name
    languages: str | None = None  # A,B,...
    translate: bool = False
    seed: int | None = None
    seed_image: str | None = None
    max_tokens: int | None = None
    context: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Mapping[str, float | None] = {}  # fields of `types.Sampling`


class SeancePlan(NamedTuple):
    """All that is known before the model is."""

    prompts: Mapping[str, SpiritPrompts]
    options: SeanceOptions
    card: Character | None = None

    def begin(self, engine: TextEngine) -> Seance:
        """Return the seance with a model."""
        return Seance(engine, self.prompts, self.options)

    def language_of(self, question: str) -> str:
        """Return the language that a typed question is in."""
        spoken = [self.prompts[code] for code in self.options.languages]
        return spirit_prompts.language_of(question, spoken, self.options.language)


def plan(wishes: SeanceWishes) -> SeancePlan:
    """Return what a seance is held with.

    Raises
    ------
    BadInput
        A file cannot be read or is not as it should be, a language has no prompts, or the seed is
        said twice.
    """
    prompts = spirit_prompts.load(wishes.prompts)
    languages = spirit_prompts.chosen(prompts, wishes.languages)
    language = _usual(prompts, languages, wishes)
    card = index.load(wishes.character) if wishes.character else None
    seed = seed_of(wishes.seed, wishes.seed_image)
    spoken = (language,) if wishes.translate else languages
    own = dict(card.sampling) if card else {}
    asked = {name: value for name, value in wishes.sampling.items() if value is not None}
    known = {name: value for name, value in {**own, **asked}.items() if name in Sampling._fields}
    options = SeanceOptions(
        seed=seed,
        language=language,
        languages=languages,
        sampling=SAMPLING._replace(**known),
        stop=wishes.stop,
        translate=wishes.translate,
        personas={code: persona(card, prompts[code], seed) for code in spoken} if card else {},
    )
    if wishes.max_tokens is not None:
        options = options._replace(max_tokens=wishes.max_tokens)
    if wishes.context is not None:
        options = options._replace(context=wishes.context)
    if options.max_tokens * 2 > options.context:
        raise BadInput(
            f"answers of {options.max_tokens} tokens leave no room in a context of "
            f"{options.context}",
            "a smaller -n, or a larger --ctx",
        )
    return SeancePlan(prompts, options, card)


def _usual(
    prompts: Mapping[str, SpiritPrompts], languages: tuple[str, ...], wishes: SeanceWishes
) -> str:
    """Return the language of a question that does not tell its own: English where it is spoken."""
    if wishes.language is None:
        return "en" if "en" in languages else languages[0]
    language = spirit_prompts.chosen(prompts, wishes.language)[0]
    if language not in languages and not wishes.translate:
        raise BadInput(
            f"--language {prompts[language].name} is not among --languages", "name it there, too"
        )
    return language
