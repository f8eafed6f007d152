"""The flags of `localai transcribe`: what they mean together, and which cannot be kept together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localai.commands import options
from localai.errors import BadInput

if TYPE_CHECKING:
    from localai.media.captions import Layout
    from localai.media.clips import Clip
    from localai.transcription.session import TranscribeOptions

FORMATS = ("txt", "srt", "vtt", "tsv", "json", "jsonl", "lrc", "md")
_TIMED = ("srt", "vtt", "tsv", "lrc")
_MARKED = ("srt", "vtt", "lrc")


def asked(given: dict[str, Any]) -> TranscribeOptions:
    """Return what the flags of `transcribe` ask for.

    Raises
    ------
    BadInput
        They contradict each other, or a value of one is none.
    """
    from localai.media.languages import language_code
    from localai.transcription.session import TranscribeOptions

    _refuse_contradictions(given)
    told = (given["languages"] or "").split(",")
    return TranscribeOptions(
        language=language_code(given["language"]) if given["language"] is not None else None,
        languages=tuple(language_code(each) for each in told if each.strip()),
        translate=given["translate"],
        batch=given["batch"],
        prompt=given["prompt"],
        hotwords=given["hotwords"],
        clips=_clips(given),
        raw_rate=given["sample_rate"],
        temperature=given["temp"],
        beam_size=int(given["beam_size"]),
        resume=given["resume"],
    )


def _refuse_contradictions(given: dict[str, Any]) -> None:
    formats = set(given["formats"]) or {"txt"}
    if given["batch"] and formats & {*_TIMED, "json", "jsonl"}:
        what = "--batch gives no times that could be kept to"
        raise BadInput(what, "leave it out, or use -F txt")
    if given["language"] is not None and given["languages"]:
        raise BadInput("--language and --languages cannot be kept together", "use one of them")
    if given["detect_language"] and (given["language"] is not None or given["formats"]):
        what = "--detect-language prints the language alone"
        raise BadInput(what, "leave out -l and -F")
    if options.speaks(given) and (wrong := _of_files(given)):
        raise BadInput(f"--mic hears what is said now, and {wrong} is about files", "use one")
    if given["channels"] == "split" and given["sample_rate"]:
        raise BadInput("bare samples have one channel", "leave out --channels split")
    if given["highlight_words"] and not formats & {*_MARKED}:
        what = f"words are highlighted in {', '.join(_MARKED)} alone"
        raise BadInput(what, "-F vtt, for instance")


def _of_files(given: dict[str, Any]) -> str:
    """Return what was asked for that a microphone cannot have; empty: nothing."""
    flags = ("resume", "clips", "offset", "duration", "sample_rate", "skip_existing", "batch",
             "detect_language")  # fmt: skip
    if given["files"]:
        return "FILE"
    if given["channels"] == "split":
        return "--channels split"
    found = next((flag for flag in flags if given[flag]), "")
    return "--clip" if found == "clips" else found and f"--{found.replace('_', '-')}"


def _clips(given: dict[str, Any]) -> tuple[Clip, ...]:
    from localai.media.clips import Clip, parse_clip, parse_time

    offset, duration = given["offset"], given["duration"]
    if offset is None and duration is None:
        return tuple(parse_clip(each) for each in given["clips"])
    if given["clips"]:
        what = "--clip says where a part begins and ends, --offset and --duration do, too"
        raise BadInput(what, "use one of them")
    start = parse_time(offset) if offset is not None else 0.0
    length = parse_time(duration) if duration is not None else None
    if length == 0:
        raise BadInput("a duration of 0 leaves nothing", "--duration 30, or leave it out")
    return (Clip(start, None if length is None else start + length),)


def layout(given: dict[str, Any]) -> Layout:
    """Return how captions are to be shaped."""
    from localai.media.captions import BROADCAST

    asked = {"width": given["max_line_width"], "lines": given["max_line_count"]}
    shaped = {name: int(value) for name, value in asked.items() if value is not None}
    return BROADCAST._replace(highlight=given["highlight_words"], **shaped)
