"""Events to what the user sees: streamed text, thinking, statistics, one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Literal

from localai.terminal.console import Console
from localai.terminal.output_file import check_reader
from localai.terminal.progress import Progress as ProgressLine
from localai.types import Event, Finished, Progress, Text, Thinking, Usage

Think = Literal["auto", "off", "show"]


class Answer:
    """A whole answer, or what has come of it so far."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.finish = ""
        self.usage: Usage | None = None

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


class Waiting:
    """What is shown until the first word: the model loads, then the prompt is read."""

    def __init__(self, console: Console, model: str) -> None:
        self._console = console
        self._loading = ProgressLine(console, f"loading {model}")
        self._reading: ProgressLine | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Waiting:
        self._stack.enter_context(self._loading)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def note(self, event: Event) -> None:
        """Go on to what the event tells of."""
        if not isinstance(event, Progress):
            self._stack.close()
            return
        if self._reading is None:
            self._stack.close()
            self._reading = ProgressLine(self._console, "reading the prompt", "tokens")
            self._stack.enter_context(self._reading)
        if event.total:  # else it is still being cut into tokens
            self._reading.update(int(event.done), int(event.total))


def _speed(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:.0f} tokens/s" if tokens > 0 and seconds > 0 else "- tokens/s"


def print_answer(
    events: Iterator[Event],
    console: Console,
    model: str,
    *,
    show: bool,
    think: Think,
    into: Answer | None = None,
) -> Answer:
    """Take an answer as it comes.

    Parameters
    ----------
    events : iterator of Event
        Ends with `Finished`, or raises what went wrong.
    show : bool
        Write the text to stdout as it comes; else it is only gathered.
    think : "auto", "off" or "show"
        Whether thinking is written to stderr (on a terminal).
    into : Answer or None
        Gathers the answer, so that what came is there also when this is broken off.

    Raises
    ------
    ClosedPipe
        Whoever read stdout has left.
    """
    answer = Answer(model) if into is None else into
    with Waiting(console, model) as waiting:
        for event in events:
            check_reader(console.stdout)
            waiting.note(event)
            match event:
                case Thinking(text):
                    answer.thinking.append(text)
                    if think == "show":
                        console.thinking(text)
                case Text(text):
                    answer.text.append(text)
                    if show:
                        console.write(text)
                case Finished(reason, usage):
                    answer.finish, answer.usage = reason, usage
    if show:
        console.end()
    if answer.usage and answer.usage.truncated_tokens:
        console.warn(f"{answer.usage.truncated_tokens} tokens of the input were cut away")
    return answer
