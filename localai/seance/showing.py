"""How a seance is shown, and what is asked of it for a script."""

from __future__ import annotations

from typing import NamedTuple


class Showing(NamedTuple):
    """How a person wants to see it, and what for a script is asked."""

    once: str | None = None
    audio: tuple[str, ...] = ()
    hear: str | None = None  # the hearing model
    mic: bool = False
    mic_device: str | None = None  # a microphone's name, or a part of it
    lines: int | None = None  # a question
    plain: bool = False
    calm: bool = False
    as_json: bool = False

    @property
    def speaks(self) -> bool:
        """Whether questions are spoken into a microphone."""
        return self.mic or self.mic_device is not None
