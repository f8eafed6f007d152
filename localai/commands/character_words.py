"""What a picture of a character shows, in the words of the model that speaks as it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from localai.chat import image_prompt
from localai.commands.open_engine import engine_for, spec_for
from localai.errors import LocalaiError
from localai.generation import build
from localai.terminal.answer import print_answer
from localai.terminal.console import Console


def character_words(console: Console, given: dict[str, Any], what: str) -> str:
    """Return a prompt: keywords that the default text model writes about a card.

    Parameters
    ----------
    what : str
        A key of `image_prompt.OF_CARD`.

    Raises
    ------
    LocalaiError
        There is no such character, no text model, or it wrote nothing of use.
    """
    asked = build.GenerateOptions(
        character=given["character"],
        persona=given["persona"],
        max_tokens=image_prompt.LONGEST,
        seed=given["seed"] if given["seed"] is None else min(given["seed"], 2**32 - 2),
    )
    card = build.character(asked)
    assert card is not None
    told = image_prompt.instruction(what, card.name, "you")
    request = build.request(asked, told, None, card)
    text = {**given, "model": "tiny" if given["model"] == "tiny" else None}
    spec = spec_for(console, text, card.model or "")
    with engine_for(console, given, spec) as engine, closing(engine.ask(request)) as events:
        answer = print_answer(events, console, spec.name, show=False, think="off")
    if words := image_prompt.keywords(answer.content):
        return words
    raise LocalaiError("the model wrote no keywords", "try again, or use words of your own")
