"""Damaged model files: over 200 structural kinds, and single flipped bits by seed.

`healthy(path)` writes a small random language model to damage; `variants(source, folder)` yields
the damaged ones, each of which `check` must refuse; `flips(source, count, seed)` yields copies
with one bit turned over, which may be harmless.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

WIDTH, LAYERS, HEADS, INNER = 64, 2, 4, 96


def byte_tokens() -> list[str]:
    """The 256 characters that stand for bytes in a GPT-2 vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain}
    table |= {byte: chr(256 + number) for number, byte in enumerate(other)}
    return [table[byte] for byte in range(256)]


def _gpt2(writer: gguf.GGUFWriter) -> int:
    tokens = [*byte_tokens(), "he", "ll", "hell", "<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 259 + [3] * 3)
    writer.add_token_merges(["h e", "l l", "he ll"])
    writer.add_bos_token_id(261)
    writer.add_eos_token_id(260)
    writer.add_add_bos_token(False)
    return len(tokens)


def _spm(writer: gguf.GGUFWriter) -> int:
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += ["\u2581", *"abcdefghijklmnopqrstuvwxyz", "he", "ll", "hell"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    return len(tokens)


def _weights(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    chance = np.random.default_rng(1)

    def put(name: str, *shape: int) -> None:
        values = chance.normal(0, 0.05, shape).astype(np.float32)
        writer.add_tensor(name, values if len(shape) == 1 else values.astype(np.float16))

    put("token_embd.weight", vocabulary, WIDTH)
    for layer in range(LAYERS):
        start = f"blk.{layer}."
        put(f"{start}attn_norm.weight", WIDTH)
        put(f"{start}attn_q.weight", WIDTH, WIDTH)
        put(f"{start}attn_k.weight", WIDTH // 2, WIDTH)
        put(f"{start}attn_v.weight", WIDTH // 2, WIDTH)
        put(f"{start}attn_output.weight", WIDTH, WIDTH)
        put(f"{start}ffn_norm.weight", WIDTH)
        put(f"{start}ffn_gate.weight", INNER, WIDTH)
        put(f"{start}ffn_up.weight", INNER, WIDTH)
        put(f"{start}ffn_down.weight", WIDTH, INNER)
    put("output_norm.weight", WIDTH)


def healthy(path: Path, tokenizer: str = "gpt2", **extra: int) -> Path:
    """Write a random llama of about 250 KB with grouped heads; return its path."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("healthy")
    writer.add_file_type(1)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    for key, value in extra.items():
        writer.add_uint32(key.replace("__", "."), value)
    _weights(writer, _gpt2(writer) if tokenizer == "gpt2" else _spm(writer))
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class Editor:
    """Finds places in a GGUF file and returns changed copies of its bytes."""

    def __init__(self, source: Path) -> None:
        self.data = source.read_bytes()
        reader = gguf.GGUFReader(source)
        self.data_start = int(reader.data_offset)
        self.keys = [key for key in reader.fields if not key.startswith("GGUF.")]
        self.tensors = [tensor.name for tensor in reader.tensors]

    def put(self, at: int, new: bytes) -> bytes:
        return self.data[:at] + new + self.data[at + len(new) :]

    def after_name(self, name: str) -> int:
        """Where a key's type, or a tensor's dimensions, begin."""
        raw = struct.pack("<Q", len(name.encode())) + name.encode()
        at = self.data.index(raw)
        return at + len(raw)

    def value(self, key: str, new: int) -> bytes:
        """Change a 32-bit value."""
        return self.put(self.after_name(key) + 4, struct.pack("<I", new))

    def real(self, key: str, new: float) -> bytes:
        return self.put(self.after_name(key) + 4, struct.pack("<f", new))

    def offset_at(self, name: str) -> int:
        """Where a tensor's offset stands."""
        at = self.after_name(name)
        dims = struct.unpack_from("<I", self.data, at)[0]
        return int(at + 4 + 8 * dims + 4)


Damage = tuple[str, bytes]


def _truncated(edit: Editor) -> Iterator[Damage]:
    for part in range(1, 60):
        length = edit.data_start * part // 60
        yield f"header cut at {length}", edit.data[:length]
    body = len(edit.data) - edit.data_start
    for part in range(40):
        length = edit.data_start + body * part // 40
        yield f"data cut at {length}", edit.data[:length]


def _not_models(edit: Editor) -> Iterator[Damage]:
    yield "empty", b""
    yield "html", b"<!DOCTYPE html><html><body>404 not found</body></html>"
    yield "text", "I am no model, I am a poem about lämps.\n".encode() * 20
    yield "json", b'{"error": "Repository not found"}'
    yield "lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    yield "zip", b"PK\x03\x04" + bytes(100)
    yield "pickle", b"\x80\x02}q\x00" + bytes(100)
    yield "safetensors", struct.pack("<Q", 40) + b'{"a":{"dtype":"F32","shape":[1]}}' + bytes(50)
    yield "zeros", bytes(4096)
    yield "noise", random.Random(1).randbytes(4096)
    yield "ggjt", b"tjgg" + bytes(100)
    yield "gzip", b"\x1f\x8b" + bytes(100)
    for byte in range(4):
        yield f"magic byte {byte}", edit.put(byte, b"?")
    for version in (0, 1, 4, 255, 0x0300_0000, 0x0200_0000, 0xFFFF_FFFF):
        yield f"version {version}", edit.put(4, struct.pack("<I", version))


def _counts(edit: Editor) -> Iterator[Damage]:
    tensors, keys = struct.unpack_from("<QQ", edit.data, 8)
    for new in (0, 1, tensors - 1, tensors + 1, tensors + 1000, 1 << 20, 1 << 40, (1 << 64) - 1):
        yield f"{new} tensors", edit.put(8, struct.pack("<Q", new))
    for new in (0, 1, keys - 1, keys + 1, keys + 1000, 1 << 20, 1 << 40, (1 << 64) - 1):
        yield f"{new} keys", edit.put(16, struct.pack("<Q", new))
    for new in (0, 1 << 16, 1 << 31, 1 << 63, (1 << 64) - 1):
        yield f"first key of {new} bytes", edit.put(24, struct.pack("<Q", new))
    at = edit.after_name("tokenizer.ggml.tokens")
    for new in (0, 5, 1 << 20, 1 << 30, 1 << 60, (1 << 64) - 1):
        yield f"{new} tokens", edit.put(at + 8, struct.pack("<Q", new))
    for new in (1 << 20, 1 << 40, 1 << 63, (1 << 64) - 1):
        yield f"first token of {new} bytes", edit.put(at + 16, struct.pack("<Q", new))
    for new in (9, 13, 99):
        yield f"tokens of type {new}", edit.put(at + 4, struct.pack("<I", new))


def _zeroed(edit: Editor) -> Iterator[Damage]:
    """A download that left a hole in the header."""
    types = edit.data.index(b"tokenizer.ggml.token_type")
    for part in range(16):
        at = 8 + (edit.data_start - 300) * part // 16
        # A token's type may be 0, so a hole in that list alone is no damage to see.
        if not types <= at <= types + 4 * 262:
            yield f"zeros at {at}", edit.put(at, bytes(256))
    for part in range(8):
        at = 8 + (edit.data_start - 600) * part // 8
        yield f"ones at {at}", edit.put(at, b"\xff" * 512)


def _values(edit: Editor) -> Iterator[Damage]:
    absurd = (0, 0x7FFF_FFFF, 0xFFFF_FFFF)
    names = "block_count context_length embedding_length attention.head_count"
    for name in [*names.split(), "attention.head_count_kv"]:
        for new in absurd:
            yield f"{name} = {new}", edit.value(f"llama.{name}", new)
    yield "one layer more", edit.value("llama.block_count", LAYERS + 1)
    yield "one layer less", edit.value("llama.block_count", LAYERS - 1)
    yield "wide rope", edit.value("llama.rope.dimension_count", WIDTH)
    yield "odd rope", edit.value("llama.rope.dimension_count", 7)
    for new in (float("nan"), float("inf"), -1.0, 1e30):
        yield f"eps {new}", edit.real("llama.attention.layer_norm_rms_epsilon", new)
    for new in (float("nan"), float("inf"), -1.0):
        yield f"base {new}", edit.real("llama.rope.freq_base", new)
    for key in edit.keys:
        yield f"type of {key}", edit.put(edit.after_name(key), struct.pack("<I", 77))
    yield "key twice", edit.data.replace(b"llama.context_length", b"llama.embedding_length"[:20])


def _missing(edit: Editor) -> Iterator[Damage]:
    """A key under another name is a key that is not there."""
    for key in ("general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.tokens"):
        yield f"no {key}", edit.data.replace(key.encode(), b"x" * len(key))
    for name in ("block_count", "context_length", "embedding_length", "attention.head_count"):
        key = f"llama.{name}".encode()
        marked = struct.pack("<Q", len(key)) + key
        yield f"no {name}", edit.data.replace(marked, marked[:-1] + b"?")


def _tensors(edit: Editor) -> Iterator[Damage]:
    for name in edit.tensors[:8]:
        at, offset = edit.after_name(name), edit.offset_at(name)
        for dims in (5, 1 << 31):
            yield f"{name}: {dims} dimensions", edit.put(at, struct.pack("<I", dims))
        for size in (0, 63, 1 << 31, 1 << 62, 1 << 63):
            yield f"{name}: {size} wide", edit.put(at + 4, struct.pack("<Q", size))
        for kind in (4, 12, 27, 31, 200):
            yield f"{name}: type {kind}", edit.put(offset - 4, struct.pack("<I", kind))
        for place in (1, 1 << 20, 1 << 40, 1 << 63):
            yield f"{name}: at {place}", edit.put(offset, struct.pack("<Q", place))
    first, second = (edit.offset_at(name) for name in edit.tensors[1:3])
    swapped = bytearray(edit.data)
    swapped[first : first + 8] = edit.data[second : second + 8]
    swapped[second : second + 8] = edit.data[first : first + 8]
    yield "swapped offsets", bytes(swapped)
    yield "tensor twice", edit.data.replace(b"blk.1.attn_q.weight", b"blk.1.attn_k.weight")
    yield "renamed layer", edit.data.replace(b"blk.1.", b"blk.7.")
    short = struct.pack("<Q", 2)
    yield "token twice", edit.data.replace(short + b"ll", short + b"he", 1)


KINDS: tuple[Callable[[Editor], Iterator[Damage]], ...] = (
    _truncated,
    _not_models,
    _counts,
    _zeroed,
    _values,
    _missing,
    _tensors,
)


def variants(source: Path) -> list[Damage]:
    """Return all structural damages of a healthy file as (what was done, the bytes)."""
    edit = Editor(source)
    return [damage for kind in KINDS for damage in kind(edit)]


def flips(source: Path, count: int, seed: int, header_share: float = 0.7) -> Iterator[Damage]:
    """Yield `count` copies with one bit turned over, most of them in the header."""
    data, chance = source.read_bytes(), random.Random(seed)
    start = Editor(source).data_start
    for _ in range(count):
        inside = chance.random() < header_share
        at = chance.randrange(start) if inside else chance.randrange(start, len(data))
        bit = chance.randrange(8)
        yield f"bit {bit} of byte {at}", data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with a few random edits: overwritten, removed and repeated stretches."""
    result: Any = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at, length = chance.randrange(len(result)), chance.randrange(1, 40)
        kind = chance.randrange(3)
        if kind == 0:
            result[at : at + length] = chance.randbytes(length)
        elif kind == 1:
            del result[at : at + length]
        else:
            result[at:at] = result[max(0, at - length) : at]
        result = result or bytearray(b"G")
    return bytes(result)
