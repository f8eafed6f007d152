r"""Notations of regexes that the engine does not know, with the nearest pattern that it does.

The engine builds an automaton (Rust's syntax): it knows no look-around, no back-references, no
word boundaries. Others write them: Pydantic gives `(?!^[-+.]*$)` to a decimal number.
"""

from __future__ import annotations

import re
import warnings
from typing import Final, NamedTuple

# Notations of the engine's regexes (Rust's) that Python's `re` does not know.
_RUST_ONLY: Final = re.compile(r"\\[pPz]|\\[xu]\{|\(\?<\w|\[\[:|&&|\(\?[a-zA-Z]*-?[a-zA-Z]+[:)]")
_LOOK: Final = {
    "(?=": "the look-ahead", "(?!": "the look-ahead",
    "(?<=": "the look-behind", "(?<!": "the look-behind",
}  # fmt: skip
_PIECE: Final = re.compile(
    r"(?P<look>\(\?<?[=!])|(?P<atomic>\(\?>)|(?P<condition>\(\?\()|(?P<comment>\(\?\#[^)]*\))"
    r"|(?P<back>\\[1-9]|\(\?P=(?P<of>\w+)\)|\\k<(?P<by>\w+)>)|(?P<bound>\\[bB])|(?P<end>\\Z)"
    r"|(?P<named>\(\?P?<(?P<name>\w+)>)|(?P<plain>\(\?)|(?P<open>\()|(?P<close>\))"
    r"|(?P<class>\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\])|(?s:\\.|.)"
)
_TIMES: Final = re.compile(r"(?:[*+?]|\{[0-9,]+\})?[?+]?")  # behind a group


class Problem(NamedTuple):
    """Why a pattern cannot be kept, and what to write instead."""

    what: str
    next_step: str


class _Edit(NamedTuple):
    start: int
    end: int
    name: str
    text: str | None  # what to write instead; None: nothing will do


def problem(pattern: str) -> Problem | None:
    """Return what keeps a regex from being followed, as far as it shows without the engine."""
    edits = _edits(pattern)
    if edits:
        first = edits[0]
        notation = pattern[first.start : first.end][:40]
        place = f"{first.name} at column {first.start + 1} of the regex"
        return Problem(f"{place} is not known: {notation}", _advice(pattern, edits))
    reason = _invalid(pattern)
    if reason and not _RUST_ONLY.search(pattern):
        return Problem(f"the regex is not valid: {reason}", "Correct the pattern")
    return None


def _advice(pattern: str, edits: list[_Edit]) -> str:
    nearest, last = "", 0
    for edit in edits:
        if edit.text is None:
            return "Write each case as an alternative: a|b"
        nearest += pattern[last : edit.start] + edit.text
        last = edit.end
    nearest += pattern[last:]
    invalid = _invalid(nearest) and not _RUST_ONLY.search(nearest)
    if not nearest.strip("^$") or _edits(nearest) or invalid:
        return "Write what is allowed, instead of what is not"
    return f"The nearest that works: {nearest}"


def _invalid(pattern: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def _edits(pattern: str) -> list[_Edit]:
    """Return what must be written anew, in order; nothing within what is left out."""
    found: list[_Edit] = []
    groups: list[tuple[re.Match[str], int]] = []  # that are open, with their number or 0
    sources: dict[str, str] = {}  # of groups that were closed, by number and name
    count = 0
    for piece in _PIECE.finditer(pattern):
        kind = piece.lastgroup
        match "back" if kind in ("of", "by") else "named" if kind == "name" else kind:
            case "look" | "atomic" | "condition" | "plain":
                groups.append((piece, 0))
            case "open" | "named":
                count += 1
                groups.append((piece, count))
            case "close" if groups:
                start, number = groups.pop()
                body = f"(?:{pattern[start.end() : piece.start()]})"
                sources[str(number)] = sources[str(start["name"])] = body
                _close(found, start, piece.end(), pattern)
            case "back":
                name = piece["of"] or piece["by"] or piece[0][1:]
                text = sources.get(name)
                found.append(_Edit(*piece.span(), "the back-reference", text))
            case "bound":
                found.append(_Edit(*piece.span(), "the word boundary", ""))
            case "comment":
                found.append(_Edit(*piece.span(), "the comment", ""))
            case "end":
                found.append(_Edit(*piece.span(), "the end mark", r"\z"))
    return sorted(found)


def _close(found: list[_Edit], start: re.Match[str], end: int, pattern: str) -> None:
    """Add the edit of a group that ends here, in the place of those inside it."""
    kind = start.lastgroup
    if kind in ("look", "condition"):
        times = _TIMES.match(pattern, end)
        end = times.end() if times else end
        found[:] = [edit for edit in found if edit.start < start.start()]
        name = _LOOK.get(start[0], "the condition")
        found.append(_Edit(start.start(), end, name, "" if kind == "look" else None))
    elif kind == "atomic":
        found.append(_Edit(*start.span(), "the atomic group", "(?:"))
