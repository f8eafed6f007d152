"""`/sd`: what is to be drawn, as the list of keywords that a picture model takes.

The model that chats writes the list, in the light of the whole chat; free words go as they are.
"""

from __future__ import annotations

import re

LONGEST = 120  # tokens of a list

_FORM = (
    "Answer with nothing but a list of keywords with commas between them, on one line: "
    "no sentence, no name of a speaker, no explanation."
)
_LOOKS = "what they are, their sex, their age, their hair and face, their clothes, what they do"
WHAT = {
    "you": f"full body portrait of {{char}}. Begin with `full body portrait`, then {_LOOKS}",
    "face": f"close-up of the face of {{char}}. Begin with `close-up portrait`, then {_LOOKS}",
    "me": f"full body portrait of {{user}}. Begin with `full body portrait`, then {_LOOKS}",
    "scene": "scene we are in. Name the place, the time of day, the light, the things that stand "
    "there, the mood",
    "last": "picture of what was said last. Name who is seen, what they do, the place, the light",
}
OF_CARD = ("you", "face", "me", "scene")
"""Those of `WHAT` that a card alone has an answer to, without a chat."""

_OTHER = re.compile(r"[^\w,:()'-]+")


def instruction(what: str, char: str, user: str) -> str:
    """Return what the model is told to write; `what` is a key of `WHAT`."""
    wish = WHAT[what].replace("{char}", char).replace("{user}", user)
    return f"Leave the conversation for a moment and describe, for a painter, the {wish}. {_FORM}"


def keywords(answer: str) -> str:
    """Return a model's answer as a clean list: `"A girl." ` and a line `red hair` are two items."""
    text = answer.replace('"', "").replace("\u201c", "").replace("\u201d", "")
    text = _OTHER.sub(" ", text.replace(".", ",").replace("\n", ","))
    items = (" ".join(item.split()) for item in text.split(","))
    return ", ".join(item for item in items if item)
