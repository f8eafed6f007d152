"""A whole answer: its text, what it has cost, and how both are shown as JSON and in a line."""

from __future__ import annotations

from typing import Any

from localai.errors import LocalaiError
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

    @property
    def thinking_alone(self) -> bool:
        """Whether there is no answer, but thinking."""
        return bool("".join(self.thinking).strip()) and not self.content.strip()

    def refuse_thinking_alone(self) -> None:
        """Raise LocalaiError where all of it was thinking: nothing would look like an answer."""
        if self.thinking_alone:
            cut = "; it was cut there" if self.finish == "length" else ""
            tokens = self.usage.answer_tokens if self.usage else 0
            raise LocalaiError(
                f"there is no answer: all {tokens} tokens were thinking{cut}",
                "allow more with -n, or use --think off",
            )

    def remark(self) -> str:
        """Return what should be said of how it ended; empty: it ended by itself."""
        if self.finish == "repetition":
            return "the answer repeated itself and was stopped; --repeat-penalty 1.1 may help"
        if self.finish != "length":
            return ""
        usage = self.usage
        if usage and usage.most_tokens and usage.answer_tokens >= usage.most_tokens:
            return f"the answer was cut at {usage.most_tokens} tokens; -n allows more"
        if usage and usage.closed:
            return f"the answer was closed after {usage.answer_tokens} tokens: -n allows more"
        return "the answer was cut: the model's context is full"

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
            **self._pictures(usage),
        }

    @staticmethod
    def _pictures(usage: Usage) -> dict[str, Any]:
        if not usage.pictures:
            return {}
        seconds = round(usage.encode_seconds, 6)
        shown = {"shown": usage.pictures, "encoded": usage.encoded_pictures, "seconds": seconds}
        return {"pictures": shown}

    def stats(self) -> str:
        """Return one line of counts and speeds."""
        usage = self.usage
        assert usage is not None
        evaluated = usage.prompt_tokens - usage.reused_tokens
        shown = f"pictures {usage.pictures}, {usage.encoded_pictures} encoded"
        shown += f" in {usage.encode_seconds * 1000:.0f} ms; "
        return (shown if usage.pictures else "") + (
            f"prompt {usage.prompt_tokens} tokens, {usage.reused_tokens} reused, "
            f"{_speed(evaluated, usage.prompt_seconds)}; "
            f"answer {usage.answer_tokens} tokens, "
            f"{_speed(usage.answer_tokens - 1, usage.answer_seconds)}; "
            f"first token after {usage.first_token_seconds * 1000:.0f} ms; seed {usage.seed}"
        )


def _speed(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:.0f} tokens/s" if tokens > 0 and seconds > 0 else "- tokens/s"
