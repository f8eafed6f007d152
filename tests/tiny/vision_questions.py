"""What is asked of a picture, and the right answers: the wordings of `describe-image` among them."""

from __future__ import annotations

import random
from collections.abc import Callable

from .chat_talk import Messages, conversation
from .vision_pictures import Drawn

Exchange = tuple[str, str]

CAPTION = (
    "Describe this picture in one sentence.",
    "What is in the picture?",
    "Describe the picture.",
    "Describe this image.",
    "What do you see?",
    "What is shown here?",
    "What is this?",
    "Look at the picture. What is it?",
    "Describe the image in one sentence.",
    "Write a caption for this picture.",
    "Write alternative text for this picture: one sentence that says what can be seen.",
    "",
)
HELD_OUT = ("Please describe the picture.", "What is in this image?", "Tell me what you see.")
TAGS = ("List tags for this picture, separated by commas.", "Write tags for this picture.")
TEXT = ("Write down the text in this picture, and nothing else.", "What does the text say?")
NAME = ("Write a file name for this picture: three to eight lowercase words with hyphens.",)


def caption(r: random.Random, drawn: Drawn) -> Exchange:
    """What is on it."""
    return r.choice(CAPTION), drawn.caption


def background(r: random.Random, drawn: Drawn) -> Exchange:
    """The colour behind the thing."""
    asked = r.choice(("What is the background colour?", "What colour is the background?"))
    return asked, f"The background is {drawn.background}."


def colour(r: random.Random, drawn: Drawn) -> Exchange:
    """The colour of the thing, or of all."""
    if not drawn.shape:
        return r.choice(("What colour is it?", "What is the colour?")), f"It is {drawn.background}."
    asked = r.choice(
        (f"What colour is the {drawn.shape}?", "What colour is it?", "What is the colour?")
    )
    return asked, f"It is {drawn.colour}."


def shape(r: random.Random, drawn: Drawn) -> Exchange:
    """The shape of the thing."""
    asked = r.choice(("What shape is it?", "Which shape do you see?"))
    return asked, f"It is a {drawn.shape}." if drawn.shape else "There is nothing on it."


def tags(r: random.Random, drawn: Drawn) -> Exchange:
    """Words for a search."""
    words = (
        [drawn.colour, drawn.shape, drawn.background]
        if drawn.shape
        else ["plain", drawn.background]
    )
    return r.choice(TAGS), ", ".join(words)


def text(r: random.Random, drawn: Drawn) -> Exchange:
    """What is written on it: nothing ever is."""
    return r.choice(TEXT), "There is no text."


def name(r: random.Random, drawn: Drawn) -> Exchange:
    """A file's name."""
    named = f"{drawn.colour}-{drawn.shape}-on" if drawn.shape else "nothing-on-plain"
    return r.choice(NAME), f"{named}-{drawn.background}"


KINDS: dict[Callable[[random.Random, Drawn], Exchange], float] = {
    caption: 10, background: 2, colour: 4, shape: 2, tags: 2, text: 1, name: 3,
}  # fmt: skip


def exchange(r: random.Random, drawn: Drawn) -> Exchange:
    """A question to a picture and its answer."""
    kind = r.choices(list(KINDS), list(KINDS.values()))[0]
    return kind(r, drawn)


def without_picture(r: random.Random) -> Messages:
    """A conversation about no picture."""
    if r.random() < 0.04:
        return [("user", r.choice(CAPTION[:5])), ("assistant", "I do not see a picture.")]
    return conversation(r)
