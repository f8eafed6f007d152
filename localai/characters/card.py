"""A character card, whatever file it came from; all of its text is untrusted.

The fields are those of Character Card V3 under names that people write by hand, and a few of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

Role = Literal["system", "user", "assistant"]
Position = Literal["before", "after", "nowhere"]
Logic = Literal["any", "not_all", "not_any", "all"]


@dataclass(frozen=True)
class DepthNote:
    """A note that is put near the end of the conversation, so that it is not forgotten."""

    text: str
    depth: int = 4  # messages that stand after it; 0: it is the last
    role: Role = "system"
    part: ClassVar[str] = "card"  # what it is of a prompt (`types.PARTS`)


@dataclass(frozen=True)
class LoreNote(DepthNote):
    """Knowledge of the lorebook that stands there."""

    part: ClassVar[str] = "lore"


@dataclass(frozen=True)
class LoreEntry:
    """A piece of knowledge that enters the prompt when it is spoken of."""

    keys: tuple[str, ...]  # texts; `/pattern/flags` is a pattern
    content: str  # decorators (leading `@@` lines) included, as the file has them
    enabled: bool = True
    order: int = 100  # lower stands earlier in the prompt
    priority: int = 10  # lower is dropped first when the budget is spent
    secondary: tuple[str, ...] = ()
    selective: bool = False  # `secondary` counts, too
    logic: Logic = "any"  # how many of `secondary` must be there, or must not all, or not at all
    constant: bool = False  # always there, within the budget
    case_sensitive: bool = False
    whole_words: bool = False  # a key of one word is no part of a longer word
    use_regex: bool = False  # every key is a pattern, without slashes too
    scan_depth: int | None = None  # instead of the book's
    also_match: tuple[str, ...] = ()  # fields of the card that are looked through, too: `SOURCES`
    probability: int = 100  # percent
    position: Position = "before"  # of the description
    depth: int | None = None  # instead: so many messages stand after it
    role: Role = "system"  # at a depth
    name: str = ""
    group: tuple[str, ...] = ()  # of those that are called, one of a group enters
    group_weight: int = 100  # its share of the chance
    group_override: bool = False  # enters instead of the others, without a draw
    delay: int = 0  # messages that must have been said
    sticky: int = 0  # messages for which it stays, once called
    cooldown: int = 0  # messages for which it cannot be called again
    exclude_recursion: bool = False  # other entries do not call it
    prevent_recursion: bool = False  # it calls no others
    delay_until_recursion: int = 0  # only others call it; higher numbers later
    ignore_budget: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of the file that we do not use


SOURCES = (
    "persona",
    "description",
    "personality",
    "scenario",
    "creator_notes",
    "note",
)
"""What `LoreEntry.also_match` may name."""


@dataclass(frozen=True)
class Lorebook:
    """A book of such pieces."""

    entries: tuple[LoreEntry, ...] = ()
    name: str = ""
    scan_depth: int = 2  # last messages in which keys are looked for
    token_budget: int | None = None  # None: a quarter of the context
    recursive: bool = False  # what an entry says may call others
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Character:
    """Who the model is."""

    name: str
    description: str = ""
    personality: str = ""
    scenario: str = ""
    first_message: str = ""
    alternate_greetings: tuple[str, ...] = ()
    examples: str = ""  # blocks after `<START>`, lines after `{{char}}:` or `{{user}}:`
    system: str = ""  # instead of our own system text; `{{original}}` is ours
    post_history: str = ""  # said after the conversation, each time
    note: DepthNote | None = None
    nickname: str = ""  # what `{{char}}` stands for, if set
    persona: str = ""  # of the user
    genre: str = ""
    tags: tuple[str, ...] = ()
    creator: str = ""
    version: str = ""
    creator_notes: str = ""  # for the user's eyes, never in a prompt
    lorebook: Lorebook | None = None
    model: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    picture: Mapping[str, Any] = field(default_factory=dict)
    voice: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of the file that we do not use

    @property
    def called(self) -> str:
        """What `{{char}}` stands for."""
        return self.nickname or self.name

    @property
    def greetings(self) -> tuple[str, ...]:
        """All first messages, the card's own choice first; empty ones are none."""
        return tuple(text for text in (self.first_message, *self.alternate_greetings) if text)
