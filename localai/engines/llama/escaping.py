"""Untrusted text in a prompt: it may spell a marker, and it stays the text that it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from localai.engines.llama.vocab import Vocab

_PRIVATE = range(0xE000, 0xF8FF)  # Unicode's private use area: place holders come from here


def tokenize_untrusted(
    vocab: Vocab, text: str, forbidden: Callable[[int], bool] | None = None
) -> list[int]:
    """Return the ids of untrusted text inside a prompt: not one of them is a control token.

    A few vocabularies can build a control token out of ordinary merges, and tokens made by hand
    are found in any text; where `forbidden` (default: control tokens) says that one came out, the
    text is halved until none does.
    """
    forbidden = forbidden or vocab.is_control
    ids = vocab.tokenize_inside(text)
    if not any(map(forbidden, ids)):
        return ids
    if len(text) < 2:
        return [token for token in ids if not vocab.is_control(token)]
    half = len(text) // 2
    return tokenize_untrusted(vocab, text[:half], forbidden) + tokenize_untrusted(
        vocab, text[half:], forbidden
    )


class Placeholders:
    """Place holders for spelled markers while a template renders.

    Each is two private characters around a number; characters that some message uses are not taken.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        used = set().union(*map(set, texts)) if texts else set()
        free = (chr(code) for code in _PRIVATE if chr(code) not in used)
        self._open, self._close = next(free), next(free)
        self._hidden: list[str | list[int]] = []

    def hide(self, text: str, spelled: set[str]) -> str:
        """Return `text` with every spelled marker replaced by a place holder."""
        if not spelled:
            return text
        longest_first = sorted(spelled, key=lambda marker: (-len(marker), marker))
        return re.sub("|".join(map(re.escape, longest_first)), self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        return self.stand_for(match[0])

    def stand_for(self, hidden: str | list[int]) -> str:
        """Return a new place holder for a text, or for the token ids of a picture."""
        self._hidden.append(hidden)
        return f"{self._open}{len(self._hidden) - 1}{self._close}"

    def restore(self, rendered: str) -> str:
        """Return a rendered text with what was hidden in its places again."""
        parts = (part for part, _ in self.split(rendered))
        return "".join(part if isinstance(part, str) else "" for part in parts)

    def split(self, rendered: str) -> list[tuple[str | list[int], bool]]:
        """Return the rendered text in parts, each (text or ids, whether it was hidden)."""
        if not self._hidden:
            return [(rendered, False)]
        parts = re.split(f"{self._open}([0-9]+){self._close}", rendered)
        return [
            (self._hidden[int(part)], True) if position % 2 else (part, False)
            for position, part in enumerate(parts)
            if part or not position
        ]
