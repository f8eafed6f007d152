"""A model's vocabulary: text to token ids and back, without losing a byte."""

from __future__ import annotations

import ctypes
from functools import cached_property
from typing import Any

from localai.engines.llama.bindings import native

_SPM = native.LLAMA_VOCAB_TYPE_SPM
_WHOLE = (_SPM, native.LLAMA_VOCAB_TYPE_BPE)  # kinds that leave out nothing of a text
_CONTROL = native.LLAMA_TOKEN_ATTR_CONTROL | native.LLAMA_TOKEN_ATTR_UNKNOWN
_USER_DEFINED = native.LLAMA_TOKEN_ATTR_USER_DEFINED
_ANCHOR = "\n"  # a text that never merges with what follows it


class Vocab:
    """The vocabulary of a loaded model.

    Parameters
    ----------
    pointer : llama_vocab *
        From `llama_model_get_vocab`; valid as long as its model.
    """

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        self.size: int = native.llama_vocab_n_tokens(pointer)
        self._pieces: dict[int, bytes] = {}
        self._is_end: dict[int, bool] = {}

    @cached_property
    def longest(self) -> int:
        """How many characters of a text one token stands for at the most; 0: there is no limit."""
        if native.llama_vocab_type(self.pointer) not in _WHOLE:
            return 0
        # Byte-level vocabularies spell each byte as a character.
        return max(len(self.text(token)) for token in range(self.size))

    @cached_property
    def adds_bos(self) -> bool:
        """Whether a text begins with the begin-of-text token."""
        return bool(native.llama_vocab_get_add_bos(self.pointer))

    @cached_property
    def bos(self) -> int:
        """The begin-of-text token, or -1."""
        return int(native.llama_vocab_bos(self.pointer))

    @cached_property
    def eos(self) -> int:
        """The end-of-text token, or -1."""
        return int(native.llama_vocab_eos(self.pointer))

    def is_end(self, token: int) -> bool:
        """Whether `token` ends an answer."""
        ends = self._is_end.get(token)
        if ends is None:
            ends = self._is_end[token] = bool(native.llama_vocab_is_eog(self.pointer, token))
        return ends

    def is_control(self, token: int) -> bool:
        """Whether `token` steers the model instead of being text."""
        return bool(native.llama_vocab_get_attr(self.pointer, token) & _CONTROL)

    def is_marker(self, token: int) -> bool:
        """Whether `token` is a control token or one that the model's makers have added by hand."""
        attributes = native.llama_vocab_get_attr(self.pointer, token)
        return bool(attributes & (_CONTROL | _USER_DEFINED))

    def knows_marker(self, text: str) -> bool:
        """Whether `text` is one token, and a marker."""
        ids = self.tokenize(text, parse_special=True)
        return len(ids) == 1 and self.is_marker(ids[0])

    def text(self, token: int) -> str:
        """Return a token's own text as the vocabulary spells it ('' where there is none)."""
        if token < 0 or token >= self.size:
            return ""
        raw = native.llama_vocab_get_text(self.pointer, token)
        return raw.decode("utf-8", "replace") if raw else ""

    def tokenize(
        self, text: str, *, add_special: bool = False, parse_special: bool = False
    ) -> list[int]:
        """Return the token ids of `text`.

        Parameters
        ----------
        text : str
            Any text; a lone surrogate becomes the replacement character.
        add_special : bool
            Add the tokens that begin (and end) a text with this vocabulary.
        parse_special : bool
            Read control tokens' names in `text` as control tokens. Never for untrusted text.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            count = native.llama_tokenize(
                self.pointer, data, len(data), ids, room, add_special, parse_special
            )
            if count >= 0:
                return ids[:count]
            room = -count

    def tokenize_inside(self, text: str) -> list[int]:
        """Return the ids of plain text that stands inside a longer text.

        Vocabularies of the SentencePiece kind put a space before the first word of a text; here
        the text is not the first, so it is tokenized behind an anchor that is taken off again.
        """
        if native.llama_vocab_type(self.pointer) != _SPM:
            return self.tokenize(text)
        anchor = self.tokenize(_ANCHOR)
        ids = self.tokenize(_ANCHOR + text)
        return ids[len(anchor) :] if ids[: len(anchor)] == anchor else self.tokenize(text)

    def piece(self, token: int) -> bytes:
        """Return the bytes that a token adds to a text; control tokens add none."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token)
        return piece

    def _read_piece(self, token: int) -> bytes:
        size = 256
        while True:
            # One for each call: several threads ask.
            buffer = ctypes.create_string_buffer(size)
            count = native.llama_token_to_piece(self.pointer, token, buffer, size, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def detokenize(self, tokens: list[int]) -> str:
        """Return the text of `tokens`; bytes that are no UTF-8 become the replacement character."""
        return b"".join(map(self.piece, tokens)).decode("utf-8", "replace")
