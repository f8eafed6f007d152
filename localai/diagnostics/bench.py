"""How fast a model is on this machine: prompt, decoding, first token, several streams.

Everything is measured through a worker of its own, as a command has it: what a user feels.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from localai.errors import LocalaiError, from_wire
from localai.pool.client import DedicatedClient
from localai.pool.engine_client import EngineClient
from localai.types import Event, Failed, Finished, ModelSpec, Progress, Sampling, TextRequest, Usage

PROMPT_TOKENS = 512
DECODE_TOKENS = 64
STREAMS = (1, 2, 4, 8, 16)
_TURNS = 5  # of what is quick; the median counts
_TEXT = """
    time year people way day man thing woman life child world school state family student group
    country problem hand part place case week company system program question work government
"""


@dataclass(frozen=True)
class Speeds:
    """What was measured; speeds in tokens a second, times in seconds."""

    prompt: float
    decode: float
    first_token_cold: float  # from nothing: a new process that loads the model
    first_token_warm: float  # of a model that is loaded
    streams: dict[int, float]  # requests at once: tokens a second of all together

    def to_json(self) -> dict[str, Any]:
        """Return plain data with stable keys."""
        return {**asdict(self), "streams": {str(key): value for key, value in self.streams.items()}}


def measure(spec: ModelSpec, note: Callable[[str], None]) -> Speeds:
    """Measure a model; `note` hears what is being done.

    Raises
    ------
    LocalaiError
        The model cannot be loaded.
    """
    note("first token, cold")
    colds = [_cold(spec) for _ in range(3)]
    with DedicatedClient(spec) as engine:
        note("first token, warm")
        _first(engine, _question(0))  # its pages are read
        warm = median(_first(engine, _question(turn)) for turn in range(1, _TURNS + 1))
        note("prompt")
        words = _words_for(engine, PROMPT_TOKENS)
        prompts = [_usage(engine, _text(words, turn), 1) for turn in range(_TURNS)]
        note("decoding")
        decodes = [_usage(engine, _text(8, turn), DECODE_TOKENS) for turn in range(_TURNS)]
        streams = {}
        for count in STREAMS:
            note(f"{count} streams" if count > 1 else "1 stream")
            streams[count] = _together(engine, count)
    return Speeds(
        prompt=median(map(_prompt_speed, prompts)),
        decode=median(map(_decode_speed, decodes)),
        first_token_cold=median(colds),
        first_token_warm=warm,
        streams=streams,
    )


def _text(words: int, seed: int) -> str:
    """Return text that begins as no other does, so that nothing of it is in memory."""
    known = _TEXT.split()
    count = len(known)
    chosen = [known[(seed * 7 + at * (3 + seed % 5) + at // count) % count] for at in range(words)]
    return f"{seed} {' '.join(chosen)}"


def _question(seed: int) -> TextRequest:
    return _request(_text(12, 100 + seed), 1)


def _request(text: str, most: int) -> TextRequest:
    return TextRequest(raw=text, sampling=Sampling(temperature=0), max_tokens=most)


def _cold(spec: ModelSpec) -> float:
    began = time.perf_counter()
    with DedicatedClient(spec) as engine:
        _first(engine, _question(0))
        return time.perf_counter() - began


def _first(engine: EngineClient, request: TextRequest) -> float:
    """Return the time until the first token is here."""
    began = time.perf_counter()
    for event in engine.ask(request):
        if not isinstance(event, Progress):
            break
    return time.perf_counter() - began


def _end(event: Event) -> Usage:
    assert isinstance(event, Finished) and event.usage is not None
    return event.usage


def _usage(engine: EngineClient, text: str, most: int) -> Usage:
    return _end(list(engine.ask(_request(text, most)))[-1])


def _words_for(engine: EngineClient, tokens: int) -> int:
    """Return how many of our words make so many tokens."""
    sample = 64
    return max(1, round(sample * tokens / _usage(engine, _text(sample, 50), 1).prompt_tokens))


def _prompt_speed(usage: Usage) -> float:
    return (usage.prompt_tokens - usage.reused_tokens) / usage.prompt_seconds


def _decode_speed(usage: Usage) -> float:
    """Return the speed after the first token; an answer of one token has none."""
    return (usage.answer_tokens - 1) / usage.answer_seconds if usage.answer_seconds else 0.0


def _together(engine: EngineClient, count: int) -> float:
    """Return the tokens a second of so many requests at once, from the first to the last."""
    began = time.perf_counter()
    texts = [_text(8, 200 + count * 20 + at) for at in range(count)]
    waiting = {engine.send(_request(text, DECODE_TOKENS)) for text in texts}
    tokens = 0
    while waiting:
        for name, event in engine.receive():
            if isinstance(event, Failed):
                raise from_wire(event._asdict())
            if isinstance(event, Finished) and name in waiting:
                waiting.discard(name)
                tokens += _end(event).answer_tokens
    if not tokens:
        raise LocalaiError("the model answers with nothing, so there is no speed to tell")
    return tokens / (time.perf_counter() - began)
