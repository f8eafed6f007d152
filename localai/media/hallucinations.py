"""What Whisper models say that nobody said: loops, repeated lines, thanks for watching.

Over silence, noise and music a model falls into loops, or says what ended its training films. Here
such lines are dropped on their way out, and counted. A person may say a thing twice: a second time
is dropped only where something else speaks against it, a third one always.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from localai.media.segments import Segment, Word, is_wide

_LONGEST_CYCLE = 4  # lines that come round together
REMEMBERED = 6 * _LONGEST_CYCLE  # lines
_LONGEST_PHRASE = 12  # words of a phrase that loops within a line
# How often a phrase of one, two or more words may follow on itself within a line.
_TIMES = (5, 3, 2)
_INVENTED = frozenset(
    (
        "thank you for watching", "thanks for watching", "thank you so much for watching",
        "please subscribe", "like and subscribe", "see you in the next video",
        "please subscribe to my channel", "subtitles by the amara org community",
        "subtitles by", "transcription by castingwords", "the end",
        "untertitel der amara org community", "untertitel im auftrag des zdf für funk 2017",
        "untertitelung des zdf 2020", "vielen dank fürs zuschauen", "vielen dank",
        "danke fürs zuschauen", "bis zum nächsten mal", "copyright wdr 2021",
        "sous titres réalisés par la communauté d amara org", "merci d avoir regardé cette vidéo",
        "subtítulos por la comunidad de amara org", "gracias por ver el video",
        "sottotitoli creati dalla comunità amara org", "grazie per la visione",
        "legendas pela comunidade amara org", "ondertiteld door de amara org gemeenschap",
        "продолжение следует", "субтитры сделал dimatorzok", "ご視聴ありがとうございました",
        "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目", "시청해주셔서 감사합니다",
    )
)  # fmt: skip


class Dropped(NamedTuple):
    """How much was left out.

    Attributes
    ----------
    lines : int
        Lines that said again what had been said.
    loops : int
        Lines within which a phrase went round; its first round was kept.
    invented : int
        Sentences that nobody said, known from training data.
    """

    lines: int = 0
    loops: int = 0
    invented: int = 0


class HallucinationFilter:
    """Takes the segments of a sound in order, and gives back those that somebody said.

    One filter a speaker: it remembers the last lines.

    Attributes
    ----------
    dropped : Dropped
    """

    def __init__(self) -> None:
        self.dropped = Dropped()
        self._lines: deque[str] = deque(maxlen=REMEMBERED)
        self._last: Segment | None = None

    def take(self, segment: Segment) -> Segment | None:
        """Return the segment, one without its loops, or None where it is dropped."""
        segment = self._without_loops(segment)
        said = _normal(segment.text)
        if not said:
            return segment
        if said in _INVENTED and _doubtful(segment, self._last, 0.3, -0.6):
            self.dropped = self.dropped._replace(invented=self.dropped.invented + 1)
            return None
        if self._again(segment, said):
            self._lines.append(said)
            self.dropped = self.dropped._replace(lines=self.dropped.lines + 1)
            return None
        self.remember(segment)
        return segment

    def remember(self, segment: Segment) -> None:
        """Know a segment of an earlier run, which is written already."""
        if said := _normal(segment.text):
            self._lines.append(said)
            self._last = segment

    def _again(self, segment: Segment, said: str) -> bool:
        lines = [*self._lines, said]
        for cycle in range(1, _LONGEST_CYCLE + 1):
            same = 0
            while same + cycle < len(lines) and lines[-1 - same] == lines[-1 - same - cycle]:
                same += 1
            words = len(" ".join(lines[-cycle:]).split())
            wide = any(is_wide(char) for char in said)
            if same >= _rounds_over(cycle, words, wide):
                return True
            if cycle == 1 and same and (words > 2 or wide):
                return _doubtful(segment, self._last, 0.5, -0.8)
        return False

    def _without_loops(self, segment: Segment) -> Segment:
        units = [word.text for word in segment.words] or _units(segment.text)
        kept = _without_rounds([_normal(unit) or unit.strip() for unit in units])
        if len(kept) == len(units):
            return segment
        self.dropped = self.dropped._replace(loops=self.dropped.loops + 1)
        text = "".join(units[at] for at in kept)
        words: tuple[Word, ...] = tuple(segment.words[at] for at in kept) if segment.words else ()
        end = max(words[-1].end, segment.start) if words else segment.end
        return segment._replace(text=text, words=words, end=end)


def _rounds_over(cycle: int, words: int, wide: bool) -> int:
    """Return how many lines, each as one a cycle before, are a loop; people repeat short ones."""
    if cycle == 1:
        return 2 if words > 1 or wide else 4
    return cycle + 1 if words > 2 * cycle or wide else 3 * cycle + 1


def _normal(text: str) -> str:
    """Return text as lines are compared: small letters, no marks."""
    return " ".join(re.sub(r"[\W_]+", " ", text.lower()).split())


def _units(text: str) -> list[str]:
    """Return words with the space before them; single characters in scripts without spaces."""
    if any(is_wide(char) for char in text):
        return re.findall(r"\s*\S", text)
    return re.findall(r"\s*\S+", text)


def _without_rounds(words: Sequence[str]) -> list[int]:
    """Return which words stay where phrases that go round are said once."""
    kept: list[int] = []
    at = 0
    while at < len(words):
        size, times = _loop(words, at)
        kept += range(at, at + size)
        at += size * times
    return kept


def _loop(words: Sequence[str], at: int) -> tuple[int, int]:
    """Return the phrase that goes round from here, (words, times); (1, 1) where none does."""
    for size in range(1, min(_LONGEST_PHRASE, (len(words) - at) // 2) + 1):
        phrase, times = words[at : at + size], 1
        while words[at + size * times : at + size * (times + 1)] == phrase:
            times += 1
        if times > _TIMES[min(size, len(_TIMES)) - 1]:
            return size, times
    return 1, 1


def _doubtful(segment: Segment, last: Segment | None, no_speech: float, logprob: float) -> bool:
    """Whether something besides its text speaks against a segment."""
    if segment.no_speech > no_speech or segment.avg_logprob < logprob:
        return True
    lasts, length = segment.end - segment.start, len(segment.text.strip())
    if lasts < 0.1 or (length > 15 and length / lasts > 35):  # nobody speaks so fast
        return True
    return last is not None and segment.start < last.end - 0.2  # heard twice
