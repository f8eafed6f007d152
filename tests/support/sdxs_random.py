"""The layout of SDXS-512 with weights by chance: the smallest U-Net family that the library knows.

Nothing of a U-Net with CLIP can be made smaller: 439 million weights, one byte each.
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

import numpy as np

_WIDTH = 320
Layers = list[tuple[str, tuple[int, ...], str]]  # name, shape, "w" weights, "1" ones, "0" zeros


def _linear(layers: Layers, name: str, inner: int, outer: int, bias: bool = True) -> None:
    layers.append((f"{name}.weight", (outer, inner), "w"))
    if bias:
        layers.append((f"{name}.bias", (outer,), "0"))


def _convolution(layers: Layers, name: str, inner: int, outer: int, size: int = 3) -> None:
    layers.append((f"{name}.weight", (outer, inner, size, size), "w"))
    layers.append((f"{name}.bias", (outer,), "0"))


def _norm(layers: Layers, name: str, width: int) -> None:
    layers += [(f"{name}.weight", (width,), "1"), (f"{name}.bias", (width,), "0")]


def _residual(layers: Layers, name: str, inner: int, outer: int) -> None:
    _norm(layers, f"{name}.in_layers.0", inner)
    _convolution(layers, f"{name}.in_layers.2", inner, outer)
    _linear(layers, f"{name}.emb_layers.1", 1280, outer)
    _norm(layers, f"{name}.out_layers.0", outer)
    _convolution(layers, f"{name}.out_layers.3", outer, outer)
    if inner != outer:
        _convolution(layers, f"{name}.skip_connection", inner, outer, 1)


def _attention(layers: Layers, name: str, width: int) -> None:
    _norm(layers, f"{name}.norm", width)
    _convolution(layers, f"{name}.proj_in", width, width, 1)
    block = f"{name}.transformer_blocks.0."
    for part, text in (("attn1", width), ("attn2", 768)):
        _linear(layers, f"{block}{part}.to_q", width, width, False)
        _linear(layers, f"{block}{part}.to_k", text, width, False)
        _linear(layers, f"{block}{part}.to_v", text, width, False)
        _linear(layers, f"{block}{part}.to_out.0", width, width)
    _linear(layers, f"{block}ff.net.0.proj", width, 8 * width)
    _linear(layers, f"{block}ff.net.2", 4 * width, width)
    for at in (1, 2, 3):
        _norm(layers, f"{block}norm{at}", width)
    _convolution(layers, f"{name}.proj_out", width, width, 1)


def _unet(layers: Layers) -> None:
    root = "model.diffusion_model."
    _linear(layers, f"{root}time_embed.0", _WIDTH, 1280)
    _linear(layers, f"{root}time_embed.2", 1280, 1280)
    _convolution(layers, f"{root}input_blocks.0.0", 4, _WIDTH)
    width, at, widths = _WIDTH, 0, [_WIDTH]
    for level, times in enumerate((1, 2, 4)):
        at += 1
        _residual(layers, f"{root}input_blocks.{at}.0", width, times * _WIDTH)
        width = times * _WIDTH
        if level in (1, 2):
            _attention(layers, f"{root}input_blocks.{at}.1", width)
        widths.append(width)
        at += 1
        if level != 2:
            at += 1
            _convolution(layers, f"{root}input_blocks.{at}.0.op", width, width)
            widths.append(width)
    at = 0
    for level, times in ((2, 4), (1, 2), (0, 1)):
        for second in (False, True):
            _residual(layers, f"{root}output_blocks.{at}.0", width + widths.pop(), times * _WIDTH)
            width, up = times * _WIDTH, 1
            if level in (1, 2):
                _attention(layers, f"{root}output_blocks.{at}.1", width)
                up = 2
            if level and second:
                at += 1
                up = 1 if at == 2 else up
                _convolution(layers, f"{root}output_blocks.{at}.{up}.conv", width, width)
            at += 1
    _norm(layers, f"{root}out.0", _WIDTH)
    _convolution(layers, f"{root}out.2", _WIDTH, 4)


def _clip(layers: Layers) -> None:
    root = "cond_stage_model.transformer.text_model."
    layers.append((f"{root}embeddings.token_embedding.weight", (49408, 768), "w"))
    layers.append((f"{root}embeddings.position_embedding.weight", (77, 768), "w"))
    for at in range(12):
        layer = f"{root}encoder.layers.{at}."
        for part in ("q", "k", "v", "out"):
            _linear(layers, f"{layer}self_attn.{part}_proj", 768, 768)
        _linear(layers, f"{layer}mlp.fc1", 768, 3072)
        _linear(layers, f"{layer}mlp.fc2", 3072, 768)
        _norm(layers, f"{layer}layer_norm1", 768)
        _norm(layers, f"{layer}layer_norm2", 768)
    _norm(layers, f"{root}final_layer_norm", 768)


def _taesd(layers: Layers) -> None:
    _convolution(layers, "tae.decoder.layers.0", 4, 64)
    for at in (2, 3, 4, 7, 8, 9, 12, 13, 14, 17):
        for part in (0, 2, 4):
            _convolution(layers, f"tae.decoder.layers.{at}.conv.{part}", 64, 64)
    for at in (6, 11, 16):
        layers.append((f"tae.decoder.layers.{at}.weight", (64, 64, 3, 3), "w"))
    _convolution(layers, "tae.decoder.layers.18", 64, 3)


def write(path: Path) -> Path:
    """Write the model: float8 weights from one repeated mebibyte of chance."""
    layers: Layers = []
    for add in (_unet, _clip, _taesd):
        add(layers)
    header, end = {}, 0
    for name, shape, kind in layers:
        begin, end = end, end + prod(shape) * (1 if kind == "w" else 4)
        dtype = "F8_E4M3" if kind == "w" else "F32"
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    values = np.array([0x08, 0x10, 0x14, 0x18, 0x88, 0x90, 0x94, 0x98], np.uint8)
    chance = np.random.default_rng(0).choice(values, 1 << 20).tobytes()
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, shape, kind in layers:
            count = prod(shape)
            if kind == "w":
                whole, rest = divmod(count, len(chance))
                file.writelines([chance] * whole)
                file.write(chance[:rest])
            else:
                file.write(np.full(count, float(kind), np.float32).tobytes())
    return path
