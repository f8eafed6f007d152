"""Messages from a pipe or a plain terminal: a line each, or what stands between two `\"\"\"`."""

from __future__ import annotations

from localai.errors import BadInput
from localai.formats.text import decode
from localai.terminal.console import Console
from localai.terminal.stdin import LIMIT

_FENCE = '"""'


class LineReader:
    """Reads messages where nothing can be drawn.

    Parameters
    ----------
    console : Console
        Its stdin is read line by line; on a terminal its stderr shows the prompt.
    """

    recall = ""

    def __init__(self, console: Console) -> None:
        self._console = console

    def read(self, default: str = "") -> str | None:
        """Return the next message, or None at the end.

        Parameters
        ----------
        default : str
            What could be edited on a better terminal; shown, that it can be typed again.
        """
        if default and self._console.stdin.terminal:
            self._console.talk(default)
        line = self._line("> ")
        if line is None or not line.startswith(_FENCE):
            return line
        first = line.removeprefix(_FENCE)
        if first.endswith(_FENCE):
            return first.removesuffix(_FENCE)
        return "\n".join([first, *self._block()] if first else self._block())

    def _block(self) -> list[str]:
        """Return the lines up to the closing marks."""
        found: list[str] = []
        while (line := self._line("  ")) is not None:
            if line.rstrip().endswith(_FENCE):
                last = line.rstrip().removesuffix(_FENCE)
                return [*found, last] if last else found
            found.append(line)
        return found

    def _line(self, prompt: str) -> str | None:
        stdin = self._console.stdin
        try:
            if stdin.terminal:
                self._console.prompt(prompt)
            data = stdin.file.readline(LIMIT + 1) if stdin.file else b""
        except KeyboardInterrupt:
            if stdin.terminal:
                self._console.prompt("\n")  # behind the terminal's own ^C
            raise
        if len(data) > LIMIT:
            raise BadInput("a line on stdin is too long", "give it in parts")
        return decode(data, "the text on stdin").rstrip("\r\n") if data else None
