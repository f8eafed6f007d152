"""Messages that know what they are made of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from localai.characters.card import DepthNote
from localai.formats.parts import one_part
from localai.types import Message, Part, Role

_BLANK_LINE = "\n\n"


def labelled(name: str, role: Role, text: str) -> Message:
    """Return a message that is one part (`types.PARTS`)."""
    return Message(role, text, one_part(name, text))


def asked(turns: Sequence[Message]) -> list[Message]:
    """Return turns of which the last, if the user has said it, is the input."""
    if not turns or turns[-1].role != "user" or turns[-1].parts:
        return list(turns)
    last = turns[-1]
    return [*turns[:-1], last._replace(parts=one_part("input", last.content))]


def noted(history: Sequence[Message], notes: Sequence[DepthNote]) -> list[Message]:
    """Return the history with every note at its depth, counted in messages from the end."""
    found: list[Message] = []
    for at in range(len(history) + 1):
        here = (n for n in notes if max(0, len(history) - max(0, n.depth)) == at and n.text)
        found += [labelled(note.part, note.role, note.text) for note in here]
        found += history[at : at + 1]
    return found


def merged(messages: Sequence[Message], roles: Sequence[str]) -> tuple[Message, ...]:
    """Return messages with those of one role in a row as one, for some roles.

    The blank line between two texts keeps a token from arising that neither of them had.
    """
    runs = groupby(enumerate(messages), lambda each: (each[1].role, each[1].role in roles or each))
    return tuple(_one([each for _, each in run]) for _, run in runs)


def _one(messages: Sequence[Message]) -> Message:
    """Return messages of one role as one."""
    if len(messages) == 1:
        return messages[0]
    content = _BLANK_LINE.join(each.content for each in messages)
    labelled = any(each.parts for each in messages)
    parts = tuple(part for each in messages for part in _parts(each)) if labelled else ()
    pictures = tuple(picture for each in messages for picture in each.pictures)
    return Message(messages[0].role, content, parts, pictures)


def _parts(message: Message) -> tuple[Part, ...]:
    """Return a message's parts, with the blank line that follows it."""
    own = "system" if message.role == "system" else "history"
    known = message.parts or (Part(own, len(message.content)),)
    return (*known[:-1], Part(known[-1].name, known[-1].length + len(_BLANK_LINE)))
