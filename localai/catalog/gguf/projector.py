"""Checks of a projector's file (mmproj): what clip.cpp of llama.cpp asserts, divides by or trusts.

What holds for every kind of projector is checked for all; relations between numbers and tensors
only for kinds whose encoder is a plain vision transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Final

from localai.catalog.gguf.cursor import bad
from localai.catalog.gguf.header import Header
from localai.catalog.gguf.layout import check_layout
from localai.catalog.gguf.numbers import MAX_LAYERS, MAX_WIDTH
from localai.catalog.gguf.reader import read_header
from localai.errors import BadModel

_ANEW: Final = "fetch the projector again, or take the one that came with the model"
_LINEAR: Final = {"mm.0.weight", "mm.0.bias", "mm.2.weight", "mm.2.bias"}
# Of `mlp` there are old files whose encoder is another, so only what all of them have is asked for.
_OWN_TENSORS: Final[Mapping[str, set[str]]] = {
    "mlp": {"mm.0.weight", "mm.0.bias"},
    "gemma3": {"mm.input_projection.weight", "mm.soft_emb_norm.weight"},
    "idefics3": {"mm.model.fc.weight"},
    "qwen3vl_merger": {"v.patch_embd.bias", "v.patch_embd.weight.1", *_LINEAR},
}
_PLAIN: Final = frozenset(_OWN_TENSORS)
_BOTH_WAYS: Final = frozenset(("gemma3", "gemma4v", "gemma4uv", "deepseek4v"))
_FLAGS: Final = ("has_vision_encoder", "has_audio_encoder", "use_gelu", "use_silu")

# (name, smallest, largest): needed by all, and where they are given.
_NEEDED: Final = (
    ("embedding_length", 1, MAX_WIDTH),
    ("attention.head_count", 0, 1 << 14),
    ("feed_forward_length", 0, 1 << 24),
    ("block_count", 0, MAX_LAYERS),
    ("projection_dim", 0, MAX_WIDTH),
    ("image_size", 1, 1 << 14),
    ("patch_size", 1, 1 << 10),
)
_RANGES: Final = (
    ("projector.scale_factor", 1, 64),
    ("spatial_merge_size", 1, 64),
    ("preproc_image_size", 1, 1 << 14),
    ("image_min_pixels", 0, 1 << 28),
    ("image_max_pixels", 0, 1 << 28),
    ("attention.head_count_kv", 1, 1 << 14),
    ("attention.head_dim", 1, MAX_WIDTH),
    ("window_size", 1, 1 << 14),
)


def check_projector(path: Path) -> Header:
    """Return the header of a projector for pictures that can be given to the engine.

    Whether it belongs to a language model is for the library to say, which compares their widths.

    Raises
    ------
    BadModel
        One sentence: what file, what is wrong; and what to do.
    """
    header = read_header(path)
    if header.architecture != "clip":
        raise bad(path, "this is no projector (mmproj)", "name the projector of the model")
    if header.metadata.get("clip.has_vision_encoder") is not True:
        raise bad(path, "this projector is not for pictures", "take one for pictures")
    if not header.tensors:
        raise bad(path, "the file holds no tensors", _ANEW)
    check_layout(header)
    _check_values(header)
    if kind(header) in _PLAIN:
        _check_transformer(header)
    return header


def kind(header: Header) -> str:
    """Return which way of projecting a file is made for."""
    return header.text("clip.projector_type") or header.text("clip.vision.projector_type")


def attends_both_ways(header: Header) -> bool:
    """Whether the tokens of a picture may have to be evaluated in one step."""
    return kind(header) in _BOTH_WAYS


def _absurd(header: Header, name: str, value: object) -> BadModel:
    reason = f"clip.{name} is {value}, which is absurd, so the header is damaged"
    return bad(header.path, reason, _ANEW)


def _check_values(header: Header) -> None:
    for name in _FLAGS:
        flag = header.metadata.get(f"clip.{name}", False)
        if not isinstance(flag, bool):
            raise _absurd(header, name, flag)
    for name, smallest, largest in _NEEDED:
        value = header.own(f"vision.{name}")
        if value is None or not smallest <= value <= largest:
            raise _absurd(header, f"vision.{name}", value)
    for name, smallest, largest in _RANGES:
        found = header.own_value(f"vision.{name}")
        if found is not None and not (isinstance(found, int) and smallest <= found <= largest):
            raise _absurd(header, f"vision.{name}", found)
    epsilon = header.own_value("vision.attention.layer_norm_epsilon")
    if not isinstance(epsilon, float) or not 0 <= epsilon <= 1:
        raise _absurd(header, "vision.attention.layer_norm_epsilon", epsilon)
    for name, least in (("image_mean", -1e3), ("image_std", 1e-6)):
        values = header.own_value(f"vision.{name}")
        if not isinstance(values, tuple) or len(values) < 3 or not _sane(values, least):
            raise _absurd(header, f"vision.{name}", values)


def _sane(values: tuple[object, ...], least: float) -> bool:
    return all(isinstance(v, float) and isfinite(v) and least <= v <= 1e3 for v in values)


def _check_transformer(header: Header) -> None:
    """Refuse numbers that do not fit each other, and tensors that do not fit the numbers."""
    width, heads, layers, size, patch = (
        header.own(f"vision.{name}") or 0
        for name in (
            "embedding_length", "attention.head_count", "block_count", "image_size", "patch_size",
        )
    )  # fmt: skip
    if heads < 1 or width % heads:
        raise _absurd(header, "vision.attention.head_count", heads)
    if layers < 1:
        raise _absurd(header, "vision.block_count", layers)
    merge = header.own("vision.projector.scale_factor") or 1
    merge = header.own("vision.spatial_merge_size") or merge
    if size < patch or (size // patch) % merge:
        raise _absurd(header, "vision.image_size", size)
    _check_shapes(header, width, layers, (size // patch) ** 2)


def _check_shapes(header: Header, width: int, layers: int, patches: int) -> None:
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    names = (name.split(".", 3) for name in shapes if name.startswith("v.blk."))
    found = {int(parts[2]) for parts in names if parts[2].isdecimal()}
    if found != set(range(layers)):
        raise _absurd(header, "vision.block_count", layers)
    wanted: dict[str, tuple[int, ...]] = {"v.position_embd.weight": (width, patches)}
    if "v.class_embd" in shapes:  # of the encoders of LLaVA
        wanted = {"v.position_embd.weight": (width, patches + 1)}
    for layer in range(layers):
        wanted |= _layer_shapes(f"v.blk.{layer}.", width)
    needed = _needed_tensors(header, layers)
    if kind(header) == "mlp" and "mm.3.weight" not in shapes:  # which Yi's has instead
        needed |= _LINEAR
    missing = sorted(needed - set(shapes))
    if missing:
        raise bad(header.path, f"{missing[0]} is missing, so the file is damaged", _ANEW)
    for name, shape in wanted.items():
        if shapes.get(name, shape) != shape:
            reason = f"{name} has the shape {list(shapes[name])}, not {list(shape)}"
            raise bad(header.path, f"{reason}, so the file is damaged", _ANEW)


def _layer_shapes(block: str, width: int) -> dict[str, tuple[int, ...]]:
    vectors = [f"{block}{norm}.{part}" for norm in ("ln1", "ln2") for part in ("weight", "bias")]
    vectors += [f"{block}{name}.bias" for name in ("attn_q", "attn_k", "attn_v", "attn_out")]
    squares = [f"{block}{name}.weight" for name in ("attn_q", "attn_k", "attn_v", "attn_out")]
    return dict.fromkeys(vectors, (width,)) | dict.fromkeys(squares, (width, width))


def _needed_tensors(header: Header, layers: int) -> set[str]:
    """Return the tensors that the library takes to be there without a look."""
    which = kind(header)
    parts = ["attn_qkv"] if which == "qwen3vl_merger" else ["attn_q", "attn_k", "attn_v"]
    parts += ["ln1", "ln2", "attn_out", "ffn_up", "ffn_down"]
    found = {f"v.blk.{layer}.{part}.weight" for layer in range(layers) for part in parts}
    if which == "qwen3vl_merger":
        found |= {f"v.blk.{layer}.attn_qkv.bias" for layer in range(layers)}
    return found | _OWN_TENSORS[which] | {"v.patch_embd.weight", "v.position_embd.weight"}
