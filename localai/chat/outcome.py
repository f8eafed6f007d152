"""What is to happen after a line of a chat."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leave:
    """The chat is over."""


@dataclass(frozen=True)
class Refill:
    """The next prompt begins with this text."""

    text: str


Outcome = str | Leave | Refill | None
"""A text is shown."""
