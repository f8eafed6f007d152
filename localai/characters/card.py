"""A character card, whatever file it came from; all of its text is untrusted.

The fields are those of Character Card V3 under names that people write by hand, and a few of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class DepthNote:
    """A note that is put near the end of the conversation, so that it is not forgotten."""

    text: str
    depth: int = 4  # messages that stand after it; 0: it is the last
    role: Role = "system"


@dataclass(frozen=True)
class LoreEntry:
    """A piece of knowledge that enters the prompt when it is spoken of."""

    keys: tuple[str, ...]
    content: str  # decorators (leading `@@` lines) included, as the file has them
    enabled: bool = True
    order: int = 100  # lower stands earlier in the prompt
    priority: int = 10  # lower is dropped first when the budget is spent
    secondary: tuple[str, ...] = ()
    selective: bool = False  # one of `secondary` is needed, too
    constant: bool = False  # always there, within the budget
    case_sensitive: bool = False
    use_regex: bool = False
    position: Literal["before", "after"] = "before"  # of the description
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  # keys of the file that we do not use


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
