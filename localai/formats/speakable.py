"""An answer as a voice should say it: Markdown and code stripped, cut into sentences. Pure."""

from __future__ import annotations

import re

from localai.formats.sentences import pieces, sentences

_LONGEST = 1000  # characters that are spoken at once, about a minute: longer ones are parted
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_RULES = (
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),  # a picture
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),  # a link
    (re.compile(r"<?https?://\S+"), ""),
    (re.compile(r"^\s{0,3}(#{1,6}\s+|>\s?|[-*+]\s+|\d+[.)]\s+)+"), ""),
    (re.compile(r"^\s*\|?[\s:|-]+\|[\s:|-]*$"), ""),  # the line below a table's head
    (re.compile(r"\s*\|\s*"), ", "),
    (re.compile(r"^\s*([-*_]\s*){3,}$"), ""),  # a rule
    (re.compile(r"`([^`]*)`"), r"\1"),
    (re.compile(r"(\*{1,3}|_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"<[^<>]{1,200}>"), ""),  # HTML
)


class SpeakableStream:
    """Makes sentences of an answer while it comes.

    Code between fences is left out; of code within a line the backquotes are.
    """

    def __init__(self) -> None:
        self._text = ""
        self._fence = ""

    def feed(self, text: str) -> list[str]:
        """Take a piece of the answer; return the sentences that are complete by it."""
        self._text += text
        *lines, self._text = self._text.split("\n")
        found = [each for line in lines for each in self._line(line)]
        if self._fence or _FENCE.match(self._text) or self._text.count("`") % 2:
            return found
        # Of an unfinished line, all but the last sentence: more of that may come.
        *whole, _ = sentences(self._text) or [""]
        if whole:
            begin = self._text.rfind(whole[-1]) + len(whole[-1])
            found += self._line(self._text[:begin])
            self._text = self._text[begin:].lstrip()
        return found

    def end(self) -> list[str]:
        """Return the sentences that are left."""
        rest, self._text = self._text, ""
        return self._line(rest)

    def _line(self, line: str) -> list[str]:
        if mark := _FENCE.match(line):
            self._fence = "" if self._fence and mark[1].startswith(self._fence) else mark[1]
            return []
        return [] if self._fence else speakable(line)


def speakable(line: str) -> list[str]:
    """Return the sentences of a line of Markdown; only those with something to say."""
    for pattern, instead in _RULES:
        line = pattern.sub(instead, line)
    line = "".join(char for char in line if char.isprintable()).strip(" ,")
    parts = [part for each in sentences(line) for part in pieces(each, _LONGEST)]
    return [each for each in parts if any(char.isalnum() for char in each)]
