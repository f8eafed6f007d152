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
# phase: what is said of it, and what it counts
_LINES = {
    "loading": ("loading {}", ""),
    "queued": ("waiting", ""),
    "reading": ("reading the prompt", "tokens"),
}


class Waiting:
    """What is shown until the first word: the model loads, others go first, the prompt is read."""

    def __init__(self, console: Console, model: str, loaded: bool) -> None:
        self._console, self._model, self._loaded = console, model, loaded
        self._phase, self._over = "", False
        self._line: ProgressLine | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Waiting:
        self._turn_to("reading" if self._loaded else "loading")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def note(self, event: Event) -> None:
        """Go on to what the event tells of."""
        if not isinstance(event, Progress):
            self._stack.close()
            self._phase, self._over = "", self._over or not isinstance(event, Notice)
            return
        # Nobody before it: it is about to begin.
        phase = "reading" if event.phase == "queued" and not event.total else event.phase
        self._turn_to(phase)
        if phase == "queued" and self._line:
            self._line.label = f"waiting: {event.total:.0f} other requests go first"
        elif event.total and self._line:  # else it is still being cut into tokens
            self._line.update(int(event.done), int(event.total))

    def _turn_to(self, phase: str) -> None:
        """Draw another line, if it is another phase."""
        if self._over or phase == self._phase or phase not in _LINES:
            return
        self._stack.close()
        label, unit = _LINES[phase]
        self._phase = phase
        self._line = ProgressLine(self._console, label.format(self._model), unit)
        self._stack.enter_context(self._line)


def print_answer(
    events: Iterator[Event],
    console: Console,
    model: str,
    *,
    show: bool,
    think: Think,
    loaded: bool = False,
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
    loaded : bool
        Whether the model is known to be loaded.
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
    with Waiting(console, model, loaded) as waiting:
        for event in events:
            check_reader(console.stdout)
            waiting.note(event)
            answer.take(event)
            if think == "show" and isinstance(event, Thinking):
                console.thinking(event.text)
            elif isinstance(event, Notice):
                tell_notice(event.text, console, told)
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


def tell_notice(text: str, console: Console, told: set[str] | None) -> None:
    """Say what an engine wants known, unless it is among what was told before."""
    if told is None or text not in told:
        console.warn(text)
    if told is not None:
        told.add(text)
