"""A text engine that says what it is told to: what it was asked stays to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localai.types import Event, Finished, Text, TextRequest


class ScriptedModel:
    """Says the texts of a script, one a request, letter by letter; then nothing any more."""

    def __init__(self, script: Iterable[str], letters_a_token: int = 1) -> None:
        self._script = iter(script)
        self._letters = letters_a_token
        self.requests: list[TextRequest] = []
        self.cancelled = 0  # answers that were left before their end

    @property
    def prompts(self) -> list[str]:
        return [request.raw or "" for request in self.requests]

    def ask(self, request: TextRequest) -> Iterator[Event]:
        self.requests.append(request)
        return self._events(next(self._script, ""))

    def _events(self, text: str) -> Iterator[Event]:
        try:
            for at in range(0, len(text), self._letters):
                yield Text(text[at : at + self._letters])
            yield Finished("stop")
        except GeneratorExit:
            self.cancelled += 1
            raise

    def count_tokens(self, request: TextRequest) -> int:
        return len((request.raw or "").encode()) // 4
