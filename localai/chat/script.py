"""A file of messages, asked one after the other: tests of a character."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localai.chat import export, slash
from localai.chat.loop import handle
from localai.chat.slash import Leave
from localai.chat.talk import Talk
from localai.errors import BadInput
from localai.terminal.console import Console
from localai.terminal.text import read_text

_LARGEST = 1 << 24  # bytes


def read(name: str, console: Console) -> list[str]:
    """Return the messages in a file: one a line, or a YAML list (.yaml, .yml); `-` is stdin.

    Raises
    ------
    BadInput
        The file cannot be read, or holds no list of texts.
    """
    path = Path(name)
    text = console.read_stdin() if name == "-" else read_text(path, _LARGEST)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [line for line in text.splitlines() if line.strip()]
    from localai import yaml_nodes  # with YAML, which a list of lines need not wait for

    messages = yaml_nodes.load(text, str(path)).plain()
    if not isinstance(messages, list) or not all(isinstance(each, str) for each in messages):
        raise BadInput(f"{path}: a script is a list of texts", "- Who are you?")
    return messages


def run(talk: Talk, messages: Iterable[str], *, as_json: bool = False) -> None:
    """Ask the messages and print the transcript; commands are done, notes kept, as in a chat."""
    talk.named, talk.show = True, not as_json
    talk.greet()
    for line in messages:
        if talk.show and not slash.is_command(line) and not line.startswith("!"):
            talk.console.write_line(f"{talk.cast.user}: {line.strip()}")
            talk.console.write_line("")
        outcome = handle(talk, line)
        if isinstance(outcome, Leave):
            break
        if isinstance(outcome, str):
            talk.console.talk(outcome)
    if as_json:
        talk.console.write_json(export.as_json(talk.transcript))
