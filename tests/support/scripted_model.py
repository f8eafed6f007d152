"""A text engine that says what it is told to: what it was asked stays to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localai.types import Event, Finished, Text, TextRequest, Usage


class ScriptedModel:
    """Says the texts of a script, one a prompt, letter by letter; then nothing any more.

    As a real engine it ends before a stop string, and goes on behind it where it is asked to.
    """

    def __init__(self, script: Iterable[str]) -> None:
        self._script = iter(script)
        self._left: dict[str, str] = {}  # what would follow, by the prompt that asks for it
        self.requests: list[TextRequest] = []
        self.cancelled = 0  # answers that were left before their end

    @property
    def prompts(self) -> list[str]:
        return [request.raw or "" for request in self.requests]

    def ask(self, request: TextRequest) -> Iterator[Event]:
        self.requests.append(request)
        raw = request.raw or ""
        text = self._left.pop(raw) if raw in self._left else next(self._script, "")
        ends = [(text.find(stop), stop) for stop in request.stop if stop in text]
        at, stop = min(ends, default=(len(text), ""))
        if stop:
            self._left[f"{raw}{stop}"] = text[at + len(stop) :]
        return self._events(text[:at], at + len(stop))

    def _events(self, text: str, tokens: int) -> Iterator[Event]:
        try:
            for letter in text:
                yield Text(letter)
            yield Finished("stop", Usage(1, 0, tokens, 0, 0, 0, 0, 0, 0))
        except GeneratorExit:
            self.cancelled += 1
            raise

    def count_tokens(self, request: TextRequest) -> int:
        return len((request.raw or "").encode()) // 4
