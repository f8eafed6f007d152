"""How many bytes of weights, cache and computing a model takes, from its header alone.

    sizes = Sizes.of(header)      weights of each layer, of the output layer, of the rest
    sizes.costs(Load(4096))       cache and computing of a context

What llama.cpp allocates (as in llama-cpp-python 0.3.36), found by reading it and by comparing
with its log: `python -m tests.bench.memory_rule` prints the comparison. All sizes are bytes.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from localai.catalog.gguf.header import Header
from localai.catalog.placement.layers import Layer, layers

CELLS: Final = 256  # tokens; llama.cpp rounds a context up to a multiple (llama-context.cpp)
FLOAT: Final = 4  # bytes of a float32: activations, logits, recurrent states
MASK: Final = 2  # bytes of an entry of the attention mask, float16 with flash attention
# Bytes of one element of the cache. q8_0 holds 32 numbers in 34 bytes.
CACHE_TYPES: Final = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32}
_BLOCK: Final = 32  # elements; q8_0 needs heads of a multiple (llama_init_from_model)

# Types whose matrices are rewritten in an order that suits the processor, into memory of their
# own (ggml-cpu/repack.cpp; Q2_K only with AVX-512). The original stays in the file's map, which
# the system may drop; so only what is used in both forms counts twice: tied embeddings.
_REPACKED_EVERYWHERE: Final = frozenset(("Q4_0", "Q4_K", "Q2_K", "IQ4_NL", "MXFP4"))
_REPACKED_ON_ARM: Final = frozenset(("Q5_K", "Q6_K", "Q8_0", "Q1_0"))
REPACKED: Final = _REPACKED_EVERYWHERE | (
    _REPACKED_ON_ARM if platform.machine().lower() in ("aarch64", "arm64") else frozenset()
)

# Rows of one batch that live at the same time in the worst moment of a layer, as ggml-alloc lays
# them out: found by comparing with the log for dense, mixture, latent and recurrent layers.
_FORWARD_ROWS: Final = 3  # of the feed-forward width: gate, up, and their product
_WIDTH_ROWS: Final = 4  # of the embedding's width beside them
_EXPERT_ROWS: Final = 2  # of the width for each chosen expert: its answer, and that weighted
_EXPERT_WIDTH_ROWS: Final = 3  # of the width beside them
_RECURRENT_ROWS: Final = 7  # of the inner width of a recurrent layer
_DELTA_STATES: Final = 2  # copies of a layer's states in a gated delta net; 1 in Mamba


@dataclass(frozen=True)
class ContextShape:
    """What a context is made with, as far as memory is concerned."""

    context: int  # tokens kept in memory, all sequences together
    cache_type: str = "f16"
    sequences: int = 32
    batch: int = 512  # tokens evaluated in one step, at most
    full_windows: bool = True  # layers with a window keep everything (swa_full of llama.cpp)

    @property
    def cells(self) -> int:
        """The context as llama.cpp rounds it, in tokens."""
        return _padded(self.context)


class Costs(NamedTuple):
    """What a context takes, in bytes."""

    cache: tuple[int, ...]  # keys, values and states of each layer
    compute: int  # on a device that computes layers or the output layer
    inputs: int  # on the CPU, for a GPU that computes everything
    logits: int  # on the CPU, where results are handed out


@dataclass(frozen=True)
class ModelMemory:
    """What a model takes; made by `Sizes.of`."""

    header: Header
    input: int  # weights that always lie with the CPU: token embeddings and single tensors
    blocks: tuple[int, ...]  # weights of each layer, its experts included
    output: int  # weights of the output layer that are its own
    tied: int  # token embeddings that are the output layer too; 0 if it has its own
    tied_type: str
    matrices: tuple[int, ...]  # the largest tensor of each layer

    @classmethod
    def of(cls, header: Header) -> ModelMemory:
        """Return the sizes of a model; of a split one, `header` is that of all parts."""
        groups = header.tensor_bytes()
        count = header.block_count or 0
        names = [f"blk.{at}" for at in range(count)]
        blocks = [groups.pop(name, 0) + groups.pop(f"{name}.experts", 0) for name in names]
        embedding = next((t for t in header.tensors if t.name == "token_embd.weight"), None)
        own = any(tensor.name == "output.weight" for tensor in header.tensors)
        output = groups.pop("output", 0)
        largest = dict.fromkeys(names, 0)
        for tensor in header.tensors:
            name = ".".join(tensor.name.split(".", 2)[:2])
            largest[name] = max(largest.get(name, 0), tensor.bytes)
        return cls(
            header=header,
            input=sum(groups.values()),
            blocks=tuple(blocks),
            output=output,
            tied=0 if own or embedding is None else embedding.bytes,
            tied_type="" if embedding is None else embedding.type,
            matrices=tuple(largest[name] for name in names),
        )

    def scaled(self, factor: float) -> ModelMemory:
        """Return the sizes of the same model in another quantisation."""
        return replace(
            self,
            input=int(self.input * factor),
            blocks=tuple(int(each * factor) for each in self.blocks),
            output=int(self.output * factor),
            tied=int(self.tied * factor),
            matrices=tuple(int(each * factor) for each in self.matrices),
        )

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """What each layer keeps of the past."""
        return layers(self.header)

    @property
    def output_on_cpu(self) -> int:
        """Weights of the output layer where it lies with the CPU."""
        return self.output + (self.tied if self.tied_type in REPACKED else 0)

    @property
    def output_on_gpu(self) -> int:
        """Weights of the output layer on a GPU; tied embeddings are copied there."""
        return self.output + self.tied

    @property
    def quantises_cache(self) -> bool:
        """Whether keys and values can be kept as q8_0."""
        header = self.header
        if not any(layer.key for layer in self.layers):
            return False
        names = ("attention.key_length_swa", "attention.value_length_swa")
        lengths = (header.key_length, header.value_length, *(header.own(n) or 0 for n in names))
        return all(length % _BLOCK == 0 for length in lengths)

    def costs(self, load: ContextShape) -> Costs:
        """Return what a context takes; a search asks for the same one many times."""
        if load not in self._known:
            self._known[load] = Costs(
                self.cache(load), self.compute(load), self.inputs(load), self.logits(load)
            )
        return self._known[load]

    @cached_property
    def _known(self) -> dict[ContextShape, Costs]:
        return {}

    def cache(self, load: ContextShape) -> tuple[int, ...]:
        """Return the bytes of keys, values and states that each layer keeps."""
        width = CACHE_TYPES[load.cache_type]
        return tuple(
            int((layer.key + layer.value) * width) * _kept(layer, load)
            + layer.state * FLOAT * load.sequences
            for layer in self.layers
        )

    def mask(self, load: ContextShape) -> int:
        """Return the bytes of the masks that say which token sees which."""
        attending = [layer for layer in self.layers if layer.key]
        kinds = {bool(layer.window): _kept(layer, load) for layer in attending}
        return sum(kinds.values()) * load.batch * MASK

    def layer(self, load: ContextShape) -> int:
        """Return the bytes that computing the most demanding layer takes, without masks."""
        rows = max(self._forward(), self._attention()) * load.batch
        return max(rows, self._recurrence(load)) * FLOAT

    def logits(self, load: ContextShape) -> int:
        """Return the bytes of one row of logits for each sequence."""
        return (self.header.vocabulary or 0) * min(load.sequences, load.batch) * FLOAT

    def head(self, load: ContextShape) -> int:
        """Return the bytes that computing the output layer takes."""
        rows = load.batch + 2 * min(load.sequences, load.batch)
        return self.logits(load) + rows * self._width * FLOAT

    def inputs(self, load: ContextShape) -> int:
        """Return the bytes of what the CPU prepares for a GPU: embeddings and masks."""
        return self._width * load.batch * FLOAT + self.mask(load)

    def compute(self, load: ContextShape) -> int:
        """Return the bytes that a device needs to compute layers and the output layer."""
        return max(self.mask(load) + self.layer(load), self.head(load))

    @property
    def _width(self) -> int:
        return self.header.embedding_length or 0

    def _forward(self) -> int:
        header, width = self.header, self._width
        inner = max(header.per_layer("feed_forward_length"), default=0)
        used = max(header.per_layer("expert_used_count"), default=0)
        chosen = used * (max(header.per_layer("expert_feed_forward_length"), default=0) or inner)
        plain = _FORWARD_ROWS * max(inner, chosen) + _WIDTH_ROWS * width
        mixed = _EXPERT_ROWS * used * width + chosen + _EXPERT_WIDTH_ROWS * width
        return max(plain, mixed if used else 0)

    def _attention(self) -> int:
        header, width = self.header, self._width
        heads = max(header.head_count, default=0)
        if header.own("attention.key_length_mla"):
            # Queries are multiplied into the compressed space, for every head.
            return 2 * heads * header.key_length + heads * header.value_length
        keys = max((layer.key for layer in self.layers), default=0)
        values = max((layer.value for layer in self.layers), default=0)
        return width + 2 * heads * header.key_length + 2 * keys + values

    def _recurrence(self, load: ContextShape) -> int:
        """Return the numbers that a recurrent layer computes with, its states included."""
        state = max((layer.state for layer in self.layers), default=0)
        if not state:
            return 0
        inner = max(self.header.ssm.get("inner_size", 0), self._width)
        copies = _DELTA_STATES if self._is_delta() else 1
        return _RECURRENT_ROWS * inner * load.batch + copies * state * load.sequences

    def _is_delta(self) -> bool:
        """Whether recurrent layers are gated delta nets, which stand among attention layers."""
        kimi = self.header.own("kda.head_dim")
        return bool(kimi) or self.header.architecture.startswith(("qwen3", "qwen4"))


def _padded(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS


def _kept(layer: Layer, load: ContextShape) -> int:
    """Return how many tokens a layer has room for."""
    if not layer.window or load.full_windows:
        return load.cells
    return min(load.cells, _padded(layer.window * load.sequences + load.batch))
