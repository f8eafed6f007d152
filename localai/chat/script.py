"""A file of messages, asked one after the other: tests of a character."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localai.chat import export
from localai.chat.outcome import Leave
from localai.chat.repl import handle
from localai.chat.slash import registry
from localai.chat.view import ChatView
from localai.errors import BadInput
from localai.formats.text import without_shebang
from localai.system.files import read_text
from localai.terminal.console import Console

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
    text = without_shebang(text)  # a script may be executable
    if path.suffix.lower() not in (".yaml", ".yml"):
        return [line for line in text.splitlines() if line.strip()]
    from localai.formats import yaml_tree  # with YAML, which a list of lines need not wait for

    messages = yaml_tree.load(text, str(path)).plain()
    if not isinstance(messages, list) or not all(isinstance(each, str) for each in messages):
        raise BadInput(f"{path}: a script is a list of texts", "- Who are you?")
    return messages


def run(view: ChatView, messages: Iterable[str], *, as_json: bool = False) -> None:
    """Ask the messages and print the transcript; commands are done, notes kept, as in a chat."""
    view.named, view.visible = True, not as_json
    view.greet()
    for line in map(registry.meant, messages):
        if view.visible and not registry.is_command(line) and not line.startswith("!"):
            view.console.write_line(f"{view.session.participants.user}: {line.strip()}")
            view.console.write_line("")
        outcome = handle(view, line)
        if isinstance(outcome, Leave):
            break
        if isinstance(outcome, str):
            view.console.talk(outcome)
    if as_json:
        view.console.write_json(export.as_json(view.session.transcript))
