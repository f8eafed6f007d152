"""What a character is told before it answers a single question."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import takewhile

from localai.characters.card import Character
from localai.characters.prompt_parts import prompt_parts, triggered_lore
from localai.generation.conversation import Conversation, fit, fold
from localai.types import Message

_NO_END = 1 << 40  # tokens
# Of other uses than this one, to see what of a card hangs on chance and time. Draws may be equal:
# then a little more is kept for the next use than it can begin with.
_OTHER_SEEDS = (7**9, 11, 1, 5**5)
_OTHER_TIME = datetime(2001, 1, 30, 3, 7, 9, tzinfo=UTC)
_VARIES = re.compile(
    r"\{\{\s*(?:time|date|weekday|iso|idle|random|pick|roll)", re.IGNORECASE
)  # quickly seen of most cards that they do not
# Not every template takes a system text in the middle, or an answer before a question.
_SHAPE = partial(fold, mid_system=False, user_first=True, alternate=True)


def card_messages(
    card: Character,
    question: Message,
    *,
    persona: str = "",
    system: str = "",
    seed: int | None = None,
) -> tuple[tuple[Message, ...], int]:
    """Return the messages that ask a character, and how many of them the next use begins with.

    Parameters
    ----------
    persona : str
        Who the user is; empty: as the card says.
    system : str
        What is asked for beside the card.
    seed : int or None
        Of all that is drawn; None: another one each time.
    """

    def messages(seed: int | None, now: datetime | None) -> tuple[Message, ...]:
        opened = prompt_parts(card, persona=persona, system=system, seed=seed, now=now)
        talk = Conversation(opened, (question,))
        talk = replace(talk, notes=triggered_lore(card, opened, talk.said, talk.answers))
        # Nothing leaves: what is too long for the model is told, as with any question.
        return fit(talk, lambda _: 0, _NO_END, 0, shape=_SHAPE).messages

    asked = messages(seed, None)
    same = asked[:-1]  # all but the question, the greeting too
    if not _VARIES.search(f"{card!r}{persona}"):
        return asked, len(same)
    for other in _OTHER_SEEDS:
        pairs = zip(same, messages(other, _OTHER_TIME), strict=False)
        same = tuple(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return asked, len(same)
