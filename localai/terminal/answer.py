"""An answer on a terminal or in a pipe: text as it comes, and what is shown until then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Literal

from localai.formats.answer import Answer
from localai.terminal.console import Console
from localai.terminal.output_file import check_reader
from localai.terminal.progress import ProgressLine
from localai.types import Event, Notice, Progress, Text, Thinking

Think = Literal["auto", "off", "show"]


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


def print_answer(
    events: Iterator[Event],
    console: Console,
    model: str,
    *,
    show: bool,
    think: Think,
    begin: Callable[[], None] | None = None,
    told: set[str] | None = None,
) -> Answer:
    """Take an answer as it comes.

    Parameters
    ----------
    events : iterator of Event
        Ends with `Finished`, or raises what went wrong.
    show : bool
        Write the text to stdout as it comes; else it is only gathered.
    think : "auto", "off" or "show"
        Whether thinking is written to stderr.
    begin : callable or None
        Called before the first word.
    told : set of str or None
        Notices that were shown before and need not be again; this answer's are added.

    Raises
    ------
    ClosedPipe
        Whoever read stdout has left.
    """
    answer = Answer(model)
    with Waiting(console, model) as waiting:
        for event in events:
            check_reader(console.stdout)
            waiting.note(event)
            answer.take(event)
            if think == "show" and isinstance(event, Thinking):
                console.thinking(event.text)
            elif isinstance(event, Notice):
                _tell(event.text, console, told)
            elif isinstance(event, Text):
                if begin:
                    begin()
                    begin = None
                if show:
                    console.write(event.text)
    if show:
        console.end()
    if answer.usage and answer.usage.truncated_tokens:
        console.warn(f"{answer.usage.truncated_tokens} tokens of the input were cut away")
    return answer


def _tell(text: str, console: Console, told: set[str] | None) -> None:
    if told is None or text not in told:
        console.warn(text)
    if told is not None:
        told.add(text)
