"""A whole answer: its text, what it has cost, and how both are shown as JSON and in a line."""

from __future__ import annotations

from typing import Any

from localai.types import Event, Finished, Text, Thinking, Usage


class Answer:
    """A whole answer, or what has come of it so far."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.finish = ""
        self.usage: Usage | None = None

    def take(self, event: Event) -> None:
        """Add what an event brings."""
        match event:
            case Thinking(text):
                self.thinking.append(text)
            case Text(text):
                self.text.append(text)
            case Finished(reason, usage):
                self.finish, self.usage = reason, usage

    @property
    def content(self) -> str:
        """The answer's text, without the newlines at its end."""
        return "".join(self.text).rstrip("\n")

    def as_json(self) -> dict[str, Any]:
        """Return the answer as `--json` shows it; the keys are stable."""
        usage = self.usage
        assert usage is not None
        return {
            "answer": self.content,
            "thinking": "".join(self.thinking).strip("\n") or None,
            "finish": self.finish,
            "model": self.model,
            "seed": usage.seed,
            "tokens": {
                "prompt": usage.prompt_tokens,
                "reused": usage.reused_tokens,
                "cut": usage.truncated_tokens,
                "answer": usage.answer_tokens,
            },
            "seconds": {
                "queue": round(usage.queue_seconds, 6),
                "prompt": round(usage.prompt_seconds, 6),
                "answer": round(usage.answer_seconds, 6),
                "first_token": round(usage.first_token_seconds, 6),
            },
        }

    def stats(self) -> str:
        """Return one line of counts and speeds."""
        usage = self.usage
        assert usage is not None
        evaluated = usage.prompt_tokens - usage.reused_tokens
        return (
            f"prompt {usage.prompt_tokens} tokens, {usage.reused_tokens} reused, "
            f"{_speed(evaluated, usage.prompt_seconds)}; "
            f"answer {usage.answer_tokens} tokens, "
            f"{_speed(usage.answer_tokens - 1, usage.answer_seconds)}; "
            f"first token after {usage.first_token_seconds * 1000:.0f} ms; seed {usage.seed}"
        )


def _speed(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:.0f} tokens/s" if tokens > 0 and seconds > 0 else "- tokens/s"
