"""How families of chat templates mark a model's thinking. A row is all that a new one needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReasoningTags:
    """How a family of templates marks thinking: `opening` ... `closing` before the answer."""

    opening: str
    closing: str
    skip: str = ""  # a mark that may stand before an answer without thinking


STYLES = (
    ReasoningTags("<think>", "</think>"),
    # gpt-oss; the control tokens between the two channels have no text of their own
    ReasoningTags(
        "<|channel|>analysis<|message|>",
        "assistant<|channel|>final<|message|>",
        "<|channel|>final<|message|>",
    ),
    ReasoningTags("[THINK]", "[/THINK]"),  # Magistral
    ReasoningTags("<seed:think>", "</seed:think>"),
    ReasoningTags("<thinking>", "</thinking>"),
    ReasoningTags("<thought>", "</thought>"),
    ReasoningTags("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    ReasoningTags("<|channel>thought", "<channel|>"),  # Gemma 4
    ReasoningTags("<unused94>thought", "<unused95>"),  # MedGemma
)


def reasoning_tags(template: str) -> ReasoningTags:
    """Return the thinking style that a chat template's source names; `<think>` where none is."""
    named = (style for style in STYLES if style.opening in template or style.closing in template)
    return next(named, STYLES[0])
