"""What a line that is being typed may become: commands, and what they take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator

from localai.catalog import known
from localai.chat import image_prompt, sampling_options, session_store
from localai.chat.slash.registry import COMMANDS
from localai.terminal.editor import Choice

_LINE = re.compile(r"(?P<word>/[A-Za-z?-]*)(?:[ ]+(?P<rest>.*))?")


def complete(line: str, characters: Callable[[], Iterable[str]]) -> Iterator[Choice]:
    """Yield completions of the text before the cursor.

    Parameters
    ----------
    characters : callable
        The names of all characters; asked only where one is wanted.
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return
    word, rest = found["word"], found["rest"]
    if rest is None:
        for name, each in sorted(COMMANDS.items()):
            if name.startswith(word):
                yield Choice(name, len(word), each.help)
    elif word in COMMANDS:
        yield from _values(COMMANDS[word].completes, rest, characters)


def _values(kind: str, prefill: str, characters: Callable[[], Iterable[str]]) -> Iterator[Choice]:
    sources: dict[str, Callable[[], Iterable[str]]] = {
        "character": characters,
        "model": lambda: ("tiny", *known.names("text")),
        "session": session_store.names,
        "setting": lambda: sampling_options.NAMES,
        "picture": lambda: image_prompt.WHAT,
        "command": lambda: sorted(COMMANDS),
    }
    if kind in sources:
        for name in sources[kind]():
            if name.startswith(prefill):
                yield Choice(name, len(prefill))
    if kind in ("file", "model", "character"):
        yield from _files(prefill)


def _files(prefill: str) -> Iterator[Choice]:
    """Yield the files and folders whose paths begin so; hidden ones only when asked for."""
    folder, _, start = prefill.rpartition("/")
    place = os.path.expanduser(f"{folder}/" if prefill.startswith(("/", "~")) else folder or ".")
    try:
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        hidden = entry.name.startswith(".") and not start.startswith(".")
        if entry.name.startswith(start) and not hidden:
            yield Choice(entry.name + "/" * entry.is_dir(), len(start))
