"""Decorators: what an entry of a lorebook says of itself in the `@@` lines at its head. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from localai.characters.card import Role
from localai.formats.text import one_line


@dataclass(frozen=True)
class Decorators:
    """What the decorators of an entry say, and the text that they leave."""

    text: str
    depth: int | None = None
    role: Role = "system"
    scan_depth: int | None = None
    activate: bool = False
    dont_activate: bool = False
    activate_only_after: int = 0  # answers, the greeting counted
    activate_only_every: int = 1


def _number(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if (number := int(value)) < least:
            raise ValueError(value)
        return number

    return read


def _role(value: str) -> str:
    if value.lower() not in ("system", "user", "assistant"):
        raise ValueError(value)
    return value.lower()


_DECORATORS: dict[str, Callable[[str], Any]] = {
    "depth": lambda value: max(0, int(value)),
    "role": _role,
    "scan_depth": _number(0),
    "activate": lambda value: True,
    "dont_activate": lambda value: True,
    "activate_only_after": _number(0),
    "activate_only_every": _number(1),
}


def strangers(content: str) -> Iterator[str]:
    """Yield what an entry's decorators ask for and do not get, in words that end a sentence."""
    for line in content.lstrip().splitlines():
        line = line.strip()
        if line and not line.startswith("@@"):
            return
        if line and not line.startswith("@@@") and not _read(line.lstrip("@"), {}):
            yield f"the decorator `{one_line(line)[:40]}` is not kept"


def rule_of(content: str) -> Decorators:
    """Return what an entry's text says in the `@@` lines at its head, and the text below them.

    A `@@@` line counts only if the line above it says nothing to us; of two lines of one name the
    first counts. Names that we do not know are taken out with the others.
    """
    lines = content.lstrip().splitlines(keepends=True)
    said: dict[str, Any] = {}
    known = True
    at = 0
    while at < len(lines) and (lines[at].startswith("@@") or not lines[at].strip()):
        line = lines[at].strip()
        at += 1
        if line and not (line.startswith("@@@") and known):
            known = _read(line.lstrip("@"), said)
    return Decorators("".join(lines[at:]), **said)


def _read(line: str, said: dict[str, Any]) -> bool:
    """Take one decorator into `said`; tell whether it means something to us."""
    name, _, value = line.partition(" ")
    reader = _DECORATORS.get(name.strip().lower())
    if not reader:
        return False
    try:
        said.setdefault(name.strip().lower(), reader(value.strip()))
    except ValueError:
        return False
    return True
