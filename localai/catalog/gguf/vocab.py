"""Checks of a model's tokenizer: what makes llama.cpp abort instead of refusing.

Source: `llama_vocab::impl::load` and the tokenizer sessions in llama.cpp's `llama-vocab.cpp`.
"""

from __future__ import annotations

from typing import Final

from localai.catalog.gguf.cursor import Cursor, bad, opened
from localai.catalog.gguf.header import Header, SkippedArray
from localai.catalog.gguf.reader import MAX_STRINGS


def _spelling(byte: int) -> bytes:
    return b"<0x%02X>" % byte


# These vocabularies spell unknown characters as <0x00> to <0xFF>, else as the byte itself, and
# throw where there is neither.
_SPELLS_BYTES: Final = ("llama", "plamo2")
BYTE_TOKENS: Final = frozenset(
    token for byte in range(256) for token in (_spelling(byte), bytes((byte,)))
)

# The id llama.cpp takes for the beginning of a text if the file gives none.
_DEFAULT_BOS: Final = {
    "llama": 1,
    "bert": 101,
    "gpt2": 11,
    "hybriddna": 11,
    "whitespace": 11,
    "plamo2": 1,
}
_DEFAULT_EOS: Final = {
    "llama": 2,
    "gpt2": 11,
    "hybriddna": 11,
    "whitespace": 11,
    "plamo2": 2,
    "t5": 1,
}
_WITHOUT_TOKENS: Final = ("no_vocab", "none")


def _array(header: Header, name: str, types: tuple[str, ...]) -> SkippedArray | None:
    """Return one of the tokenizer's arrays; None if it is absent."""
    key = f"tokenizer.ggml.{name}"
    if key not in header.metadata:
        return None
    value = header.metadata[key]
    if not isinstance(value, SkippedArray) or value.type not in types:
        raise bad(header.path, f"{key} is not an array of {types[0]}, so the header is damaged")
    return value


def _unique(header: Header, tokens: SkippedArray) -> set[bytes]:
    """Return the tokens that stand for single bytes; refuse a token that occurs twice.

    llama.cpp asserts that tokens differ. Only their 64-bit hashes are kept: 128,000 tokens
    take 12 MB for a moment. Empty tokens may repeat: llama.cpp numbers them.
    """
    spelled: set[bytes] = set()
    hashes: set[int] = set()
    count = 0
    with opened(header.path) as (file, size):
        cursor = Cursor(file, header.path, size, start=tokens.offset)
        for batch in cursor.strings(tokens.count):
            hashes.update(map(hash, batch))
            count += len(batch) - batch.count(b"")
            spelled |= BYTE_TOKENS.intersection(batch)
    hashes.discard(hash(b""))
    if len(hashes) < count:
        raise bad(header.path, "the vocabulary holds the same token twice, so the file is damaged")
    return spelled


def _check_bytes(header: Header, spelled: set[bytes]) -> None:
    """Refuse a vocabulary that spells most bytes but not all: the rest would end the process."""
    if header.text("tokenizer.ggml.model") not in _SPELLS_BYTES:
        return
    missing = [byte for byte in range(256) if not spelled & {_spelling(byte), bytes((byte,))}]
    # Without any, it was made so, and llama.cpp knows only what the vocabulary spells out; but
    # such a vocabulary has scores: without them it belongs to another tokenizer.
    made_so = spelled.isdisjoint(map(_spelling, range(256)))
    if missing and not (made_so and "tokenizer.ggml.scores" in header.metadata):
        name = _spelling(missing[0]).decode()
        raise bad(header.path, f"the vocabulary has no token {name}, so the file is damaged")


def _check_added(header: Header, count: int, flag: str, key: str, defaults: dict[str, int]) -> None:
    """Refuse `add_bos_token` and `add_eos_token` without such a token; llama.cpp asserts it."""
    if header.metadata.get(f"tokenizer.ggml.{flag}") is not True:
        return
    given = header.number(f"tokenizer.ggml.{key}")
    default = defaults.get(header.text("tokenizer.ggml.model"), count)
    if (given is None or not 0 <= given < count) and default >= count:
        raise bad(header.path, f"tokenizer.ggml.{flag} is set, but {key} names no token")


def _check_lists(header: Header, count: int) -> None:
    for name, types in (("scores", ("float32", "int32")), ("token_type", ("int32",))):
        found = _array(header, name, types)
        if found and found.count < count:
            reason = f"the vocabulary has {count} tokens, but {found.count} entries in {name}"
            raise bad(header.path, f"{reason}, so the header is damaged")
    _array(header, "merges", ("string",))


def _check_none(header: Header) -> None:
    """Bound the dummy tokens that llama.cpp makes for a model without a tokenizer."""
    if (header.own("vocab_size") or 0) > MAX_STRINGS:
        raise bad(header.path, f"vocab_size is {header.own('vocab_size')}, which is absurd")


def check_vocabulary(header: Header) -> None:
    """Refuse a tokenizer that llama.cpp would abort on, at load or at its first text.

    Raises
    ------
    BadModel
        No tokenizer, no tokens, lists of the wrong type or too short, a token twice, byte
        tokens missing, a begin or end token to be added that does not exist.
    """
    model = header.text("tokenizer.ggml.model")
    if not model:
        raise bad(header.path, "there is no tokenizer in the file", "name a language model")
    if model in _WITHOUT_TOKENS:
        _check_none(header)
        return
    tokens = _array(header, "tokens", ("string",))
    if tokens is None or tokens.count == 0:
        raise bad(header.path, "there is no vocabulary in the file, so it is damaged")
    _check_lists(header, tokens.count)
    _check_added(header, tokens.count, "add_bos_token", "bos_token_id", _DEFAULT_BOS)
    _check_added(header, tokens.count, "add_eos_token", "eos_token_id", _DEFAULT_EOS)
    _check_bytes(header, _unique(header, tokens))
