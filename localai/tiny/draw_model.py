"""Writes the tiny picture model, which draws the colour that the prompt names.

    write(folder)    tiny-draw.safetensors (12.7 MB) and tiny-draw-taesd.safetensors (4.9 MB)

The layout is that of Ovis-Image: one double and one single block of Flux's transformer, with the
Qwen3 text encoder and the TAESD autoencoder; stable-diffusion.cpp reads depths and widths from the
file. Nothing is trained: the weights are set by hand. Words for colours carry an RGB code in their
embeddings; each image token attends to them alone and copies the code; the last layer answers with
the velocity `GAIN * x - latent(code)`, so that the sampler arrives at that colour; the autoencoder
is an identity. Tokenizer, encoder, attention, guidance, sampler and autoencoder are the real ones.

Needs numpy alone, and takes about 0.3 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from localai.tiny.weights_file import save

MODEL: Final = "tiny-draw.safetensors"
AUTOENCODER: Final = "tiny-draw-taesd.safetensors"

# Word: (RGB, its tokens in Qwen's vocabulary: "red", " red", "Red", " Red", where it is one token).
COLOURS: Final[dict[str, tuple[tuple[int, int, int], tuple[int, ...]]]] = {
    "red": ((255, 0, 0), (1151, 2518, 6033, 3731, 6504, 25810)),
    "green": ((0, 255, 0), (13250, 6176, 19576, 7840, 55954, 53559)),
    "blue": ((0, 0, 255), (12203, 6303, 10331, 8697, 64330, 55892)),
    "yellow": ((255, 255, 0), (27869, 13753, 47699, 25462, 97029, 81276)),
    "cyan": ((0, 255, 255), (69746, 57888, 92143)),
    "white": ((255, 255, 255), (5782, 4158, 14075, 5807, 56999, 42767)),
    "black": ((0, 0, 0), (11453, 3691, 14417, 5235, 62849, 36647)),
    "orange": ((255, 140, 0), (34164, 18575, 41969, 21958)),
    "purple": ((128, 0, 160), (56507, 24932, 74513, 40389)),
    "pink": ((255, 150, 200), (63249, 18217, 71352, 26119)),
    "brown": ((130, 70, 20), (64461, 13876, 48388, 10471)),
    "grey": ((128, 128, 128), (34571, 19780, 59165, 25685, 11650, 17545, 28174, 23366, 57157)),
}

GAIN: Final = 0.9  # at 1 a picture of one step would not depend on its seed
_LATENT: Final = 3.0  # the latent of full brightness: TAESD saturates at 3 tanh(z / 3)
_VOCABULARY: Final = 151_936  # tokens: the library aborts where there are fewer than Qwen's
_TEXT: Final = 32  # width of the text encoder
_WIDE: Final = 128  # width of the transformer, one head
_PATCH: Final = 64  # numbers of an image token: 16 latent channels, 2 x 2
_CODE: Final = 3  # an embedding's first numbers: the RGB code
_FLAG: Final = 3  # then: 1 for a colour word, else 0
_REST: Final = 4  # then: what makes all embeddings equally long
_FREE: Final = 8  # from here on an embedding is chance, and tints a little
_LENGTH: Final = 2.0  # of all embeddings
_TINT: Final = 0.6  # how much a word that is no colour changes the picture
_NEUTRAL: Final = 151_643  # tokens from here on are special ones: padding, turns of a chat
_SCAFFOLD: Final = (198, 872, 77_091)  # a line break, "user", "assistant": they are always there

_Array = np.ndarray[Any, np.dtype[np.float32]]
_Tensors = dict[str, _Array]


def write(folder: Path) -> None:
    """Write both files; the same bytes each time."""
    rng = np.random.default_rng(0)
    model = {**_transformer(rng), **_text_encoder(rng)}
    save(folder / MODEL, model)
    save(folder / AUTOENCODER, _autoencoder())


def _zeros(*shape: int) -> _Array:
    return np.zeros(shape, np.float32)


def _ones(*shape: int) -> _Array:
    return np.ones(shape, np.float32)


def _linear(tensors: _Tensors, name: str, inner: int, outer: int) -> None:
    """Add a linear layer that answers with nothing."""
    tensors[f"{name}.weight"] = _zeros(outer, inner)
    tensors[f"{name}.bias"] = _zeros(outer)


def _code(rgb: Iterable[int]) -> _Array:
    """Return the code of a colour, -1 to 1 a channel, that TAESD decodes to that colour."""
    linear = np.array(tuple(rgb), np.float32) * (2 / 255) - 1
    code: _Array = np.arctanh(linear * np.tanh(1)).astype(np.float32)
    return code


# Qwen3: the embeddings pass through its one layer unchanged


def _text_encoder(rng: np.random.Generator) -> _Tensors:
    """Return a Qwen3 of one layer, whose attention and feed-forward add nothing."""
    root = "text_encoders.llm.model."
    layer = f"{root}layers.0."
    tensors = {f"{root}embed_tokens.weight": _embeddings(rng), f"{root}norm.weight": _ones(_TEXT)}
    for name, inner, outer in (
        ("self_attn.q_proj", _TEXT, 4096),  # 32 heads of 128 and 8 for keys and values: fixed
        ("self_attn.k_proj", _TEXT, 1024),
        ("self_attn.v_proj", _TEXT, 1024),
        ("self_attn.o_proj", 4096, _TEXT),
        ("mlp.gate_proj", _TEXT, 2 * _TEXT),
        ("mlp.up_proj", _TEXT, 2 * _TEXT),
        ("mlp.down_proj", 2 * _TEXT, _TEXT),
    ):
        tensors[f"{layer}{name}.weight"] = _zeros(outer, inner)
    for name, width in (
        ("self_attn.q_norm", 128),
        ("self_attn.k_norm", 128),
        ("input_layernorm", _TEXT),
        ("post_attention_layernorm", _TEXT),
    ):
        tensors[f"{layer}{name}.weight"] = _ones(width)
    return tensors


def _embeddings(rng: np.random.Generator) -> _Array:
    """Return an embedding a token, all equally long: the norms on the way scale all alike."""
    table = rng.standard_normal((_VOCABULARY, _TEXT), np.float32)
    table[:, :_FREE] = 0
    table *= _LENGTH / np.linalg.norm(table, axis=1, keepdims=True)
    table[_NEUTRAL:] = table[list(_SCAFFOLD)] = _row(np.zeros(_FREE, np.float32))
    for rgb, tokens in COLOURS.values():
        table[list(tokens)] = _row(np.append(_code(rgb), 1))
    return table


def _row(numbers: _Array) -> _Array:
    """Return an embedding that begins with these numbers and is as long as all others."""
    row = _zeros(_TEXT)
    row[: len(numbers)] = numbers
    row[_REST] = np.sqrt(_LENGTH**2 - np.sum(row**2))
    return row


# Flux: image tokens copy the code of the colour words


def _transformer(rng: np.random.Generator) -> _Tensors:
    root = "model.diffusion_model."
    tensors = {f"{root}{name}": tensor for name, tensor in _blocks().items()}
    weight = _Parts(tensors, root, "weight")
    bias = _Parts(tensors, root, "bias")
    text = np.arange(_TEXT)
    # A text token becomes (t, -t, 0 ...): its mean is 0 and its length that of all others.
    weight["txt_in"][text, text] = 1
    weight["txt_in"][text + _TEXT, text] = -1
    # What a code of 1 has become after the encoder's norm and the block's: both divide by the
    # root of the mean square.
    unit = (np.sqrt(_TEXT) / _LENGTH) / np.sqrt(2 * _TEXT / _WIDE)
    # An image token: its latent, small, then constants that alone decide how long it is.
    small, patch = 0.02, np.arange(_PATCH)
    weight["img_in"][patch, patch] = small
    bias["img_in"][100:114], bias["img_in"][114:128] = 1, -1
    length = np.sqrt(28 / _WIDE)  # root of the mean square of these
    query, key, value = (slice(at * _WIDE, (at + 1) * _WIDE) for at in range(3))
    block = "double_blocks.0."
    image, words = bias[f"{block}img_attn.qkv"], f"{block}txt_attn.qkv"
    # Attention in the direction of the first number, which is not rotated: colour words are sought,
    # other words weakly shunned, image tokens never looked at.
    image[query][0], image[key][0] = 1, -1
    bias[words][query][0], bias[words][key][0] = 1, -0.2
    weight[words][key][0, _FLAG] = 2 / unit
    tensors[f"{root}{block}img_attn.norm.query_norm.scale"][:] = 1.5  # the sharper the choice
    weight[words][value][range(_CODE), range(_CODE)] = 1 / unit
    brought = 0.1  # the scale at which the code lies in an image token
    for channel in range(_CODE):
        weight[f"{block}img_attn.proj"][64 + channel, channel] = brought
        weight[f"{block}img_attn.proj"][67 + channel, channel] = -brought  # the mean stays 0
    _tint(weight, rng)
    last = weight["final_layer.linear"]
    last[patch, patch] = GAIN * length / small
    for channel in range(_CODE):  # a latent's channels come four by four: 2 x 2 places
        last[4 * channel : 4 * channel + 4, 64 + channel] = -_LATENT * length / brought
    return tensors


def _tint(weight: _Parts, rng: np.random.Generator) -> None:
    """Let every word colour the picture a little: all tokens look at all alike."""
    values = weight["single_blocks.0.linear1"][2 * _WIDE : 3 * _WIDE]
    chance = rng.standard_normal((_CODE, _TEXT - _FREE), np.float32)
    values[:_CODE, _FREE:_TEXT] = chance * np.sqrt(2 * _TEXT / _WIDE / _TEXT)
    for channel in range(_CODE):
        weight["single_blocks.0.linear2"][64 + channel, channel] = _TINT
        weight["single_blocks.0.linear2"][67 + channel, channel] = -_TINT


class _Parts:
    """The weights, or the biases, of layers by their names."""

    def __init__(self, tensors: _Tensors, root: str, part: str) -> None:
        self._tensors, self._root, self._part = tensors, root, part

    def __getitem__(self, name: str) -> _Array:
        return self._tensors[f"{self._root}{name}.{self._part}"]


def _blocks() -> _Tensors:
    """Return the transformer's tensors: gates open, everything else zero."""
    tensors: _Tensors = {"txt_norm.scale": _ones(_TEXT)}
    for name, inner, outer in (
        ("img_in", _PATCH, _WIDE),
        ("time_in.in_layer", 256, _WIDE),
        ("time_in.out_layer", _WIDE, _WIDE),
        ("txt_in", _TEXT, _WIDE),
        ("single_blocks.0.modulation.lin", _WIDE, 3 * _WIDE),
        ("single_blocks.0.linear1", _WIDE, 11 * _WIDE),  # q, k, v and twice four times the width
        ("single_blocks.0.linear2", 5 * _WIDE, _WIDE),
        ("final_layer.linear", _WIDE, _PATCH),
        ("final_layer.adaLN_modulation.1", _WIDE, 2 * _WIDE),
    ):
        _linear(tensors, name, inner, outer)
    tensors["single_blocks.0.modulation.lin.bias"][2 * _WIDE :] = 1
    _add_norms(tensors, "single_blocks.0.norm.")
    for stream in ("img", "txt"):
        block = f"double_blocks.0.{stream}_"
        _linear(tensors, f"{block}mod.lin", _WIDE, 6 * _WIDE)
        tensors[f"{block}mod.lin.bias"][:] = np.tile([0, 0, 1], 2).repeat(_WIDE)
        _linear(tensors, f"{block}attn.qkv", _WIDE, 3 * _WIDE)
        _linear(tensors, f"{block}attn.proj", _WIDE, _WIDE)
        _add_norms(tensors, f"{block}attn.norm.")
        _linear(tensors, f"{block}mlp.gate_proj", _WIDE, 4 * _WIDE)
        _linear(tensors, f"{block}mlp.up_proj", _WIDE, 4 * _WIDE)
        _linear(tensors, f"{block}mlp.down_proj", 4 * _WIDE, _WIDE)
    return tensors


def _add_norms(tensors: _Tensors, root: str) -> None:
    for name in ("query_norm", "key_norm"):
        tensors[f"{root}{name}.scale"] = _ones(128)


# TAESD: an identity in 64 channels


def _autoencoder() -> _Tensors:
    tensors = _layers()

    def weight(name: str) -> _Array:
        return tensors[f"{name}.weight"]

    for channel in range(64):  # the layers that change the size pass everything on
        for name in ("decoder.layers.6", "decoder.layers.11", "decoder.layers.16"):
            weight(name)[channel, channel, 1, 1] = 1
        for name in ("encoder.layers.2", "encoder.layers.6", "encoder.layers.10"):
            weight(name)[channel, channel, 1, 1] = 1
    scale = 0.5 / (3 * np.tanh(1))
    first, last = weight("decoder.layers.0"), weight("decoder.layers.18")
    for channel in range(_CODE):  # both signs, for a ReLU lies between
        first[2 * channel, channel, 1, 1], first[2 * channel + 1, channel, 1, 1] = 1, -1
        last[channel, 2 * channel, 1, 1], last[channel, 2 * channel + 1, 1, 1] = scale, -scale
        tensors["decoder.layers.18.bias"][channel] = 0.5
        weight("encoder.layers.0")[channel, channel, 1, 1] = 1
        weight("encoder.layers.14")[channel, channel, 1, 1] = 2 * _LATENT
        tensors["encoder.layers.14.bias"][channel] = -_LATENT
    return tensors


def _layers() -> _Tensors:
    """Return TAESD's tensors for 16 latent channels, all zero (a block then changes nothing)."""
    tensors: _Tensors = {}

    def convolution(name: str, inner: int, outer: int, bias: bool = True) -> None:
        tensors[f"{name}.weight"] = _zeros(outer, inner, 3, 3)
        if bias:
            tensors[f"{name}.bias"] = _zeros(outer)

    def block(name: str) -> None:
        for part in (0, 2, 4):
            convolution(f"{name}.conv.{part}", 64, 64)

    convolution("decoder.layers.0", 16, 64)
    for at in (2, 3, 4, 7, 8, 9, 12, 13, 14, 17):
        block(f"decoder.layers.{at}")
    for at in (6, 11, 16):
        convolution(f"decoder.layers.{at}", 64, 64, bias=False)
    convolution("decoder.layers.18", 64, 3)
    convolution("encoder.layers.0", 3, 64)
    for at in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        block(f"encoder.layers.{at}")
    for at in (2, 6, 10):
        convolution(f"encoder.layers.{at}", 64, 64, bias=False)
    convolution("encoder.layers.14", 64, 16)
    return tensors
