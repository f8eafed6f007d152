"""A prompt that people type long texts at: editing, history, completion (through prompt-toolkit).

Enter sends; Alt-Enter and Ctrl-J break the line; what is pasted is one text. Takes a tenth of a
second to import: only for a chat on a terminal.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app, run_in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output

from localai.formats.text import sanitise
from localai.terminal.console import Console
from localai.terminal.tty_modes import early_lines, kept_modes

_METER_SECONDS = 0.1  # between two looks at a meter that does not know yet
_MENU = 6  # lines that the menu of completions may take
PROMPT, MORE = "> ", "  "


@dataclass(frozen=True)
class Choice:
    """A completion: what stands there afterwards, how much of the line it replaces, what it is."""

    text: str
    replaces: int = 0
    meaning: str = ""


Complete = Callable[[str], Iterable[Choice]]
Meter = Callable[[], tuple[str, float]]
"""What it shows (empty: not known yet), and how full it is, from 0 to 1."""


class _Choices(Completer):
    def __init__(self, complete: Complete) -> None:
        self._complete = complete

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what the line so far may become."""
        for choice in self._complete(document.text_before_cursor):
            yield Completion(
                choice.text,
                -choice.replaces,
                display=sanitise(choice.text),
                display_meta=sanitise(choice.meaning),
            )


class _Remembered(FileHistory):
    """A history that no full disk disturbs."""

    def store_string(self, string: str) -> None:
        """Add a text to the file."""
        with suppress(OSError):
            super().store_string(string)


class Editor:
    """Reads messages on a terminal.

    What is typed while nobody reads is taken line by line, by the next prompts, if the terminal
    holds it (`tty_modes.held`).

    Parameters
    ----------
    console : Console
        Stdin and one of its other streams are terminals.
    history : Path or None
        The file that keeps what was typed, for nobody else to read; None keeps nothing.
    complete : callable
        The text before the cursor to what it may become.
    meter : callable
        What stands at the right of the prompt while something is typed.
    """

    recall = "the up arrow brings back what you asked"

    def __init__(
        self, console: Console, history: Path | None, complete: Complete, meter: Meter
    ) -> None:
        self._console = console
        self._meter = meter
        early = early_lines(console.stdin)
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=MORE,
            rprompt=self._right,
            key_bindings=_keys(kept_modes(console.stdin)),
            history=_history(history),
            completer=_Choices(complete),
            complete_while_typing=Condition(_begins_with_a_slash),
            reserve_space_for_menu=_MENU,
            enable_open_in_editor=True,
            tempfile_suffix=".md",
            output=_output(console),
            color_depth=None if console.color_out else ColorDepth.DEPTH_1_BIT,
        )
        self._keep(early)

    def read(self, default: str = "") -> str | None:
        """Return the next message, or None at the end (Ctrl-D); Ctrl-C makes it an empty one.

        Parameters
        ----------
        default : str
            What is there already, to be edited; not where something was typed ahead, which is no
            part of it.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C at an empty prompt.
        """
        if default and self._typed_ahead():
            default = ""
        try:
            return self._session.prompt(default=default, pre_run=self._await_meter)
        except EOFError:
            return None
        except KeyboardInterrupt:
            if not self._session.default_buffer.text:
                raise
            return ""

    def _typed_ahead(self) -> bool:
        """Whether something was typed that no prompt has read yet."""
        kept = get_typeahead(self._session.input)
        store_typeahead(self._session.input, kept)
        number = self._console.stdin.number()
        return bool(kept) or (number is not None and bool(select.select([number], [], [], 0)[0]))

    def _keep(self, lines: str) -> None:
        """Let the next prompts read lines as if they were typed then."""
        keys: list[KeyPress] = []
        parser = Vt100Parser(keys.append)
        parser.feed(lines.replace("\n", "\r"))
        parser.flush()
        store_typeahead(self._session.input, keys)

    def _await_meter(self) -> None:
        """Draw the prompt again as soon as the meter knows what to show."""

        async def await_meter() -> None:
            while not self._meter()[0]:
                await asyncio.sleep(_METER_SECONDS)
            get_app().invalidate()

        get_app().create_background_task(await_meter())

    def _right(self) -> StyleAndTextTuples:
        if get_app().is_done:  # what has scrolled up shows what was said, nothing else
            return []
        text, full = self._meter()
        style = "fg:ansired" if full >= 0.95 else "fg:ansiyellow" if full >= 0.8 else ""
        return [(style or "fg:ansibrightblack", text)]


def _begins_with_a_slash() -> bool:
    return get_app().current_buffer.text.startswith("/")


def _keys(suspend: Callable[[], None]) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-z")
    def to_the_background(event: KeyPressEvent) -> None:
        run_in_terminal(suspend)

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @keys.add("escape", "enter")
    @keys.add("c-j")
    def break_line(event: KeyPressEvent) -> None:
        event.current_buffer.newline(copy_margin=False)

    return keys


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError:
        return InMemoryHistory()
    return _Remembered(str(path))


def _output(console: Console) -> Vt100_Output:
    """Return where the prompt is drawn: on stdout, or on stderr if the answers go elsewhere.

    The terminal is not asked where its cursor is: many do not answer, and the prompt always
    begins on a line of its own.
    """
    stream: TextIO = sys.stdout if console.stdout.terminal else sys.stderr

    def size() -> Size:
        found = os.get_terminal_size(stream.fileno())
        return Size(rows=found.lines or 24, columns=found.columns or 80)

    return Vt100_Output(stream, size, enable_cpr=False)
