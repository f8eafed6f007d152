"""What a prompt is made of, as `ask --show-prompt` and `/context` show it: one table for both."""

from __future__ import annotations

from typing import Any

from localai.types import PARTS, TokenCount


def as_json(count: TokenCount, model: str) -> dict[str, Any]:
    """Return a prompt and its figures as `--json` shows them; the keys are stable."""
    return {
        "prompt": count.text,
        "model": model,
        "tokens": {
            "total": count.tokens,
            "context": count.context,
            "parts": {name: count.parts.get(name, 0) for name in PARTS},
        },
    }


def table(count: TokenCount) -> str:
    """Return a line a part that has tokens, and one of them all."""
    rows = [(name, count.parts[name]) for name in PARTS if count.parts.get(name)]
    rows.append(("total", count.tokens))
    width = len(f"{count.tokens}")
    lines = [f"{name:<8}  {tokens:>{width}}" for name, tokens in rows]
    full = count.tokens / count.context
    return "\n".join(lines) + f" of {count.context} tokens, {full:.0%}"
