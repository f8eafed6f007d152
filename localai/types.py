"""What clients and engines say to each other: requests, events, and what both are made of.

Imports nothing of ours, no engine library and no numpy: a client builds these, the protocol carries
them as plain data (`formats.serialization`), a worker reads them back. They are named tuples,
because every one-liner waits for these imports, and a frozen dataclass takes four times as long to
make. Events are told apart by their class, never by `==`: two named tuples with the same fields are
equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Role = Literal["system", "user", "assistant"]
Cut = Literal["head", "middle", "tail"]
ConstraintKind = Literal["choices", "regex", "json_schema", "json_object", "lark", "gbnf"]
FinishReason = Literal["stop", "length", "repetition", "cancelled"]
Phase = Literal["queued", "loading", "reading", "working"]
Unit = Literal["requests", "bytes", "tokens", "steps", "seconds"]

# name: (lowest, highest); whole numbers where the bounds are.
SAMPLING_BOUNDS: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 2**31 - 1),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (0, 2**31 - 1),
    "seed": (0, 2**32 - 2),
}


class Picture(NamedTuple):
    """A decoded picture: RGB, a byte each, row by row from the top, in an open file.

    `file` is the place of its descriptor among those that travel with the request.
    """

    file: int
    width: int  # pixels
    height: int


class Part(NamedTuple):
    """What a stretch of a message is: for whoever asks what a prompt is made of."""

    name: str  # one of `PARTS`
    length: int  # characters


PARTS = (
    "system",  # what was asked for with -s, or by a prompt file
    "persona",  # who the user is
    "card",
    "lore",  # of the card's lorebook
    "examples",  # the card's example dialogue
    "summary",  # of what was said long ago
    "history",  # what was said before, the greeting too
    "prompt",  # a prompt file's own words
    "input",  # what is to be answered
    "pictures",  # with the marks around them
    "template",  # what the chat template writes
)
"""Of what a prompt may be made."""


class Message(NamedTuple):
    """One turn of a conversation; `content` is untrusted text, its pictures stand before it.

    Two are equal if a model would be told the same.
    """

    role: Role
    content: str
    parts: tuple[Part, ...] = ()  # of the content, in order; none: its role says what it is
    pictures: tuple[Picture, ...] = ()

    @property
    def _told(self) -> tuple[object, ...]:
        return (self.role, self.content, self.pictures)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self._told == other._told

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._told)


class Sampling(NamedTuple):
    """How the next token is chosen; the defaults are llama.cpp's own.

    The order is llama.cpp's: penalty, top_k, top_p, min_p, temperature. With
    `temperature_first` the temperature is applied before the three cuts, as other toolkits do.
    """

    temperature: float = 0.8  # 0 is greedy: always the likeliest token
    top_k: int = 40  # keep this many likeliest tokens; 0: all
    top_p: float = 0.95  # keep the likeliest tokens that together hold this probability
    min_p: float = 0.05  # keep tokens at least this likely, relative to the likeliest
    repeat_penalty: float = 1.0  # divides the logits of the last tokens; 1 is off
    repeat_last_n: int = 64  # tokens that the penalty looks back on
    seed: int | None = None  # 32 bits; None: a fresh one, told in the usage
    temperature_first: bool = False


class Constraint(NamedTuple):
    """What the answer must be; two strings, so that it travels as it is.

    `source` by kind: choices, a JSON list of strings; json_schema, JSON text; json_object, empty;
    regex, lark and gbnf, what the user wrote. `generation.constraints` makes it.
    """

    kind: ConstraintKind
    source: str


class TextRequest(NamedTuple):
    """A question to a text engine: a conversation, or bare text to continue."""

    messages: tuple[Message, ...] = ()
    raw: str | None = None  # continue this text without a chat template
    prefill: str = ""  # the beginning of the answer to `messages`: it goes on behind this
    fixed: int = 0  # so many leading messages are the same at the next use (kept on disk),
    fixed_text: int = 0  # and so many leading characters of the message after them
    sampling: Sampling = Sampling()
    max_tokens: int | None = None  # None: until the model ends or the context is full
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    think: bool | None = None  # False asks the template not to think; None leaves it to the model
    truncate: Cut | None = None  # which end of the last message may be cut away when it is too long
    context: int | None = None  # tokens of context, at least
    image_tokens: int | None = None  # of each picture, at most; None: as the model likes
    interactive: bool = True  # goes before batch work
    itemize: bool = False  # `count_tokens` tells the prompt's text and the tokens of each part, too

    @property
    def length(self) -> int:
        """How many characters of text it holds."""
        return sum(len(m.content) for m in self.messages) + len(self.raw or "") + len(self.prefill)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All pictures of its messages, in their order."""
        return tuple(picture for message in self.messages for picture in message.pictures)


class Usage(NamedTuple):
    """What an answer has cost."""

    prompt_tokens: int
    reused_tokens: int  # of the prompt, already in memory or read from a state file
    answer_tokens: int
    truncated_tokens: int  # of the prompt, cut away by `truncate`
    queue_seconds: float  # from arrival to the first evaluation
    prompt_seconds: float  # evaluation of what was not reused
    answer_seconds: float  # from the first sampled token to the last
    first_token_seconds: float  # from arrival to the first sampled token
    seed: int
    most_tokens: int | None = None  # that the answer might have; None: as the context has room
    pictures: int = 0  # in the prompt
    encoded_pictures: int = 0  # of them; the others were known
    encode_seconds: float = 0.0
    closed: bool = False  # completed, to keep its form, while there were tokens left for it


class Text(NamedTuple):
    """More of the answer."""

    text: str


class Thinking(NamedTuple):
    """More of what the model thinks before its answer."""

    text: str


class Progress(NamedTuple):
    """How far a request is.

    `queued`: so many requests (`total`) go before it. `loading`: the model is being loaded.
    `reading`: so much of the input is evaluated. `working`: so much of the result is made.
    """

    phase: Phase
    done: float = 0
    total: float = 0  # 0: not known
    unit: Unit = "tokens"


class Notice(NamedTuple):
    """What whoever asked should know of an answer, in a sentence; it comes before the first word.

    The same for every request that it is true of: who shows it shows it once.
    """

    text: str


class FileReady(NamedTuple):
    """A result file is complete, under a temporary name in the folder that the request names.

    Whoever asked gives it its name (`system.files.adopt`); a file that nobody takes is removed.
    """

    path: str
    number: int = 0  # which of the request's results
    seed: int | None = None


class TokenCount(NamedTuple):
    """How many tokens a request's prompt has; the only event of `count_tokens`.

    `text` and `parts` are told where the request asks for them (`itemize`). Each token belongs to
    the part in which it begins, so that the parts' sum is the whole.
    """

    tokens: int
    context: int = 0  # tokens that the model's context holds, the answer included
    text: str = ""  # as the model gets it, its template applied
    parts: dict[str, int] = {}  # noqa: RUF012 (a named tuple's defaults are never changed)


class Finished(NamedTuple):
    """The request has ended as it should, or was cancelled. It is the last event."""

    reason: FinishReason
    usage: Usage | None = None


class Failed(NamedTuple):
    """The request has failed: an error as plain data (`errors.LocalaiError.to_wire`).

    It is the last event.
    """

    error: str  # name of the class
    what: str
    next: str = ""
    data: dict[str, int] = {}  # noqa: RUF012 (a named tuple's defaults are never changed)


Event = tuple[Any, ...]
"""What an engine answers with: one of the records above, or one that its registry row names."""

LAST = (Finished, Failed, TokenCount)
"""The events that end a request."""

Events = list[tuple[str, Event]]
"""Events of several requests, each with its request's id."""

Emit = Callable[[Events], None]
"""Called once a step with all events of the step."""


class ModelSpec(NamedTuple):
    """What a worker loads: the kind of engine, the files, and options of that kind."""

    kind: str  # a key of `engines.registry`
    files: tuple[str, ...]  # absolute paths of files or folders; the model first
    name: str = ""  # what the user called it, for messages
    options: dict[str, str | int] = {}  # noqa: RUF012  # keys that the kind's row names


def sampling_bounds(name: str) -> str:
    """Return what the value of a sampling setting should be, in words."""
    low, high = SAMPLING_BOUNDS[name]
    kind = "a whole number" if isinstance(low, int) else "a number"
    return f"{kind} from {low} to {high}"


def sampling_value(name: str, given: Any) -> float | None:
    """Return a sampling setting's value from a number or its text; None if it is out of bounds."""
    low, high = SAMPLING_BOUNDS[name]
    number = number_of(given, whole=isinstance(low, int))
    return number if number is not None and low <= number <= high else None


def number_of(given: Any, whole: bool) -> float | None:
    """Return a finite number from JSON data or text, as other programs write both; else None."""
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        return None
    if isinstance(given, str) and (len(given) > 40 or not given.isascii() or "_" in given):
        return None
    try:
        number = float(given)
        if not math.isfinite(number) or abs(number) >= 2**53:
            return None
        return int(number) if whole and number == int(number) else None if whole else number
    except (ValueError, OverflowError):
        return None
