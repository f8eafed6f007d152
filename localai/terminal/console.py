"""The one object that owns stdin, stdout and stderr: stdout is the result, stderr is talk.

In a pipe the answer's bytes pass as they are; on a terminal what a terminal would obey is shown.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from localai import settings
from localai.errors import BadInput, ClosedPipe, LocalaiError
from localai.formats.text import clip, decode, encode, json_safe, one_line, sanitise
from localai.terminal import stdin as standard_input
from localai.terminal.streams import Stream, TrailingNewlines, refusal, silenced
from localai.terminal.writing_units import Unit, WritingUnits

if TYPE_CHECKING:
    from localai.terminal.markdown import Markdown


class Console:
    """Streams, colour, width and quiet.

    Parameters
    ----------
    stdin, stdout, stderr : Stream
        The three streams.
    color : bool or None
        True and False decide; None asks the settings (`NO_COLOR`, `TERM`), then the terminal.
    """

    def __init__(
        self, stdin: Stream, stdout: Stream, stderr: Stream, color: bool | None = None
    ) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.quiet = False
        self.debug = False  # errors show where they come from
        self._color = color
        self._answer = TrailingNewlines()
        self._thought = TrailingNewlines()
        self._units, self._thought_units = WritingUnits(), WritingUnits("line")
        self._markdown: Markdown | None = None
        self._status = ""
        self._lock = threading.RLock()  # a progress draws from a thread of its own

    @classmethod
    def standard(cls) -> Console:
        """Return the console of this process; costs nothing and never fails."""
        return cls(Stream.of(sys.stdin), Stream.of(sys.stdout), Stream.of(sys.stderr))

    # What is known

    @property
    def width(self) -> int:
        """Columns of the terminal, asked anew each time: `COLUMNS`, stdout, stderr; else 80."""
        import shutil

        fallback = (80, 24)
        if (number := self.stderr.number()) is not None and self.stderr.terminal:
            fallback = os.get_terminal_size(number)
        return max(shutil.get_terminal_size(fallback).columns or 80, 8)

    @property
    def color_out(self) -> bool:
        """Whether stdout may be coloured: on a terminal only, whatever is forced."""
        return self.stdout.terminal and self._wanted_color() is not False

    @property
    def color_err(self) -> bool:
        """Whether stderr may be coloured."""
        wanted = self._wanted_color()
        return self.stderr.terminal if wanted is None else wanted

    @property
    def animated(self) -> bool:
        """Whether a line on stderr can be drawn and erased again."""
        return self.stderr.terminal and not self.quiet and _settings("term") != "dumb"

    def _wanted_color(self) -> bool | None:
        return _settings("color") if self._color is None else self._color

    # What the command line asks for

    def hush(self) -> None:
        """Say nothing on stderr from now on except errors (`-q`)."""
        self.quiet = True

    def uncolor(self) -> None:
        """Use no colour from now on (`--no-color`)."""
        self._color = False

    def use_markdown(self) -> None:
        """Render answers as Markdown where they go to a terminal; in a pipe nothing changes."""
        if self.stdout.terminal and _settings("term") != "dumb":
            from localai.terminal.markdown import Markdown  # which no pipe waits for

            self._markdown = Markdown(lambda: self.width, self.color_out)

    def write_by(self, unit: Unit) -> None:
        """Write answers to a pipe or a file in such units; a terminal shows all as it comes."""
        self._units = WritingUnits("piece" if self.stdout.terminal else unit)

    # The result: stdout

    def write(self, text: str) -> None:
        """Write a piece of an answer; `end` completes it.

        Raises
        ------
        ClosedPipe
            Whoever read stdout has left.
        LocalaiError
            Stdout cannot be written: full disk, closed.
        """
        with self._lock:
            self._end_thought()
            ready = self._answer.push(text)
            if self._markdown:
                ready = self._markdown.feed(ready)
            elif self.stdout.terminal:
                ready = sanitise(ready)
            for unit in self._units.push(ready):
                self._put(encode(unit))

    def end(self) -> None:
        """Complete an answer with exactly one newline; without an answer, do nothing."""
        with self._lock:
            self._end_thought()
            if self._answer.end():
                rest = self._markdown.close() if self._markdown else ""
                self._put(encode(self._units.end(rest + "\n")))

    def forget(self) -> None:
        """Take an answer that was begun for none: nothing of it is still to be written."""
        self._answer.end()
        self._units.forget()

    def write_line(self, text: str) -> None:
        """Write a result that is complete, in one write: a line, a listing."""
        usual, self._units.unit = self._units.unit, "answer"
        try:
            self.write(text)
            self.end()
        finally:
            self._units.unit = usual

    def write_json(self, value: Any) -> None:
        """Write a result as one line of JSON."""
        with self._lock:
            self._put(encode(json_safe(json.dumps(value, ensure_ascii=False)) + "\n"))

    def write_bytes(self, data: bytes) -> None:
        """Write binary data (a picture for `-o -`) as it is."""
        with self._lock:
            self._put(data)

    def _put(self, data: bytes) -> None:
        if not data:
            return
        self.clear_status()
        try:
            self.stdout.send(data)
        except BrokenPipeError:
            self.abandon()
            raise ClosedPipe("whoever read the output has left") from None
        except OSError as error:
            self.abandon()
            raise LocalaiError(*refusal(error)) from None

    def abandon(self) -> None:
        """Point stdout at nothing, so that the interpreter's last flush finds no closed pipe."""
        self.forget()
        self.stdout = silenced(self.stdout)

    # The talk: stderr

    def talk(self, text: str, *, dim: bool = False) -> None:
        """Say something on stderr, on lines of its own; nothing when quiet."""
        if not self.quiet:
            text = self._folded(text.rstrip("\n"))
            self._say((f"\x1b[2m{text}\x1b[0m" if dim and self.color_err else text) + "\n")

    def warn(self, text: str) -> None:
        """Say what the user should know although the command goes on; nothing when quiet."""
        self.talk(f"warning: {text}")

    def prompt(self, text: str) -> None:
        """Write a question or a picture to stderr as it is; also when quiet."""
        with self._lock:
            self.clear_status()
            self._put_err(text)

    def error(self, error: LocalaiError, as_json: bool = False) -> None:
        """Say what failed and what to do next, or one JSON object; also when quiet.

        An answer that was begun ends here, with its newline; one of a fixed form is not written.
        """
        if self._units.unit == "answer":
            self.forget()
        with suppress(LocalaiError):
            self.end()
        if self.debug:
            self.talk(error.traced())
        if as_json:
            self._say(json_safe(json.dumps({"error": error.to_json()}, ensure_ascii=False)) + "\n")
            return
        next_step = f"\n  next: {error.next_step}" if error.next_step else ""
        text = self._folded(f"localai: {error.what}{next_step}")
        name = "\x1b[1;31mlocalai:\x1b[0m" if self.color_err else "localai:"
        self._say(text.replace("localai:", name, 1) + "\n")

    def _folded(self, text: str) -> str:
        """Return what is said as a screen shows it: broken between words, nothing obeyed."""
        if self.stderr.terminal:
            from localai.terminal.wrap import folded  # which no pipe waits for

            return folded(sanitise(text), self.width)
        return sanitise(text)

    def thinking(self, text: str) -> None:
        """Show a piece of the model's thinking on stderr: dim, or by whole lines in a pipe."""
        with self._lock:
            if self.quiet:
                return
            self.clear_status()
            ready = sanitise(self._thought.push(text))
            shown = [ready] if self.stderr.terminal else self._thought_units.push(ready)
            for each in filter(None, shown):
                self._put_err(f"\x1b[2m{each}\x1b[0m" if self.color_err else each)

    def _end_thought(self) -> None:
        if self._thought.end():
            self._put_err(self._thought_units.end("\n"))

    def status(self, text: str) -> None:
        """Draw the transient line over the one before; nothing where it cannot be erased."""
        with self._lock:
            midline = self._thought.open or (self._answer.open and self.stdout.terminal)
            if midline or not self.animated:
                return
            self._status = clip(one_line(text), self.width - 1)
            self._put_err(f"\r\x1b[K{self._status}")

    def clear_status(self) -> None:
        """Erase the transient line."""
        with self._lock:
            if self._status:
                self._status = ""
                self._put_err("\r\x1b[K")

    def _say(self, text: str) -> None:
        with self._lock:
            self.clear_status()
            self._end_thought()  # on one screen talk shall not begin in the middle of a line
            midline = self._answer.open and self.stdout.terminal and self.stderr.terminal
            self._put_err("\n" + text if midline else text)

    def _put_err(self, text: str) -> None:
        try:
            self.stderr.send(encode(text))
        except OSError:
            self.stderr = Stream(None)  # nobody listens, and there is nobody left to tell

    # The input: stdin

    def read_stdin(self, *, typed: bool = False) -> str:
        """Return the text that was piped in, or `typed` at a terminal; empty if there is none.

        Raises
        ------
        BadInput
            Not UTF-8, binary, a folder, or more than 64 MB.
        """
        if self.stdin.terminal and not typed:
            return ""
        return decode(self.read_bytes(), "the text on stdin")

    def read_bytes(self, limit: int = standard_input.LIMIT) -> bytes:
        """Return all bytes of stdin (for `-`), at most `limit`; BadInput if there are more."""
        told = not self.stdin.terminal and self.stderr.terminal
        tell = partial(self.status if self.animated else self.talk, "reading stdin")
        try:
            return standard_input.read_all(self.stdin, limit, tell if told else None)
        finally:
            self.clear_status()


def _settings(name: str) -> Any:
    try:
        return getattr(settings.load(), name)
    except BadInput:  # a damaged config file is told by whoever needs it; here: nothing fancy
        return {"term": "dumb", "color": False}[name]
