"""Segments to captions: lines short enough to be read, shown long enough, cut at good places.

The defaults are what broadcasters use: two lines of 42 characters, at least five sixths of a
second and at most seven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from localai.formats.text import cells
from localai.media.segments import Segment, is_wide, joined

_SENTENCE = (".", "!", "?", "…", "。", "！", "？")
_CLAUSE = (*_SENTENCE, ",", ";", ":", "，", "、", "；")
_CLOSING = frozenset("、。，．！？；：」』）】》〉”’…ー々")  # begin no line


class Layout(NamedTuple):
    """How captions are shaped.

    Attributes
    ----------
    width : int
        Columns of a line, at least 1; a single word may be longer.
    lines : int
        Lines of a caption, at least 1.
    longest, shortest : float
        Seconds that a caption is shown; the shorter gives way to the next caption.
    pause : float
        Seconds of silence at which a caption, or a paragraph of plain text, ends.
    highlight : bool
        Whether the word that is being said is underlined (srt, vtt) or stamped (lrc).
    """

    width: int = 42
    lines: int = 2
    longest: float = 7.0
    shortest: float = 5 / 6
    pause: float = 1.0
    highlight: bool = False


BROADCAST = Layout()


class Token(NamedTuple):
    """What is not broken over lines: a word, or a character of a script without spaces.

    Attributes
    ----------
    text : str
        Without the space before it.
    start, end : float
        Seconds.
    """

    text: str
    start: float
    end: float


class Caption(NamedTuple):
    """What is shown at once.

    Attributes
    ----------
    start, end : int
        Milliseconds; the end is after the start.
    lines : tuple of tuple of Token
    speaker : str
    """

    start: int
    end: int
    lines: tuple[tuple[Token, ...], ...]
    speaker: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The lines as text."""
        return tuple(joined(token.text for token in line) for line in self.lines)


def milliseconds(seconds: float) -> int:
    """Return seconds as whole milliseconds."""
    return round(seconds * 1000)


def captions(segments: Iterable[Segment], layout: Layout) -> list[Caption]:
    """Return the captions of tidy segments, in the order of their starts.

    Captions of one speaker do not overlap. Words are kept whole, all of them, and in order.
    """
    found: list[Caption] = []
    latest: dict[str, int] = {}
    for segment in segments:
        for tokens in _groups(tokens_of(segment), layout):
            caption = _caption(tokens, segment.speaker, layout)
            # Segments that overlap, as models' times do, must not change the order of the words.
            start = max(caption.start, latest.get(segment.speaker, -1) + 1)
            latest[segment.speaker] = start
            found.append(caption._replace(start=start, end=max(start + 1, caption.end)))
    found.sort(key=lambda caption: caption.start)
    return _timed(found, layout)


def tokens_of(segment: Segment) -> list[Token]:
    """Return what a segment's lines are made of, with the times of its words, or guessed ones."""
    if not segment.words:
        return _glued(_parted(f" {segment.text}", segment.start, segment.end))
    parts: list[tuple[bool, Token]] = []
    for word in segment.words:
        parts += _parted(word.text, word.start, word.end)
    return _glued(parts)


def _parted(text: str, start: float, end: float) -> list[tuple[bool, Token]]:
    """Return the parts between which a line may end, each with whether a space comes before it."""
    parts: list[tuple[bool, str]] = []
    for number, word in enumerate(text.split()):
        spaced = number > 0 or text[:1] == " "
        for char in word:
            if parts and not spaced and not is_wide(char) and not is_wide(parts[-1][1][-1]):
                parts[-1] = (parts[-1][0], parts[-1][1] + char)
            else:
                parts.append((spaced, char))
            spaced = False
    total = sum(len(part) for _, part in parts) or 1
    rate, done, found = (end - start) / total, 0, []
    for spaced, part in parts:
        first, done = done, done + len(part)
        found.append((spaced, Token(part, start + first * rate, start + done * rate)))
    return found


def _glued(parts: Iterable[tuple[bool, Token]]) -> list[Token]:
    """Join the parts of a word that came in several, and marks to what they close."""
    tokens: list[Token] = []
    for spaced, token in parts:
        free = spaced or is_wide(token.text[0]) or (tokens and is_wide(tokens[-1].text[-1]))
        if tokens and not spaced and (not free or token.text[0] in _CLOSING):
            last = tokens[-1]
            tokens[-1] = Token(last.text + token.text, last.start, max(last.end, token.end))
        else:
            tokens.append(token)
    return tokens


def _groups(tokens: Sequence[Token], layout: Layout) -> Iterator[list[Token]]:
    """Yield the tokens of each caption."""
    kept: list[Token] = []
    for token in tokens:
        if kept and _ends(kept, token, layout):
            yield kept
            kept = []
        elif kept and not _fits([*kept, token], layout):
            at = _good_end(kept)
            yield kept[:at]
            kept = kept[at:]
            if kept and not _fits([*kept, token], layout):
                yield kept
                kept = []
        kept.append(token)
    if kept:
        yield kept


def _ends(kept: list[Token], token: Token, layout: Layout) -> bool:
    """Whether a caption ends before a token even if there is room for it."""
    if token.start - kept[-1].end >= layout.pause or token.end - kept[0].start > layout.longest:
        return True
    full = cells(joined(one.text for one in kept)) * 2 >= layout.width * layout.lines
    return full and kept[-1].text.endswith(_SENTENCE)


def _good_end(kept: list[Token]) -> int:
    """Return how many tokens to show: to the last clause in the second half, or all."""
    for at in range(len(kept), len(kept) // 2, -1):
        if kept[at - 1].text.endswith(_CLAUSE):
            return at
    return len(kept)


def _fits(tokens: Sequence[Token], layout: Layout) -> bool:
    return len(_wrapped(tokens, layout.width)) <= layout.lines


def _wrapped(tokens: Sequence[Token], width: int) -> list[list[Token]]:
    lines: list[list[Token]] = []
    used = 0
    for token in tokens:
        taken = cells(token.text)
        spaced = bool(lines) and not (is_wide(lines[-1][-1].text[-1]) and is_wide(token.text[0]))
        if lines and used + spaced + taken <= width:
            lines[-1].append(token)
            used += spaced + taken
        else:
            lines.append([token])
            used = taken
    return lines


def _balanced(tokens: Sequence[Token], width: int) -> list[list[Token]]:
    """Wrap into as few lines as the width needs, and these as equally long as can be."""
    lines = _wrapped(tokens, width)
    while width > 1 and len(tighter := _wrapped(tokens, width - 1)) == len(lines):
        lines, width = tighter, width - 1
    return lines


def _caption(tokens: list[Token], speaker: str, layout: Layout) -> Caption:
    lines = tuple(tuple(line) for line in _balanced(tokens, layout.width))
    start = milliseconds(tokens[0].start)
    end = max(start + 1, milliseconds(max(token.end for token in tokens)))
    return Caption(start, end, lines, speaker)


def _timed(found: list[Caption], layout: Layout) -> list[Caption]:
    """Give each caption its time on the screen, which ends where the same speaker's next begins."""
    following: dict[str, int] = {}
    timed: list[Caption] = []
    for caption in reversed(found):
        end = max(caption.end, caption.start + milliseconds(layout.shortest))
        end = min(end, max(following.get(caption.speaker, end), caption.start + 1))
        following[caption.speaker] = caption.start
        timed.append(caption._replace(end=end))
    return timed[::-1]
