"""What a prompt is made of: its text cut into parts, and how many of its tokens each part has."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from localai.engines.llama.chat_template import ChatTemplate
from localai.engines.llama.escaping import Placeholders
from localai.engines.llama.vocab import Vocab
from localai.types import Message, TextRequest

TEMPLATE = "template"
PICTURES = "pictures"
Spans = list[tuple[str, str]]
"""Names of parts (`types.PARTS`) and their texts, in order."""


def spans(template: ChatTemplate, request: TextRequest) -> Spans:
    """Return the text of a request's prompt, cut where another part begins.

    The messages are rendered a second time with a mark before each part. Where the template then
    writes another text (it looks at how a message begins, say), all of it counts as its own.
    """
    if request.raw is not None:
        return [("input", request.raw)]
    contents = [message.content for message in request.messages]
    masks, again = Placeholders(contents), Placeholders(contents)
    plain = _rendered(template, request, [_hidden(template, masks, each) for each in contents])
    pieces = [
        [(name, _hidden(template, again, text)) for name, text in _pieces(message, at)]
        for at, message in enumerate(request.messages, 1 - len(request.messages))
    ]
    marks = Placeholders([text for each in pieces for _, text in each])
    marked = _rendered(template, request, [_marked(each, marks) for each in pieces])
    found: Spans = []
    part = TEMPLATE
    for text, is_mark in marks.split(marked):
        if not isinstance(text, str):  # a picture, which has no text
            continue
        if is_mark:
            part = text
        else:
            found.append((part, again.restore(text)))
    whole = masks.restore(plain)
    return found if "".join(text for _, text in found) == whole else [(TEMPLATE, whole)]


def _rendered(template: ChatTemplate, request: TextRequest, contents: Sequence[str]) -> str:
    messages = [
        Message(message.role, content)
        for message, content in zip(request.messages, contents, strict=True)
    ]
    return template.render(messages, answer=True, think=request.think)


def _hidden(template: ChatTemplate, masks: Placeholders, text: str) -> str:
    """Return a text in which place holders stand for the markers that it spells."""
    return masks.hide(text, template.spelled(text))


def _pieces(message: Message, place: int) -> Spans:
    """Return a message's text in parts; one that names none is what its role says.

    `place` is 0 for the last message.
    """
    if not message.parts:
        asked = "history" if place or message.role == "assistant" else "input"
        return [("system" if message.role == "system" else asked, message.content)]
    ends = [*accumulate(part.length for part in message.parts[:-1]), len(message.content)]
    return [
        (part.name, message.content[begin:end])
        for part, begin, end in zip(message.parts, [0, *ends], ends, strict=False)
    ]


def _marked(pieces: Spans, marks: Placeholders) -> str:
    """Return a message with a mark before each part and one behind the last.

    Blanks at its ends stay outside of them: templates cut such away.
    """
    whole = "".join(text for _, text in pieces)
    end = len(whole.rstrip())
    at = min(len(whole) - len(whole.lstrip()), end)
    marked = whole[:at]
    for (name, _), place in zip(pieces, accumulate(len(text) for _, text in pieces), strict=True):
        if at < min(place, end):
            marked += marks.stand_for(name) + whole[at : min(place, end)]
            at = min(place, end)
    return (marked + marks.stand_for(TEMPLATE) if whole.strip() else marked) + whole[end:]


def tokens_by_part(vocab: Vocab, ids: Sequence[int], spans: Spans) -> dict[str, int]:
    """Return how many tokens each part has; a token belongs to the part in which it begins."""
    texts = [text.encode("utf-8", "replace") for _, text in spans]
    data, ends = b"".join(texts), list(accumulate(map(len, texts)))
    counts: dict[str, int] = {}
    at, shows = 0, min(ids, default=0) < 0
    for token in ids:
        if token < 0:
            counts[PICTURES] = counts.get(PICTURES, 0) + 1
            continue
        piece = vocab.text(token).encode() if vocab.is_control(token) else vocab.piece(token)
        if piece[:1] == b" " and not data.startswith(piece, at):
            piece = piece[1:]  # a blank that the vocabulary has put before a word
        if shows and not data.startswith(piece, at):  # a mark around a picture
            counts[PICTURES] = counts.get(PICTURES, 0) + 1
            continue
        place = bisect_right(ends, at)
        name = spans[place][0] if place < len(spans) else TEMPLATE  # what ends a text
        counts[name] = counts.get(name, 0) + 1
        at += len(piece)
    return counts
