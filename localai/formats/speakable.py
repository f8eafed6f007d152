"""An answer as a voice should say it: Markdown and code stripped, cut into sentences. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localai.formats.sentences import pieces, sentences

_LONGEST = 1000  # characters that are spoken at once, about a minute: longer ones are parted
_INDENT = 4  # spaces before a line that tell something
_RUN = re.compile(rf" {{{_INDENT},}}")
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_RULES = (
    (re.compile(r"!\[([^\[\]]*)\]\([^)]{0,2000}\)"), r"\1"),  # a picture
    (re.compile(r"\[([^\[\]]+)\]\([^)]{0,2000}\)"), r"\1"),  # a link
    (re.compile(r"<?https?://\S+"), ""),
    (re.compile(r"^\s{0,3}(#{1,6}\s+|>\s?|[-*+]\s+|\d+[.)]\s+)+"), ""),
    (re.compile(r"^(?=[^|]*\|)[\s:|-]+$"), ""),  # the line below a table's head
    (re.compile(r"\s*\|\s*"), ", "),
    (re.compile(r"^\s*([-*_]\s*){3,}$"), ""),  # a rule
    # Marks of code and emphasis, each for itself: the other one may be sentences away. Not the sign
    # between numbers or spaces (2*3, 2 * 3), nor the line within a name (snake_case).
    (re.compile(r"`+|~~+|\*{2,}|(?<![A-Za-z0-9])\*(?=\S)|(?<=\S)\*(?![A-Za-z0-9])"), ""),
    (re.compile(r"(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])"), ""),
    (re.compile(r"</?[A-Za-z!][^<>]{0,200}>"), ""),  # HTML
)
# What the end of a line's beginning may become part of: a link, a picture, HTML, a mark.
_OPEN = re.compile(r"!?\[[^\[\]]*(\](\([^)]*)?)?$|</?[A-Za-z!][^<>]{0,200}$|[!<*_~`|]$")


class SpeakableStream:
    """Makes sentences of an answer while it comes.

    Code between fences is left out; of code within a line the backquotes are. However the pieces
    are cut, the sentences are those of the whole lines.
    """

    def __init__(self) -> None:
        self._text = ""  # of the line that has begun
        self._given = 0  # sentences of it
        self._fence = ""

    def feed(self, text: str) -> list[str]:
        """Take a piece of the answer; return the sentences that are complete by it."""
        self._text += text
        *lines, self._text = self._text.split("\n")
        found = [each for line in lines for each in self._line(line)]
        if self._fence or _FENCE.match(self._text):
            return found
        begun = _OPEN.sub("", _spaced(self._text), count=1)
        # Of an unfinished line, all but the last sentence: more of that may come.
        whole = sentences(_plain(begun))[self._given : -1]
        self._given += len(whole)
        return found + _spoken(whole)

    def end(self) -> list[str]:
        """Return the sentences that are left."""
        rest, self._text = self._text, ""
        return self._line(rest)

    def _line(self, line: str) -> list[str]:
        given, self._given = self._given, 0
        if mark := _FENCE.match(line):
            self._fence = "" if self._fence and mark[1].startswith(self._fence) else mark[1]
            return []
        return [] if self._fence else _spoken(sentences(_plain(_spaced(line)))[given:])


def speakable(line: str) -> list[str]:
    """Return the sentences of a line of Markdown; only those with something to say."""
    return _spoken(sentences(_plain(_spaced(line))))


def _spaced(line: str) -> str:
    """Return a line in which all white space is some spaces: tabs part words, too."""
    spaced = "".join(" " if char.isspace() else char for char in line)
    return _RUN.sub(" " * _INDENT, spaced)


def _plain(line: str) -> str:
    """Return a line without the marks of Markdown."""
    for pattern, instead in _RULES:
        line = pattern.sub(instead, line)
    return "".join(char for char in line if char.isprintable()).strip(" ,")


def _spoken(found: Sequence[str]) -> list[str]:
    """Return what of sentences has something to say, in pieces that are not too long."""
    parts = [part for each in found for part in pieces(" ".join(each.split()), _LONGEST)]
    return [each for each in parts if any(char.isalnum() for char in each)]
