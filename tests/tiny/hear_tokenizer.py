"""The tokenizer of the tiny hearing model, in the layout that Whisper's programs expect.

CTranslate2 takes a vocabulary for multilingual if it holds the empty token, and counts the
languages between `<|startoftranscript|>` and `<|nospeech|>`. So a small vocabulary works where the
order is kept: text, the empty token, endoftext, startoftranscript, languages, translate,
transcribe, startoflm, startofprev, nospeech, notimestamps, 1,501 timestamps.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .hear_words import WORDS

SHIPPED = Path(__file__).parents[2] / "localai" / "tiny" / "tiny-hear"
LANGUAGES = ("en", "de")
TIMESTAMPS = 1501
SECONDS_A_TIMESTAMP = 0.02
EMPTY = "\u24e7"  # how the empty token is written in tokenizer.json, which cannot hold it


def _bpe() -> dict[str, Any]:
    """A byte-level BPE in which each word after a space is one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=[],
        show_progress=False,
    )
    words = sorted({f" {word}" for language in WORDS.values() for word in language})
    tokenizer.train_from_iterator(words, trainer)
    return json.loads(tokenizer.to_str())


class HearTokenizer:
    """Words to ids and back, and the ids of the special tokens."""

    def __init__(self) -> None:
        self.json = _bpe()
        vocabulary = self.json["model"]["vocab"]
        self.text_tokens = len(vocabulary)
        vocabulary[EMPTY] = self.text_tokens
        names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe"]
        names += ["startoflm", "startofprev", "nospeech", "notimestamps"]
        first = self.text_tokens + 1
        self.special = {name: first + at for at, name in enumerate(names)}
        self.timestamp = first + len(names)
        added = [self._added(first + at, f"<|{name}|>", True) for at, name in enumerate(names)]
        added += [
            self._added(self.timestamp + at, f"<|{at * SECONDS_A_TIMESTAMP:.2f}|>", False)
            for at in range(TIMESTAMPS)
        ]
        self.json["added_tokens"] = added
        self.size = self.timestamp + TIMESTAMPS

    @staticmethod
    def _added(token: int, content: str, special: bool) -> dict[str, Any]:
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        return {"id": token, "content": content, **plain, "special": special}

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_str(self.text())

    def text(self) -> str:
        """What tokenizer.json holds."""
        return json.dumps(self.json, ensure_ascii=False, separators=(",", ":"))

    def vocabulary(self) -> list[str]:
        """The token of each id, as CTranslate2 wants them."""
        tokens = {at: token for token, at in self.json["model"]["vocab"].items()}
        tokens[self.text_tokens] = ""
        tokens |= {token["id"]: token["content"] for token in self.json["added_tokens"]}
        return [tokens[at] for at in range(self.size)]

    def encode(self, text: str) -> list[int]:
        """The ids of words, each with the space before it."""
        return self._tokenizer.encode(f" {text}", add_special_tokens=False).ids
