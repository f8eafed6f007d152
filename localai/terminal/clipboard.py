"""The terminal's clipboard: OSC 52, which works through ssh and tmux as well."""

from __future__ import annotations

import base64

from localai import settings
from localai.formats.text import encode
from localai.terminal.console import Console

LARGEST = 74_000  # bytes; more is refused by some terminals without a word


def copy(console: Console, text: str) -> bool:
    """Ask the terminal to put `text` into its clipboard; return whether there was one to ask."""
    data = encode(text)
    stream = next((each for each in (console.stdout, console.stderr) if each.terminal), None)
    if stream is None or settings.load().term == "dumb" or len(data) > LARGEST:
        return False
    stream.send(b"\x1b]52;c;" + base64.b64encode(data) + b"\x07")
    return True
