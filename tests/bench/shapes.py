"""Writes the model files that benchmarks run on: random weights in real shapes.

    python -m tests.bench.shapes 135m 1b              # -> two paths, one a line
    python -m tests.bench.shapes 135m --type f16 --seed 3

A shape has the sizes of a well-known model, the real vocabulary of Llama 3 (128,256 tokens,
out of llama.cpp's `models/`) and its control tokens in the chat template, so that
tokenizer, sampler and matrix products cost what they cost in life. The weights are random,
but scaled so that greedy answers wander through ordinary words and do not repeat: see
`_tensors`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from tests.bench.weights import TYPES, Matrix, draw, row_bytes
from tests.support.sources import llama_source

# Read once, at import: a test that gives itself a home of its own finds what was written before.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "localai-bench"
CONTEXT = 8192
EPSILON = 1e-5

TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{%- if message['content'] is string %}{{- message['content'] | trim }}"
    "{%- else %}"
    "{%- for part in message['content'] %}"
    "{%- if part['type'] == 'text' %}{{- part['text'] }}{%- endif %}"
    "{%- endfor %}"
    "{%- endif %}"
    "{{- '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    "{%- endif %}"
)


@dataclass(frozen=True)
class Shape:
    """The sizes of a model of the llama architecture; embeddings are tied."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    forward: int  # of one expert, where there are any
    experts: int = 0
    experts_used: int = 0

    @property
    def head_width(self) -> int:
        """Return the width of one attention head."""
        return self.width // self.heads


SHAPES = {
    # SmolLM2-135M and Llama-3.2-1B.
    "135m": Shape(layers=30, width=576, heads=9, kv_heads=3, forward=1536),
    "1b": Shape(layers=16, width=2048, heads=32, kv_heads=8, forward=8192),
    # A small mixture of experts, cut as Mixtral is: 32 experts, 4 of them a token.
    "moe": Shape(12, width=512, heads=8, kv_heads=2, forward=512, experts=32, experts_used=4),
    # For tests: next to no layers under the whole vocabulary.
    "small": Shape(layers=2, width=128, heads=4, kv_heads=2, forward=256),
}


def shape_file(name: str, kind: str = "q8_0", seed: int = 1) -> Path:
    """Return the GGUF file of a shape; it is written once and kept in the cache folder."""
    path = _CACHE / f"shape-{name}-{kind}-seed{seed}-v{VERSION}.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.part")
        try:
            _write(temporary, SHAPES[name], TYPES[kind], seed, f"shape {name}")
            temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


# Raised when the weights change, so that no old file is taken for a new one.
VERSION = 1


def _tensors(shape: Shape, vocabulary: int) -> Iterator[tuple[str, Matrix]]:
    """Yield every matrix with its scale.

    In a random network tied embeddings would answer each token with itself for ever. Three
    things prevent that: the final norm turns the sign of half of the channels; the first
    attention adds more than the embedding holds; and the heads of a group share their keys'
    weights (see `_share_keys`), so that a token looks at itself and, less, at all that was said
    before: the answer depends on the whole prompt. The other layers add little, or the
    rounding of different batch sizes would grow from layer to layer.
    """
    kv = shape.kv_heads * shape.head_width
    unit = shape.width**-0.5
    share = LAYERS / (2 * shape.layers) ** 0.5
    yield "token_embd", Matrix(vocabulary, shape.width, 1.0)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        mixed = 1.5 * share if layer else FIRST
        yield block + "attn_q", Matrix(shape.width, shape.width, SHARPNESS * unit)
        yield block + "attn_k", Matrix(kv, shape.width, unit)
        yield block + "attn_v", Matrix(kv, shape.width, unit)
        yield block + "attn_output", Matrix(shape.width, shape.width, mixed * unit)
        # silu(x) * y of two unit normal numbers has a deviation of about 0.6.
        down = share / 0.6 * shape.forward**-0.5
        yield from _forward(shape, block, unit, down)


def _forward(shape: Shape, block: str, unit: float, down: float) -> Iterator[tuple[str, Matrix]]:
    """Yield the matrices of a layer's feed-forward part, or of its router and experts."""
    count, ending = (shape.experts, "_exps") if shape.experts else (1, "")
    if shape.experts:
        yield block + "ffn_gate_inp", Matrix(shape.experts, shape.width, unit)
    inner, outer = count * shape.forward, count * shape.width
    yield f"{block}ffn_gate{ending}", Matrix(inner, shape.width, unit, count)
    yield f"{block}ffn_up{ending}", Matrix(inner, shape.width, unit, count)
    yield f"{block}ffn_down{ending}", Matrix(outer, shape.forward, down, count)


# What the first attention adds, in parts of the embedding; what all other layers add.
FIRST = 2.0
LAYERS = 0.4
# A token looks at itself with a score of SHARPNESS times the root of the head's width.
SHARPNESS = 0.5
# The deviation of the logits of ordinary words; the best two then lie 0.6 apart.
LOGITS = 3.0
# Other tokens (pieces of words, other scripts, control tokens) speak this much softer.
SOFT = 0.5


def _write(path: Path, shape: Shape, kind: gguf.GGMLQuantizationType, seed: int, name: str) -> None:
    vocabulary = gguf.GGUFReader(llama_source() / "models" / "ggml-vocab-llama-bpe.gguf")
    tokens: list[str] = vocabulary.fields["tokenizer.ggml.tokens"].contents()
    writer = gguf.GGUFWriter(path, "llama")
    _describe(writer, shape, kind, name)
    _copy_vocabulary(writer, vocabulary, tokens)
    tensors = [(f"{key}.weight", tensor) for key, tensor in _tensors(shape, len(tokens))]
    for key, tensor in tensors:
        size = tensor.rows * row_bytes(tensor.columns, kind)
        writer.add_tensor_info(key, tensor.shape, np.dtype(np.float32), size, kind)
    norms = _norms(shape, np.random.default_rng([seed, 0]))
    for key, values in norms:
        writer.add_tensor_info(key, values.shape, values.dtype, values.nbytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    loudness = _loudness(tokens)
    for number, (key, tensor) in enumerate(tensors, start=1):
        # Queries are drawn like the keys that follow them; see `_tensors`.
        query = key.endswith("attn_q.weight")
        random = np.random.default_rng([seed, number + query])
        rows = loudness if key.startswith("token_embd") else None
        drawn = draw(tensor, kind, random, rows)
        writer.write_tensor_data(_share_keys(drawn, shape) if query else drawn)
    for _, values in norms:
        writer.write_tensor_data(values)
    writer.close()


def _describe(
    writer: gguf.GGUFWriter, shape: Shape, kind: gguf.GGMLQuantizationType, name: str
) -> None:
    writer.add_name(name)
    writer.add_block_count(shape.layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.forward)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(500_000.0)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.name}"])


def _copy_vocabulary(
    writer: gguf.GGUFWriter, vocabulary: gguf.GGUFReader, tokens: list[str]
) -> None:
    fields = vocabulary.fields
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(fields["tokenizer.ggml.model"].contents())
    writer.add_tokenizer_pre(fields["tokenizer.ggml.pre"].contents())
    writer.add_token_list(tokens)
    writer.add_token_types(fields["tokenizer.ggml.token_type"].contents())
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(tokens.index("<|begin_of_text|>"))
    writer.add_eos_token_id(tokens.index("<|eot_id|>"))
    writer.add_add_bos_token(True)
    writer.add_chat_template(TEMPLATE)


def _loudness(tokens: list[str]) -> NDArray[np.float32]:
    """Return one factor a token, float32 (tokens,): 1 for a plain English word, else `SOFT`."""
    plain = [_is_word(token) for token in tokens]
    return np.where(plain, 1.0, SOFT).astype(np.float32)


def _is_word(token: str) -> bool:
    # In the byte alphabet of this vocabulary, "\u0120" is a space.
    word = token.removeprefix("\u0120")
    return word != token and len(word) > 2 and word.isascii() and word.isalpha()


def _norms(shape: Shape, random: np.random.Generator) -> list[tuple[str, NDArray[np.float32]]]:
    """Return the norms' weights, float32 (width,): ones, but the last has signs and a scale."""
    ones = np.ones(shape.width, dtype=np.float32)
    found = []
    for layer in range(shape.layers):
        found += [(f"blk.{layer}.{key}_norm.weight", ones) for key in ("attn", "ffn")]
    signs = np.where(np.arange(shape.width) % 2, 1.0, -1.0)
    random.shuffle(signs)
    scale = LOGITS * shape.width**-0.5
    return [*found, ("output_norm.weight", (signs * scale).astype(np.float32))]


def _share_keys(query: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Return query rows such that all heads of a group have the first one's, the key's."""
    groups = query.reshape(shape.heads, shape.head_width, -1)[: shape.kv_heads]
    return np.repeat(groups, shape.heads // shape.kv_heads, axis=0).reshape(query.shape)


def main() -> None:
    """Write the shapes that are asked for and print their paths."""
    parser = argparse.ArgumentParser(description="Write random-weight models in real shapes.")
    parser.add_argument("names", nargs="+", choices=sorted(SHAPES))
    parser.add_argument("--type", default="q8_0", choices=sorted(TYPES))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in options.names:
        sys.stdout.write(f"{shape_file(name, options.type, options.seed)}\n")


if __name__ == "__main__":
    main()
