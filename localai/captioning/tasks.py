"""What can be asked of a picture: a question, the form of its answer, and what is made of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from localai.captioning import file_names
from localai.errors import LocalaiError
from localai.media.pictures import Detail

ALT_CHARACTERS: Final = 125  # what screen readers read in one piece
_TAG: Final = r"[^\s,;:*\"`\p{Lu}]{1,24}( [^\s,;:*\"`\p{Lu}]{1,24}){0,3}"


class CaptionTask(NamedTuple):
    """A question to a picture."""

    question: str
    max_tokens: int
    regex: str | None = None  # the answer's form
    detail: Detail = "low"
    finish: Callable[[str], str] = str.strip  # the answer to the text that is printed
    most_words: int | None = None  # to which it is cut


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _alt(text: str) -> str:
    return clipped(_one_line(text), ALT_CHARACTERS)


def clipped(text: str, most: int) -> str:
    """Return a text of at most so many characters, cut after a word."""
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:-") + "…"


def _tags(text: str) -> str:
    return ", ".join(dict.fromkeys(tag for each in text.split(",") if (tag := each.strip())))


def _name(text: str) -> str:
    name = file_names.slug(text)
    if not name:
        raise LocalaiError("the model gave no name that a file could have", "try another model")
    return name


CAPTION: Final = CaptionTask("Describe this picture in one sentence.", 200, finish=_one_line)
TASKS: Final[dict[str, CaptionTask]] = {
    "alt": CaptionTask(
        "Write alternative text for this picture: one sentence that says what can be seen.",
        64,
        rf"[^\n]{{1,{ALT_CHARACTERS * 2}}}",
        finish=_alt,
    ),
    "tags": CaptionTask(
        "List tags for this picture, separated by commas.",
        128,
        rf"{_TAG}(, {_TAG}){{0,19}}",
        finish=_tags,
    ),
    "ocr": CaptionTask(
        "Write down the text in this picture, and nothing else.", 2000, detail="high"
    ),
    "filename": CaptionTask(
        "Write a file name for this picture: three to eight lowercase words with hyphens.",
        64,
        file_names.FORM,
        finish=_name,
    ),
}


def shortened(task: CaptionTask, words: int) -> CaptionTask:
    """Return the task with an answer of at most so many words.

    The model is told, and what is longer is cut.
    """

    def finish(text: str) -> str:
        done = task.finish(text)
        cut = re.match(rf"\s*(?:\S+\s+){{{words - 1}}}\S+", done)
        return done if cut is None or cut.end() == len(done) else cut[0].rstrip(" ,;:-") + "…"

    told = f"{task.question} Use at most {words} words."
    return task._replace(
        question=told,
        max_tokens=min(task.max_tokens, 8 * words + 16),
        finish=finish,
        most_words=words,
    )
