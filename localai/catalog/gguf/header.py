"""What the header of a GGUF file says: metadata, tensors, and figures derived from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple

from localai.catalog.gguf.types import FILE_TYPES

Scalar = bool | int | float | str


@dataclass(frozen=True)
class SkippedArray:
    """A value that was skipped: the vocabulary, scores, merges, a text over 1 MB."""

    type: str  # element type, such as "string" or "float32"; "text" for a long text
    count: int  # elements (bytes of a long text)
    offset: int  # where the first element starts, in bytes from the start of the file


Value = Scalar | tuple[Scalar, ...] | SkippedArray


class TensorInfo(NamedTuple):
    """One tensor as the header describes it."""

    name: str
    shape: tuple[int, ...]  # fastest-running dimension first, as ggml counts
    type: str
    offset: int  # bytes from the start of the tensor data
    bytes: int


@dataclass(frozen=True)
class Header:
    """The header of one GGUF file; of a split model, after `check`, of all its parts.

    `None` stands for a figure that the file does not give.
    """

    path: Path
    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    alignment: int  # bytes; every tensor starts at a multiple
    data_offset: int  # where tensor data starts, in bytes from the start of the file
    file_bytes: int

    def number(self, key: str) -> int | None:
        """Return the whole number under `key`; None if it is absent or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, key: str) -> str:
        """Return the text under `key`; empty if it is absent or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def own(self, name: str) -> int | None:
        """Return the architecture's own whole number: `own("block_count")`."""
        return self.number(f"{self.architecture}.{name}")

    def own_value(self, name: str) -> Value | None:
        """Return the architecture's own value, whatever its type."""
        return self.metadata.get(f"{self.architecture}.{name}")

    def per_layer(self, name: str) -> tuple[int, ...]:
        """Return one whole number a layer: an array as it is, a single number repeated."""
        value = self.own_value(name)
        if isinstance(value, tuple):
            return tuple(int(each) for each in value if isinstance(each, int))
        single = self.own(name)
        return () if single is None else (single,) * min(self.block_count or 0, 4096)

    @property
    def architecture(self) -> str:
        """Such as "llama" or "qwen3moe"; empty if the file does not say."""
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        """The model's own name, or the file's without its ending."""
        return self.text("general.name") or self.path.stem

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def context_length(self) -> int | None:
        """Tokens the model was trained for."""
        return self.own("context_length")

    @property
    def block_count(self) -> int | None:
        """Layers."""
        return self.own("block_count")

    @property
    def embedding_length(self) -> int | None:
        """Elements of the state between two layers."""
        return self.own("embedding_length")

    @property
    def vocabulary(self) -> int | None:
        """Tokens in the vocabulary."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, SkippedArray):
            return tokens.count
        return self.own("vocab_size")

    @property
    def chat_template(self) -> str | None:
        """The Jinja text that turns messages into a prompt."""
        return self.text("tokenizer.chat_template") or None

    @property
    def quantisation(self) -> str:
        """The file type's name ("Q4_K_M"), else the type that holds most bytes."""
        named = FILE_TYPES.get(self.number("general.file_type") or 0, "")
        if named and "general.file_type" in self.metadata:
            return named
        held: Counter[str] = Counter()
        for tensor in self.tensors:
            held[tensor.type] += tensor.bytes
        return held.most_common(1)[0][0] if held else "none"

    @property
    def head_count(self) -> tuple[int, ...]:
        """Attention heads of each layer."""
        return self.per_layer("attention.head_count")

    @property
    def head_count_kv(self) -> tuple[int, ...]:
        """Key and value heads of each layer; 0 for a layer without attention."""
        return self.per_layer("attention.head_count_kv") or self.head_count

    @property
    def key_length(self) -> int:
        """Elements of one key head; 0 for a model without attention."""
        return self._head_length("key_length")

    @property
    def value_length(self) -> int:
        """Elements of one value head; 0 for a model without attention."""
        return self._head_length("value_length")

    @property
    def sliding_window(self) -> int | None:
        """Tokens that a layer with a window looks back."""
        return self.own("attention.sliding_window")

    @property
    def expert_count(self) -> int:
        """Experts of a layer; 0 for a dense model."""
        return self.own("expert_count") or 0

    @property
    def ssm(self) -> dict[str, int]:
        """Sizes of the recurrent state: conv_kernel, inner_size, state_size, group_count, ..."""
        start = f"{self.architecture}.ssm."
        return {
            key.removeprefix(start): number
            for key in self.metadata
            if key.startswith(start) and (number := self.number(key)) is not None
        }

    @property
    def split_count(self) -> int:
        """Files the model is split into; 1 for a whole model."""
        return max(self.number("split.count") or 1, 1)

    def kv_elements(self) -> tuple[int, ...]:
        """Return the elements of keys and values that each layer keeps for one token.

        Layers without attention keep none. A sliding window is not counted in: such a
        layer keeps this much for at most `sliding_window` tokens.
        """
        key, value = self.key_length, self.value_length
        # Latent attention (MLA) keeps the compressed key only; values are a view of it.
        value = 0 if self.own("attention.key_length_mla") else value
        interval = self.own("full_attention_interval") or 1
        kept = len(self.head_count_kv) - (self.own("attention.shared_kv_layers") or 0)
        return tuple(
            heads * (key + value) if (layer + 1) % interval == 0 and layer < kept else 0
            for layer, heads in enumerate(self.head_count_kv)
        )

    def kv_bytes_per_token(self, type_bytes: float = 2) -> int:
        """Return the cache bytes one token takes with elements of `type_bytes` (2 for F16)."""
        return int(sum(self.kv_elements()) * type_bytes)

    def tensor_bytes(self) -> dict[str, int]:
        """Return bytes by layer group.

        Keys are "token_embd", "output", "other", "blk.0" and so on, and "blk.0.experts" for
        what can stay off the device while the rest of the layer is on it.
        """
        groups: Counter[str] = Counter()
        for tensor in self.tensors:
            groups[_group(tensor.name)] += tensor.bytes
        return dict(groups)

    def _head_length(self, name: str) -> int:
        heads = next((count for count in self.head_count if count > 0), 0)
        if not heads:
            return 0
        given = self.own(f"attention.{name}")
        return (self.embedding_length or 0) // heads if given is None else given


def _group(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blk":
        layer = ".".join(parts[:2])
        return f"{layer}.experts" if "exps" in name else layer
    if parts[0] == "token_embd":
        return "token_embd"
    return "output" if parts[0].startswith("output") else "other"
