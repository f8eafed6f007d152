"""Writes the trained vision model: a language model and its projector, as llama.cpp loads them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from torch import Tensor

from .chat_export import write_gguf
from .chat_tokenizer import Tokenizer
from .vision_model import TinyEncoder
from .vision_pictures import SIZE
from .vision_train import load

FOLDER = Path(__file__).parents[2] / "localai" / "tiny"
MODEL, PROJECTOR = FOLDER / "tiny-vision.gguf", FOLDER / "tiny-vision-mmproj.gguf"
ABOUT = "A tiny model that sees drawn pictures of one thing, made from tiny-chat"


def write_projector(encoder: TinyEncoder, path: Path) -> None:
    """The encoder and its two layers, under a temporary name and then renamed."""
    partial, shape = path.with_suffix(".partial"), encoder.shape
    writer = gguf.GGUFWriter(partial, "clip")
    writer.add_name("tiny-vision")
    writer.add_description(ABOUT)
    writer.add_license("MIT")
    writer.add_type("mmproj")
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type("mlp")
    writer.add_vision_projection_dim(shape.out)
    writer.add_vision_image_size(SIZE)
    writer.add_vision_patch_size(shape.patch)
    writer.add_vision_embedding_length(shape.width)
    writer.add_vision_feed_forward_length(shape.inner)
    writer.add_vision_block_count(shape.layers)
    writer.add_vision_head_count(shape.heads)
    writer.add_vision_attention_layernorm_eps(1e-5)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)  # the form with tanh
    # Without it LLaVA's graph leaves the last layer out.
    writer.add_array("clip.vision.feature_layer", [shape.layers])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for name, weight in _tensors(encoder):
        values = np.ascontiguousarray(weight.detach().float().numpy())
        matrix = values.ndim == 2 and name != "v.position_embd.weight"
        writer.add_tensor(name, values.astype(np.float16) if matrix else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)


def _tensors(encoder: TinyEncoder) -> Iterator[tuple[str, Tensor]]:
    yield "v.patch_embd.weight", encoder.patch.weight
    yield "v.patch_embd.bias", encoder.patch.bias
    yield "v.position_embd.weight", encoder.position
    layers = {"v.post_ln": encoder.norm, "mm.0": encoder.first, "mm.2": encoder.second}
    for at, block in enumerate(encoder.blocks):
        layers |= {
            f"v.blk.{at}.ln1": block.norm1,
            f"v.blk.{at}.ln2": block.norm2,
            f"v.blk.{at}.attn_out": block.out,
            f"v.blk.{at}.ffn_up": block.up,
            f"v.blk.{at}.ffn_down": block.down,
        }
        weights, biases = block.qkv.weight.chunk(3), block.qkv.bias.chunk(3)
        for name, weight, bias in zip("qkv", weights, biases, strict=True):
            yield f"v.blk.{at}.attn_{name}.weight", weight
            yield f"v.blk.{at}.attn_{name}.bias", bias
    for name, layer in layers.items():
        yield f"{name}.weight", layer.weight
        yield f"{name}.bias", layer.bias


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    options = parser.parse_args()
    model, encoder = load(options.weights)
    write_gguf(model, Tokenizer.load(), MODEL, "tiny-vision", ABOUT)
    write_projector(encoder, PROJECTOR)
    for path in (MODEL, PROJECTOR):
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
