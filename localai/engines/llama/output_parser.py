"""Bytes of tokens to pieces of text: incremental UTF-8, thinking apart, stop strings. Pure."""

from __future__ import annotations

import codecs

from localai.engines.llama.reasoning import ReasoningTags
from localai.types import Text, Thinking

Piece = Text | Thinking


def _overlap(text: str, pattern: str) -> int:
    """Return the length of the longest end of `text` that begins `pattern` but is not all of it."""
    for length in range(min(len(text), len(pattern) - 1), 0, -1):
        if text.endswith(pattern[:length]):
            return length
    return 0


class OutputParser:
    """Turns the bytes of one answer's tokens into pieces that may be shown.

    Thinking stands only at the start of an answer: later marks are text like any other. Text that
    could still become a stop string or a mark is held back until that is clear. A stop string
    never appears in the output and ends the flow (`stopped`).

    Parameters
    ----------
    stops : tuple of str
        Stop strings; they are looked for in the answer, not in the thinking.
    style : ReasoningTags or None
        The template's way to mark thinking; None: all is text.
    thinking : bool
        Whether the template has opened the thinking already.
    """

    def __init__(
        self,
        stops: tuple[str, ...] = (),
        style: ReasoningTags | None = None,
        thinking: bool = False,
    ) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._style = style
        self.thinking = thinking and style is not None  # what comes now is not the answer yet
        self._start = style is not None and not thinking  # a mark may still come
        self._trim = self.thinking  # blank lines beside the marks are the template's
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes) -> list[Piece]:
        """Take the bytes of a token; return what may be shown now."""
        return self._advance(self._utf8.decode(data))

    def close(self) -> list[Piece]:
        """Return what was held back when the answer has ended."""
        pieces = self._advance(self._utf8.decode(b"", final=True))
        rest, self._held = self._held, ""
        return pieces if self.stopped else pieces + self._show(rest)

    def _advance(self, text: str) -> list[Piece]:
        if self._plain:
            return [Text(text)] if text else []
        if self.stopped:
            return []
        self._held += text
        pieces: list[Piece] = []
        while self._turn(pieces):
            pass
        if not self.stopped:
            split = len(self._held) - self._holding()
            pieces += self._show(self._held[:split])
            self._held = self._held[split:]
        return pieces

    @property
    def _plain(self) -> bool:
        """Whether nothing can come any more but text: most of an answer."""
        return not (self._stops or self._start or self.thinking or self._trim or self.stopped)

    def _turn(self, pieces: list[Piece]) -> bool:
        """Pass the first mark or stop string in what is held; return whether there was one."""
        if self._start and (blank := self._held.lstrip()):
            return self._begin(blank)
        found = [(at, mark) for mark in self._marks() if (at := self._held.find(mark)) >= 0]
        if not found:
            return False
        at, mark = min(found, key=lambda place: (place[0], -len(place[1])))
        pieces += self._show(self._held[:at])
        self._held = self._held[at + len(mark) :]
        if self.thinking:
            self.thinking, self._trim = False, True
            return True
        self.stopped, self._held = True, ""
        return False

    def _begin(self, text: str) -> bool:
        """Decide whether an answer that begins with `text` begins with a mark."""
        assert self._style is not None
        for mark, thinking in ((self._style.opening, True), (self._style.skip, False)):
            if mark and text.startswith(mark):
                self._held = text[len(mark) :]
                self._start, self.thinking, self._trim = False, thinking, True
                return True
            if mark.startswith(text):
                return False  # too short to tell
        self._start = False
        return True

    def _marks(self) -> tuple[str, ...]:
        if self.thinking:
            return (self._style.closing,) if self._style else ()
        return self._stops

    def _holding(self) -> int:
        """Return how many characters at the end may not be shown yet."""
        if self._start:
            return len(self._held)
        return max((_overlap(self._held, mark) for mark in self._marks()), default=0)

    def _show(self, text: str) -> list[Piece]:
        if self._trim:
            text = text.lstrip("\n")
        if not text:
            return []
        self._trim = False
        return [Thinking(text) if self.thinking else Text(text)]
