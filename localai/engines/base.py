"""What every engine takes and gives: frozen requests, results, and the Protocols between them.

Imports no engine library and no numpy: the client builds these, the wire carries them as plain
data, the worker reads them back. They are named tuples, because every one-liner waits for these
imports, and a frozen dataclass takes four times as long to make.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

from localai.constraint import Constraint

Role = Literal["system", "user", "assistant"]
Cut = Literal["head", "middle", "tail"]


class Message(NamedTuple):
    """One turn of a conversation; `content` is untrusted text."""

    role: Role
    content: str


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


class TextRequest(NamedTuple):
    """A question to a text engine: a conversation, or bare text to continue."""

    messages: tuple[Message, ...] = ()
    raw: str | None = None  # continue this text without a chat template
    prefill: str = ""  # of the answer to `messages`, said before: it goes on behind this
    fixed: int = 0  # so many leading messages are the same at the next use (kept on disk),
    fixed_text: int = 0  # and so many leading characters of the message after them
    sampling: Sampling = Sampling()
    max_tokens: int | None = None  # None: until the model ends or the context is full
    stop: tuple[str, ...] = ()
    constraint: Constraint | None = None
    think: bool | None = None  # False asks the template not to think; None leaves it to the model
    truncate: Cut | None = None  # which end of the last message may be cut away when it is too long
    context: int | None = None  # tokens of context, at least
    interactive: bool = True  # goes before batch work

    @property
    def length(self) -> int:
        """How many characters of text it holds."""
        return sum(len(m.content) for m in self.messages) + len(self.raw or "") + len(self.prefill)


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


FinishReason = Literal["stop", "length", "cancelled"]
DeltaKind = Literal["text", "thinking", "progress", "finish", "error", "stage"]
Stage = Literal["waits", "prepares", "runs"]


class Delta(NamedTuple):
    """One piece of an answer.

    `text` and `thinking` carry `text`; `progress` carries `done` and `total` prompt tokens
    (0 as long as they are not counted);
    `finish` carries `reason` and `usage` and ends the request, as `error` does with `error`
    (the plain data of `errors.LocalaiError.to_wire`). `stage` is for the books of the worker's
    owner alone: what a request does from now on.
    """

    kind: DeltaKind
    text: str = ""
    done: int = 0
    total: int = 0
    reason: FinishReason = "stop"
    usage: Usage | None = None
    error: dict[str, str] | None = None
    stage: Stage = "waits"


Deltas = list[tuple[str, Delta]]
"""Deltas of several requests, each with its request's id."""

Emit = Callable[[Deltas], None]
"""Called once a step with all deltas of the step."""


class ModelSpec(NamedTuple):
    """A worker's identity: the files it loads and what changes their memory.

    `context` is a minimum and `threads` a hint, so neither is part of the identity.
    """

    kind: str  # a key of `engines.registry`
    files: tuple[str, ...]  # absolute paths; the model first
    name: str = ""  # what the user called it, for messages
    gpu_layers: str = "auto"  # "auto", "all" or a number as text
    cache_type: str = "f16"  # type of the keys and values kept in memory
    threads: int | None = None
    context: int | None = None

    def identity(self) -> tuple[Any, ...]:
        """Return what two specs must share to be served by one worker."""
        return (self.kind, self.files, self.gpu_layers, self.cache_type)


class Engine(Protocol):
    """A loaded model. Made in a worker by `registry.load`, used from its one serving thread.

    A request's id is `client/number`: what stands before the slash names whom it is for, so that
    an engine can be fair.
    """

    device: str  # where the model lies, for people: "CPU", "GPU"

    def submit(self, request_id: str, request: dict[str, Any]) -> None:
        """Take a request (plain data); its deltas go to the `Emit` given at load. Never blocks."""

    def cancel(self, request_id: str) -> None:
        """End a request within one step; an unknown id is nothing."""

    def close(self) -> None:
        """Cancel what runs and give the memory back."""
