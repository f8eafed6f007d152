"""A task for a shipped prompt, and the pieces that tasks are made from."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from . import chat_world as world

Rows = list[tuple[list[str], str]]  # ways to say it, and the answer


@dataclass(frozen=True)
class Task:
    """What goes into a prompt, and what should come out."""

    input: str
    answer: str
    variables: dict[str, str] = field(default_factory=dict)


def fill(template: str, slots: dict[str, str]) -> str:
    """The template with `{x}` and the like filled in; braces around digits stay."""
    return re.sub(r"\{([a-z])\}", lambda found: slots[found.group(1)], template)


def some_word(r: random.Random) -> str:
    """A known or a made-up noun."""
    return r.choice(world.THINGS + world.ANIMALS) if r.random() < 0.5 else world.made_up_word(r)


def some_file(r: random.Random) -> str:
    """A file name."""
    return some_word(r) + r.choice([".txt", ".txt", ".md", ".log", ".py", ".csv", ".jpg", ""])


def from_table(rows: Rows, r: random.Random) -> Task:
    """A row of a table in one of its wordings, with files, words and paths filled in."""
    said, answer = r.choice(rows)
    slots = {k: some_file(r) for k in "xy"} | {k: some_word(r) for k in "wv"}
    slots["n"] = str(r.randint(1, 99))
    slots["p"] = "/" + "/".join(some_word(r) for _ in range(r.randint(1, 2)))
    return Task(fill(r.choice(said), slots), fill(answer, slots))
