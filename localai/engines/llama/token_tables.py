"""What all constraints of a model share: the bytes of its tokens, which are text, and scratch."""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final, TypeAlias

import numpy as np
from llguidance import LLTokenizer
from numpy.typing import NDArray

from localai.engines.llama.bindings import native
from localai.engines.llama.number_limit import NumberLimit
from localai.errors import BadModel

Bits: TypeAlias = NDArray[np.int32]  # a bit a token, lowest first: int32 (ceil(n_vocab / 32),)

# Tokens that are no text: control tokens, the unknown token, unused entries.
_NOT_TEXT: Final = (
    native.LLAMA_TOKEN_ATTR_CONTROL
    | native.LLAMA_TOKEN_ATTR_UNKNOWN
    | native.LLAMA_TOKEN_ATTR_UNUSED
)
_NUMERIC: Final = re.compile(rb"[-+.eE]?([0-9]+)|\.")  # tokens that go on with a number


class TokenTables:
    """What all matchers of a model share.

    Raises
    ------
    BadModel
        The vocabulary has no token that ends an answer.
    """

    def __init__(self, vocab: Any) -> None:
        self.n_vocab = native.llama_vocab_n_tokens(vocab)
        ids = range(self.n_vocab)
        self.ends = frozenset(t for t in ids if native.llama_vocab_is_eog(vocab, t))
        if not self.ends:
            raise BadModel("the model has no end-of-text token, so it cannot end an answer")
        attributes = np.fromiter((native.llama_vocab_get_attr(vocab, t) for t in ids), np.int32)
        ends = list(self.ends)
        text = (attributes & _NOT_TEXT) == 0
        text[ends] = False
        pieces = _pieces(vocab, self.n_vocab)
        self.tokenizer = _tokenizer(vocab, pieces, text, ends)
        self.text_bits = _packed(text)
        text[ends] = True
        self.text_and_end_bits = _packed(text)
        self.addends = np.empty((self.text_bits.size * 4, 8), np.float32)
        self._numeric = {at: piece for at, piece in enumerate(pieces) if _NUMERIC.match(piece)}
        self.single = {  # the token of each byte that is text by itself
            piece: at
            for at, piece in reversed([*enumerate(pieces)])
            if len(piece) == 1 and text[at]
        }
        self._overrunning: dict[tuple[object, bool], tuple[Bits, Bits]] = {}
        digits = (_NUMERIC.match(piece) for piece in self._numeric.values())
        self.most_digits = max((len(each[1] or b"") for each in digits if each), default=0) or 1
        self.point = next((at for at, piece in self._numeric.items() if piece == b"."), None)

    def piece(self, token: int) -> bytes:
        """Return the bytes of a token that is text."""
        return bytes(self.tokenizer.decode_bytes([token]))

    def overrunning(self, numbers: NumberLimit, integer: bool) -> tuple[Bits, Bits]:
        """Return the tokens that make a number too long, and which of them add zeros alone."""
        key = (numbers.place, integer)
        if key not in self._overrunning:
            flags, zeros = np.zeros(self.n_vocab, np.bool_), np.zeros(self.n_vocab, np.bool_)
            for token, piece in self._numeric.items():
                flags[token] = numbers.overruns(piece, integer=integer)
                zeros[token] = flags[token] and numbers.in_fraction and not piece.strip(b"0")
            self._overrunning[key] = _packed(flags), _packed(zeros)
        return self._overrunning[key]


def has_bit(bits: Bits, token: int) -> bool:
    """Whether a token's bit is set."""
    return bool(int(bits[token >> 5]) >> (token & 31) & 1)


def _pieces(vocab: Any, count: int) -> list[bytes]:
    size = 64 * 1024
    buffer = ctypes.create_string_buffer(size)
    lengths = (
        native.llama_token_to_piece(vocab, token, buffer, size, 0, True) for token in range(count)
    )
    return [ctypes.string_at(buffer, max(0, length)) for length in lengths]


def _tokenizer(
    vocab: Any, pieces: list[bytes], text: NDArray[np.bool_], ends: list[int]
) -> LLTokenizer:
    """Give llguidance the bytes of each token, and llama.cpp's own function to cut text.

    As its module `llguidance.llamacpp` does, but that one calls what llama-cpp-python has
    deprecated, takes 0.3 s longer for 128k tokens, and sees text in the unknown token.
    """
    marked = [
        piece if is_text else b"\xff" + piece  # the mark of a special token
        for piece, is_text in zip(pieces, text.tolist(), strict=True)
    ]
    cut = ctypes.cast(native._lib.llama_tokenize, ctypes.c_void_p).value
    return LLTokenizer.from_llamacpp(
        tokens=marked, vocab_ptr=vocab, tokenize_fptr=cut, eos_token=ends, slices=None
    )


def _packed(flags: NDArray[np.bool_]) -> Bits:
    """Return bool (n,) as bits, as llguidance fills them."""
    bits = np.zeros((flags.size + 31) // 32 * 32, np.bool_)
    bits[: flags.size] = flags
    return np.packbits(bits, bitorder="little").view(np.int32)
