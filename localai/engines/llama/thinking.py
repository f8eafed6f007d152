"""How families of chat templates mark a model's thinking. A row is all that a new one needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """How a family of templates marks thinking: `opening` ... `closing` before the answer."""

    opening: str
    closing: str
    skip: str = ""  # a mark that may stand before an answer without thinking


STYLES = (
    Style("<think>", "</think>"),
    # gpt-oss; the control tokens between the two channels have no text of their own
    Style(
        "<|channel|>analysis<|message|>",
        "assistant<|channel|>final<|message|>",
        "<|channel|>final<|message|>",
    ),
    Style("[THINK]", "[/THINK]"),  # Magistral
    Style("<seed:think>", "</seed:think>"),
    Style("<thinking>", "</thinking>"),
    Style("<thought>", "</thought>"),
    Style("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    Style("<|channel>thought", "<channel|>"),  # Gemma 4
    Style("<unused94>thought", "<unused95>"),  # MedGemma
)


def style_of(template: str) -> Style:
    """Return the thinking style that a chat template's source names; `<think>` where none is."""
    named = (style for style in STYLES if style.opening in template or style.closing in template)
    return next(named, STYLES[0])
