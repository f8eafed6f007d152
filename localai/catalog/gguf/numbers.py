"""Checks of a model's hyperparameters: numbers that make llama.cpp abort, divide by zero or lie.

What holds for every architecture is asserted in llama.cpp's `llama_model_base::load_hparams`.
Relations between numbers and tensors are checked only for architectures known to be plain
decoders; others (recurrent, encoders, looped, shared layers) bend them in healthy files.
"""

from __future__ import annotations

from math import isfinite
from typing import Final

from localai.catalog.gguf.cursor import bad
from localai.catalog.gguf.header import Header
from localai.errors import BadModel

MAX_LAYERS: Final = 512  # LLAMA_MAX_LAYERS
MAX_EXPERTS: Final = 1024  # LLAMA_MAX_EXPERTS
MAX_CONTEXT: Final = 1 << 28  # tokens
MAX_WIDTH: Final = 1 << 20  # elements of an embedding, a head, a state

PLAIN: Final = frozenset((
    "arcee", "exaone", "gemma", "gemma2", "gemma3", "granite", "granitemoe", "internlm2",
    "llama", "mistral3", "olmo2", "phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe",
    "seed_oss", "smollm3", "stablelm", "starcoder2",
))  # fmt: skip
ROPE_SCALINGS: Final = ("none", "linear", "yarn", "longrope")
POOLINGS: Final = (0, 1, 2, 3, 4, 0xFFFF_FFFF)
GATINGS: Final = range(5)  # a gate the engine does not know ends the process

# (name, smallest, largest) of numbers that are checked where they are present.
_RANGES: Final = (
    ("embedding_length_out", 0, MAX_WIDTH),
    ("attention.key_length", 0, MAX_WIDTH),
    ("attention.value_length", 0, MAX_WIDTH),
    ("rope.dimension_count", 0, MAX_WIDTH),
    ("wkv.head_size", 1, MAX_WIDTH),
    ("ssm.conv_kernel", 1, MAX_WIDTH),
    ("ssm.inner_size", 1, 1 << 24),
    ("ssm.state_size", 1, MAX_WIDTH),
    ("ssm.time_step_rank", 1, MAX_WIDTH),
    ("ssm.group_count", 0, MAX_WIDTH),
    ("shortconv.l_cache", 2, MAX_WIDTH),
    ("full_attention_interval", 1, MAX_LAYERS),
    ("attention.indexer.block_size", 1, MAX_CONTEXT),
    ("attention.sliding_window", 0, 1 << 30),  # near 2^31, sizes in llama.cpp overflow
)
_LAYER_LISTS: Final = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
_EPSILONS: Final = ("layer_norm_epsilon", "layer_norm_rms_epsilon", "group_norm_epsilon")
_FINITE: Final = (
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scaling.factor",
    "rope.scaling.attn_factor",
    "rope.scale_linear",
    "rope.scaling.alpha",
    "attention.max_alibi_bias",
    "attention.clamp_kqv",
    "attention.scale",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
    "expert_weights_scale",
)


def _absurd(header: Header, name: str, value: object, why: str = "which is absurd") -> BadModel:
    key = f"{header.architecture}.{name}"
    return bad(header.path, f"{key} is {value}, {why}, so the header is damaged")


def _check_sizes(header: Header) -> None:
    needed = (
        ("block_count", 1, MAX_LAYERS),
        ("context_length", 1, MAX_CONTEXT),
        ("embedding_length", 1, MAX_WIDTH),
    )
    for name, smallest, largest in needed:
        value = header.own(name)
        if value is None:
            raise bad(header.path, f"{header.architecture}.{name} is missing from the header")
        if not smallest <= value <= largest:
            raise _absurd(header, name, value)
    for name, smallest, largest in _RANGES:
        value = header.own(name)
        if value is not None and not smallest <= value <= largest:
            raise _absurd(header, name, value)


def _check_lists(header: Header) -> None:
    """Refuse numbers that are given one a layer, but not for each layer, or out of range."""
    layers = header.block_count
    for name in _LAYER_LISTS:
        value = header.own_value(name)
        if isinstance(value, tuple) and len(value) != layers:
            raise _absurd(header, name, f"a list of {len(value)}", f"for {layers} layers")
        if any(not 0 <= each <= 1 << 24 for each in header.per_layer(name)):
            raise _absurd(header, name, value)
    if any(count > 1 << 14 for count in header.head_count + header.head_count_kv):
        raise _absurd(header, "attention.head_count", max(header.head_count))


def _check_counts(header: Header) -> None:
    layers = header.block_count or 0
    for name in ("nextn_predict_layers", "n_deepstack_layers"):
        value = header.own(name) or 0
        if not 0 <= value <= layers:
            raise _absurd(header, name, value, f"more than the {layers} layers")
    for name, known in (("pooling_type", POOLINGS), ("expert_gating_func", GATINGS)):
        found = header.own(name)
        if found is not None and found not in known:
            raise _absurd(header, name, found, "which is not known")
    scaling = header.own_value("rope.scaling.type")
    if isinstance(scaling, str) and scaling not in ROPE_SCALINGS:
        raise _absurd(header, "rope.scaling.type", ascii(scaling[:40]), "which is not known")


def _check_floats(header: Header) -> None:
    for name in _FINITE:
        value = header.own_value(name)
        if isinstance(value, float) and not isfinite(value):
            raise _absurd(header, name, value)
    for name in _EPSILONS:
        value = header.own_value(f"attention.{name}")
        if isinstance(value, float) and not 0 <= value <= 1:
            raise _absurd(header, f"attention.{name}", value)
    base = header.own_value("rope.freq_base")
    if isinstance(base, float) and base < 0:
        raise _absurd(header, "rope.freq_base", base)


def _check_experts(header: Header) -> None:
    """Refuse what `load_hparams` asserts about experts."""
    if header.architecture.startswith("hunyuan"):
        return  # a count of 1 means none there, whatever the other keys say
    count = header.expert_count
    used = max(header.per_layer("expert_used_count"), default=0)
    groups = header.own("expert_group_count") or 0
    group_used = header.own("expert_group_used_count") or 0
    if not 0 <= count <= MAX_EXPERTS:
        raise _absurd(header, "expert_count", count)
    if not (0 < used <= count if count else used == 0):
        raise _absurd(header, "expert_used_count", used, f"for {count} experts")
    if not (0 <= groups < count if count else groups == 0):
        raise _absurd(header, "expert_group_count", groups, f"for {count} experts")
    if groups > 1 and (count % groups or not 0 < group_used < groups):
        raise _absurd(header, "expert_group_used_count", group_used, f"for {groups} groups")


def _check_layers_present(header: Header) -> None:
    names = (tensor.name.split(".", 2) for tensor in header.tensors)
    found = {int(parts[1]) for parts in names if parts[0] == "blk" and parts[1].isdecimal()}
    layers = header.block_count or 0
    absent = sorted(set(range(layers)) ^ found)
    if absent:
        reason = f"block_count is {layers}, which does not fit the tensors of layer {absent[0]}"
        raise bad(header.path, f"{reason}, so the file is damaged")


def _check_shapes(header: Header) -> None:
    """Refuse an embedding or a norm whose shape is not the one that the numbers give."""
    width = header.embedding_length or 0
    wanted: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (width, header.vocabulary or 0),
        "output_norm.weight": (width,),
    }
    missing = sorted(set(wanted) - {tensor.name for tensor in header.tensors})
    if missing:
        raise bad(header.path, f"the tensor {missing[0]} is missing, so the file is damaged")
    for layer in range(header.block_count or 0):
        wanted |= {f"blk.{layer}.{norm}.weight": (width,) for norm in ("attn_norm", "ffn_norm")}
    for tensor in header.tensors:
        shape = wanted.get(tensor.name, tensor.shape)
        if tensor.shape != shape:
            reason = f"{tensor.name} has the shape {list(tensor.shape)}, not {list(shape)}"
            raise bad(header.path, f"{reason}, so the file is damaged")


def _check_heads(header: Header) -> None:
    for heads, shared in zip(header.head_count, header.head_count_kv, strict=False):
        if heads < 1 or shared < 1 or heads % shared:
            reason = f"{heads} heads and {shared} key heads do not fit each other"
            raise bad(header.path, f"{reason}, so the header is damaged")
    if not header.head_count:
        raise bad(header.path, "attention.head_count is missing from the header")
    if header.own("attention.key_length") is None and (
        (header.embedding_length or 0) % header.head_count[0]
    ):
        raise _absurd(header, "attention.head_count", header.head_count[0])
    rope = header.own("rope.dimension_count") or 0
    if rope % 2 or rope > max(header.key_length, 1):
        raise _absurd(header, "rope.dimension_count", rope, f"for heads of {header.key_length}")


def check_numbers(header: Header) -> None:
    """Refuse hyperparameters that cannot be true.

    Raises
    ------
    BadModel
        Names the key, its value, and what it contradicts.
    """
    _check_sizes(header)
    _check_lists(header)
    _check_counts(header)
    _check_floats(header)
    _check_experts(header)
    if header.architecture in PLAIN:
        _check_layers_present(header)
        _check_shapes(header)
        _check_heads(header)
