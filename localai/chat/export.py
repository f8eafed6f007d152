"""A conversation as a text to keep: Markdown, JSON."""

from __future__ import annotations

import re
from typing import Any

from localai.chat.transcript import INTERRUPTED, Transcript

_CODE = re.compile(
    r"^[ \t]*(?P<fence>```+|~~~+)[^\n]*\n(?P<code>.*?)^[ \t]*(?P=fence)", re.M | re.S
)


def last_code(text: str) -> str:
    """Return the last block of code in an answer, without its fences; empty if there is none."""
    blocks = [found["code"] for found in _CODE.finditer(text)]
    return blocks[-1] if blocks else ""


def as_markdown(transcript: Transcript, char: str = "", user: str = "You") -> str:
    """Return a conversation as Markdown: a heading for each turn.

    Parameters
    ----------
    char : str
        What the one who answers is called; empty: as the transcript says.
    """
    char = char or str(transcript.values.get("character") or transcript.values.get("model") or "-")
    names = {"user": user, "assistant": char, "note": "Note"}
    parts = [f"*Before: {transcript.summary}*\n"] if transcript.summary else []
    for turn in transcript.turns:
        mark = " (interrupted)" if turn.finish == INTERRUPTED else ""
        parts.append(f"## {names[turn.role]}{mark}\n\n{turn.text}\n")
    return "\n".join(parts)


def as_json(transcript: Transcript) -> dict[str, Any]:
    """Return a conversation as `--json` shows it; the keys are stable."""
    values = transcript.values
    return {
        "model": values.get("model"),
        "character": values.get("character"),
        "system": values.get("system"),
        "summary": transcript.summary or None,
        "messages": [
            {"role": turn.role, "content": turn.text}
            | ({"finish": turn.finish} if turn.role == "assistant" else {})
            for turn in transcript.turns
        ],
    }
