"""Writes the trained chat model as a GGUF file that llama.cpp loads."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from torch import Tensor

from .chat_model import TinyChat
from .chat_tokenizer import CHAT_TEMPLATE, CONTROL, END_OF_TEXT, TURN_END, Tokenizer
from .chat_train import load

SHIPPED = Path(__file__).parents[2] / "localai" / "tiny" / "tiny-chat.gguf"
ABOUT = "A tiny chat model trained from nothing on texts made by a grammar"
Q8_0 = gguf.GGMLQuantizationType.Q8_0


def write_gguf(
    model: TinyChat, tokenizer: Tokenizer, path: Path, name: str = "tiny-chat", about: str = ABOUT
) -> None:
    """The whole file, under a temporary name and then renamed.

    All matrices are Q8_0: in F16 so many layers would have more than 3 MB.
    """
    partial = path.with_suffix(".partial")
    writer = gguf.GGUFWriter(partial, "llama")
    writer.add_name(name)
    writer.add_description(about)
    _write_shape(writer, model)
    _write_tokenizer(writer, tokenizer)
    for name, weight in _tensors(model):
        values = np.ascontiguousarray(weight.detach().float().numpy())
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quants.quantize(values, Q8_0), raw_dtype=Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(path)


def _write_shape(writer: gguf.GGUFWriter, model: TinyChat) -> None:
    shape = model.shape
    writer.add_license("MIT")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def _token_type(index: int, token: str) -> int:
    if index < len(CONTROL):  # typed NORMAL, they would be read as plain text
        return int(gguf.TokenType.CONTROL)
    unused = token.startswith("<|unused")
    return int(gguf.TokenType.UNUSED if unused else gguf.TokenType.NORMAL)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([token.encode() for token in tokenizer.vocabulary])
    writer.add_token_types([_token_type(i, t) for i, t in enumerate(tokenizer.vocabulary)])
    writer.add_token_merges([f"{a} {b}" for a, b in tokenizer.merges])
    writer.add_bos_token_id(END_OF_TEXT)
    writer.add_eos_token_id(TURN_END)
    writer.add_eot_token_id(TURN_END)
    writer.add_pad_token_id(END_OF_TEXT)
    writer.add_unk_token_id(END_OF_TEXT)
    writer.add_add_bos_token(False)  # the model has never seen one
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _tensors(model: TinyChat) -> Iterator[tuple[str, Tensor]]:
    yield "token_embd.weight", model.embedding.weight
    yield "output.weight", model.output.weight
    yield "output_norm.weight", model.norm.weight
    for i, block in enumerate(model.blocks):
        query, key, value = block.qkv.weight.chunk(3)
        gate, up = block.gate_up.weight.chunk(2)
        named = {
            "attn_norm": block.attention_norm.weight,
            "attn_q": query,
            "attn_k": key,
            "attn_v": value,
            "attn_output": block.out.weight,
            "ffn_norm": block.feed_norm.weight,
            "ffn_gate": gate,
            "ffn_up": up,
            "ffn_down": block.down.weight,
        }
        for name, weight in named.items():
            yield f"blk.{i}.{name}.weight", weight


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    write_gguf(load(options.weights), Tokenizer.load(), options.out)
    print(f"{options.out} {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
