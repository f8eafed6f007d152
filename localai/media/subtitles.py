"""Segments to files: txt, srt, vtt, tsv, json, jsonl, lrc and md, all with the same text.

render("srt", segments)                        # one format as a text
stream = Paragraphs(); stream.add(segment)     # plain text while it is heard
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from localai.errors import BadInput
from localai.formats.text import json_safe, nearest, one_line
from localai.media.captions import BROADCAST, Caption, Layout, Token, captions, milliseconds
from localai.media.segments import Segment, joined, tidy


class About(NamedTuple):
    """What a file may say about the sound.

    Attributes
    ----------
    file : str
        Its name, as it is to be shown.
    language : str
        A code: `en`.
    duration : float or None
        Seconds.
    model : str
    """

    file: str = ""
    language: str = ""
    duration: float | None = None
    model: str = ""


UNKNOWN = About()


def render(
    kind: str, segments: Iterable[Segment], layout: Layout = BROADCAST, about: About = UNKNOWN
) -> str:
    """Return the segments as the text of a file, which ends with a newline unless it is empty.

    Parameters
    ----------
    kind : str
        One of `FORMATS`.
    segments : iterable of Segment
        In order; `tidy` is applied.
    layout : Layout
        How captions (srt, vtt, lrc) and paragraphs (txt, md) are shaped.
    about : About
        What json and md say besides.

    Raises
    ------
    BadInput
        There is no such format.
    """
    if kind not in FORMATS:
        hint = nearest(kind, FORMATS) or f"take one of {', '.join(FORMATS)}"
        raise BadInput(f"`{kind}` is no format of a transcript", hint)
    clean = [found for segment in segments if (found := tidy(segment)) is not None]
    return FORMATS[kind](clean, layout, about)


def told(segment: Segment) -> str:
    """Return a segment's text with who says it, where that is known."""
    return f"{segment.speaker}: {segment.text}" if segment.speaker else segment.text


class Paragraphs:
    """Plain text as it comes, a line for each paragraph; what `txt` is made of.

    Parameters
    ----------
    pause : float
        Seconds of silence that begin a new paragraph; another speaker does, too.
    """

    def __init__(self, pause: float = BROADCAST.pause) -> None:
        self._pause = pause
        self._last: Segment | None = None

    def begins(self, segment: Segment) -> bool:
        """Whether a tidy segment is the first of a paragraph, given those added so far."""
        last = self._last
        if last is None or segment.speaker != last.speaker:
            return True
        return segment.start - last.end >= self._pause

    def add(self, segment: Segment) -> str:
        """Return what the segment adds to the text; nothing where it has none."""
        clean = tidy(segment)
        if clean is None:
            return ""
        last = self._last
        if self.begins(clean):
            text = f"{told(clean)}" if last is None else f"\n{told(clean)}"
        else:
            text = joined((last.text[-1:], clean.text))[1:] if last else clean.text
        self._last = clean
        return text

    def end(self) -> str:
        """Return what ends the text: a newline, if there is any."""
        return "" if self._last is None else "\n"


def _txt(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    stream = Paragraphs(layout.pause)
    return "".join([*map(stream.add, segments), stream.end()])


def _clock(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{ms:03}"


def _same(text: str) -> str:
    return text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Cue(NamedTuple):
    """A caption, or a part of it in which one token is marked."""

    start: int
    end: int
    text: str
    speaker: str


def _cues(found: Iterable[Caption], highlight: bool, escape: Callable[[str], str]) -> list[_Cue]:
    cues: list[_Cue] = []
    for caption in found:
        if not highlight:
            text = "\n".join(map(escape, caption.texts))
            cues.append(_Cue(caption.start, caption.end, text, caption.speaker))
            continue
        tokens = [token for line in caption.lines for token in line]
        starts = [max(caption.start, milliseconds(token.start)) for token in tokens]
        ends = [*starts[1:], caption.end]
        for number, end in enumerate(ends):
            start = caption.start if number == 0 else starts[number]
            if end > start:
                text = _marked(caption, number, escape)
                cues.append(_Cue(start, min(end, caption.end), text, caption.speaker))
    return [cue for cue in cues if cue.end > cue.start]


def _marked(caption: Caption, number: int, escape: Callable[[str], str]) -> str:
    lines, at = [], 0
    for line in caption.lines:
        whole, raw = "", ""
        for token in line:
            between = joined((raw[-1:], token.text))[1 : -len(token.text)] if raw else ""
            text = escape(token.text)
            whole += between + (f"<u>{text}</u>" if at == number else text)
            raw, at = token.text, at + 1
        lines.append(whole)
    return "\n".join(lines)


def _srt(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    blocks = []
    for number, cue in enumerate(_cues(captions(segments, layout), layout.highlight, _same), 1):
        who = f"{cue.speaker}: " if cue.speaker else ""
        span = f"{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}"
        blocks.append(f"{number}\n{span}\n{who}{cue.text}\n")
    return "\n".join(blocks)


def _vtt(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    blocks = ["WEBVTT\n"]
    for cue in _cues(captions(segments, layout), layout.highlight, _escaped):
        who = f"<v {_escaped(cue.speaker)}>" if cue.speaker else ""
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{who}{cue.text}\n")
    return "\n".join(blocks)


def _tsv(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    speakers = any(segment.speaker for segment in segments)
    rows = ["start\tend\ttext" + "\tspeaker" * speakers]
    for segment in segments:
        row = f"{milliseconds(segment.start)}\t{milliseconds(segment.end)}\t{segment.text}"
        rows.append(row + f"\t{segment.speaker}" * speakers)
    return "\n".join(rows) + "\n"


def plain(segment: Segment) -> dict[str, Any]:
    """Return a segment as JSON has it; the names are those of OpenAI's Whisper."""
    data: dict[str, Any] = {"start": segment.start, "end": segment.end, "text": segment.text}
    if segment.speaker:
        data["speaker"] = segment.speaker
    if segment.words:
        data["words"] = [
            {"start": w.start, "end": w.end, "word": w.text, "probability": w.probability}
            for w in segment.words
        ]
    return data | {"avg_logprob": segment.avg_logprob, "no_speech_prob": segment.no_speech}


def line(segment: Segment) -> str:
    """Return a segment as a line of `jsonl`, without the newline; none for a segment without text.

    For a file that is written while the sound is heard.
    """
    clean = tidy(segment)
    return json_safe(json.dumps(plain(clean), ensure_ascii=False)) if clean else ""


def _jsonl(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    return "".join(f"{line(segment)}\n" for segment in segments)


def _json(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    data: dict[str, Any] = {"text": joined(segment.text for segment in segments)}
    data |= {name: value for name, value in about._asdict().items() if value not in ("", None)}
    data["segments"] = [{"id": at} | plain(segment) for at, segment in enumerate(segments)]
    return json_safe(json.dumps(data, ensure_ascii=False, indent=2)) + "\n"


def _lrc_time(ms: int) -> str:
    hundredths = round(ms / 10)
    return f"{hundredths // 6000:02}:{hundredths // 100 % 60:02}.{hundredths % 100:02}"


def _lrc(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    lines = []
    for caption in captions(segments, layout._replace(lines=1)):
        who = f"{caption.speaker}: " if caption.speaker else ""
        text = joined(caption.texts)
        if layout.highlight:
            text = " ".join(_stamped(token) for line in caption.lines for token in line)
        lines.append(f"[{_lrc_time(caption.start)}] {who}{text}\n")
    return "".join(lines)


def _stamped(token: Token) -> str:
    return f"<{_lrc_time(milliseconds(token.start))}> {token.text}"


# What Markdown would take for more than text.
_MARKS = re.compile(r"([\\`*_\[\]<>&~|])")


def _md(segments: Sequence[Segment], layout: Layout, about: About) -> str:
    parts = [f"# {_unmarked(one_line(about.file))}\n"] if about.file else []
    stream = Paragraphs(layout.pause)
    found: list[list[Segment]] = []
    for segment in segments:
        if stream.begins(segment):
            found.append([])
        stream.add(segment)
        found[-1].append(segment)
    for paragraph in found:
        at = int(paragraph[0].start)
        clock = f"{at // 3600}:{at // 60 % 60:02}:{at % 60:02}"
        speaker = paragraph[0].speaker
        who = f" {_unmarked(speaker)}:" if speaker else ""
        text = _unmarked(joined(segment.text for segment in paragraph))
        parts.append(f"**{clock}**{who} {text}\n")
    return "\n".join(parts)


def _unmarked(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)


FORMATS: dict[str, Callable[[Sequence[Segment], Layout, About], str]] = {
    "txt": _txt,
    "srt": _srt,
    "vtt": _vtt,
    "tsv": _tsv,
    "json": _json,
    "jsonl": _jsonl,
    "lrc": _lrc,
    "md": _md,
}
