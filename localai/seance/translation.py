"""Translating with a base model: it is shown some sentences in both languages, and goes on."""

from __future__ import annotations

from localai.seance.prompts import SpiritPrompts


def translation(text: str, source: SpiritPrompts, target: SpiritPrompts) -> tuple[str, str]:
    """Return a text whose continuation is the translation, and what the continuation ends before.

    Parameters
    ----------
    text : str
        One line.
    source, target : SpiritPrompts
        From which language into which.
    """
    pairs = zip(source.examples, target.examples, strict=False)
    shown = "".join(f"{source.name}: {one}\n{target.name}: {other}\n\n" for one, other in pairs)
    return f"{shown}{source.name}: {text}\n{target.name}:", f"\n{source.name}:"
