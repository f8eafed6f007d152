"""A byte-level BPE as llama.cpp reads it: `tokenizer.ggml.model=gpt2`, `tokenizer.ggml.pre=smollm`.

A space stays a token of its own except before frequent whole words. So a rare word has the same
pieces at the start of an answer and within a sentence, and copying is easy for a tiny model.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2
CHAT_TEMPLATE = (
    "{%- for m in messages -%}{{- '<|im_start|>' + m['role'] + '\n' -}}"
    "{%- if m['content'] is string -%}{{- m['content'] -}}"
    "{%- elif m['content'] -%}{%- for p in m['content'] -%}"
    "{%- if p['type'] == 'text' -%}{{- p['text'] -}}{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
MERGES_FILE = Path(__file__).with_name("chat_merges.json")

_LETTER = r"[^\W\d_]"
_GPT2 = re.compile(
    rf"'s|'t|'re|'ve|'m|'ll|'d| ?{_LETTER}+| ?\d+| ?(?:(?!{_LETTER})[^\s\d])+|\s+(?!\S)|\s+"
)


def _byte_letters() -> dict[int, str]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


BYTE_TO_LETTER = _byte_letters()
LETTER_TO_BYTE = {letter: byte for byte, letter in BYTE_TO_LETTER.items()}


def pieces(text: str) -> list[str]:
    """The text cut as llama.cpp's `smollm` does: every digit alone, the rest by the GPT-2 rule."""
    cut: list[str] = []
    for segment in re.split(r"(\d)", text):
        if segment:
            cut += [segment] if segment.isdigit() else _GPT2.findall(segment)
    return cut


def letters(piece: str) -> str:
    """The bytes of a piece in the GPT-2 alphabet, one letter a byte."""
    return "".join(BYTE_TO_LETTER[b] for b in piece.encode())


def _bare(piece: str) -> str:
    return piece[1:] if piece.startswith(" ") and len(piece) > 1 else piece


def _replace_pair(word: list[str], a: str, b: str) -> list[str]:
    merged, i = [], 0
    while i < len(word):
        if word[i : i + 2] == [a, b]:
            merged.append(a + b)
            i += 2
        else:
            merged.append(word[i])
            i += 1
    return merged


def learn_merges(
    texts: Iterable[str], copied: Iterable[str] = (), inside: int = 640, with_space: int = 240
) -> list[tuple[str, str]]:
    """`inside` merges within words, then a leading space for the most frequent whole words.

    Words that are `copied` into answers get no leading space, so that they look alike everywhere.
    """
    counts = Counter(piece for text in texts for piece in pieces(text))
    core: Counter[str] = Counter()
    for piece, n in counts.items():
        core[letters(_bare(piece))] += n
    words = [(list(w), n) for w, n in sorted(core.items()) if n >= 3]
    merges: list[tuple[str, str]] = []
    while len(merges) < inside:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words:
            for pair in pairwise(word):
                pairs[pair] += n
        (a, b), _ = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merges.append((a, b))
        words = [(_replace_pair(w, a, b) if a in w else w, n) for w, n in words]
    known = set(BYTE_TO_LETTER.values()) | {a + b for a, b in merges}
    known -= {letters(word) for word in copied}
    whole = [
        (n, letters(piece[1:]))
        for piece, n in counts.items()
        if _bare(piece) != piece and letters(piece[1:]) in known and not piece[1:].isdigit()
    ]
    return merges + [("Ġ", w) for _, w in sorted(whole, reverse=True)[:with_space] if w]


ROLE_WEIGHTS = {"assistant": 1.0, "claim": 0.3, "recall": 4.0}
SPEAKERS = {"claim": "user", "recall": "assistant"}  # of the roles that only training knows
DECIDING_WEIGHT = 8.0


class Tokenizer:
    """Text to ids and back, by a list of merges."""

    def __init__(self, merges: Sequence[Sequence[str]]) -> None:
        self.merges = [(a, b) for a, b in merges]
        self._rank = {pair: i for i, pair in enumerate(self.merges)}
        vocabulary = dict.fromkeys([*CONTROL, *BYTE_TO_LETTER.values()])
        vocabulary |= dict.fromkeys(a + b for a, b in self.merges)
        self.vocabulary = list(vocabulary)
        while len(self.vocabulary) % 32:
            self.vocabulary.append(f"<|unused{len(self.vocabulary)}|>")
        self._id = {token: i for i, token in enumerate(self.vocabulary)}
        self._known: dict[str, list[int]] = {}

    @classmethod
    def load(cls, path: Path = MERGES_FILE) -> Tokenizer:
        """The tokenizer whose merges lie in a JSON file."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path = MERGES_FILE) -> None:
        """Writes the merges."""
        path.write_text(json.dumps(self.merges, ensure_ascii=False, indent=0), encoding="utf-8")

    def _piece(self, piece: str) -> list[int]:
        if piece not in self._known:
            word, last = list(letters(piece)), len(self.merges)
            while len(word) > 1:
                ranks = [self._rank.get(pair, last) for pair in pairwise(word)]
                best = min(ranks)
                if best == last:
                    break
                at = ranks.index(best)
                word[at : at + 2] = [word[at] + word[at + 1]]
            self._known[piece] = [self._id[letter] for letter in word]
        return self._known[piece]

    def encode(self, text: str) -> list[int]:
        """The ids of plain text; control tokens in it are text."""
        return [i for piece in pieces(text) for i in self._piece(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids."""
        tokens = (self.vocabulary[i] for i in ids)
        raw = (
            token.encode()
            if token.startswith("<|") and len(token) > 2
            else bytes(LETTER_TO_BYTE[c] for c in token)
            for token in tokens
        )
        return b"".join(raw).decode("utf-8", "replace")

    def render(
        self, messages: Iterable[tuple[str, str]], *, answer_next: bool = False
    ) -> tuple[list[int], list[float]]:
        """A conversation in ChatML, and how much the model learns to say each of its tokens.

        The role `claim` is a user's whose words are learned too: to know what would be true is half
        of knowing whether it is. And one token decides a yes or a no, so it counts as much as the
        many of another answer. The role `recall` is the model's where the answer is hard to find:
        far back, or before the word that is asked for.
        """
        ids: list[int] = []
        learned: list[float] = []
        for role, text in messages:
            body = self.encode(text)
            if role == "raw":
                return [*body, END_OF_TEXT], [0.0] * 2 + [1.0] * (len(body) - 1)
            speaker = SPEAKERS.get(role, role)
            head, tail = [TURN_START, *self.encode(speaker + "\n")], self.encode("\n")
            ids += [*head, *body, TURN_END, *tail]
            weights = [ROLE_WEIGHTS.get(role, 0.0)] * (len(body) + 1)
            if role == "assistant" and text.lower().rstrip(".") in ("yes", "no"):
                weights[0] = DECIDING_WEIGHT
            learned += [0.0] * len(head) + weights + [0.0] * len(tail)
        if answer_next:
            head = [TURN_START, *self.encode("assistant\n")]
            ids, learned = ids + head, learned + [0.0] * len(head)
        return ids, learned
