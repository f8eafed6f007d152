"""Small random models that see, one for each way in which llama.cpp puts pictures into a prompt.

`pair(folder, kind)` writes a language model and its projector. The weights are random; what is
proved with them is that the same numbers come out as from llama.cpp's own helper.

- `idefics3`: causal, cut into tiles with marks between them (SmolVLM);
- `gemma3`: attention in both directions among the tokens of a picture;
- `qwen3vl`: M-RoPE, where a picture has fewer positions than tokens, and deepstack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from tests.support.damage import byte_tokens

WIDTH, LAYERS, HEADS, INNER = 64, 3, 4, 96  # of the language model
SIGHT, BLOCKS, BROAD = 32, 2, 48  # of the encoder: width, layers, inner width
PATCH, SIDE = 8, 64  # pixels
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_MARKS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<start_of_image>", "<end_of_image>",
    "<|vision_start|>", "<|vision_end|>", "<fake_token_around_image>", "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The files of a model that sees."""

    model: Path
    projector: Path

    @property
    def files(self) -> tuple[str, str]:
        return str(self.model), str(self.projector)


def pair(folder: Path, kind: str) -> Pair:
    """Write a model and its projector: `idefics3`, `gemma3` or `qwen3vl`."""
    made = Pair(folder / f"{kind}.gguf", folder / f"mmproj-{kind}.gguf")
    _write_model(made.model, kind)
    write_projector(made.projector, kind)
    return made


def _random(seed: int) -> Callable[..., np.ndarray]:
    chance = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 1.0) -> np.ndarray:
        return chance.normal(0, scale * shape[-1] ** -0.5, shape).astype(np.float32)

    return draw


def _write_model(path: Path, kind: str) -> None:
    name = {"idefics3": "llama"}.get(kind, kind)
    writer = gguf.GGUFWriter(path, name)
    writer.add_name(kind)
    writer.add_file_type(0)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_key_length(WIDTH // HEADS)
    writer.add_value_length(WIDTH // HEADS)
    if kind == "qwen3vl":
        writer.add_rope_dimension_sections([4, 2, 2, 0])
        writer.add_uint32("qwen3vl.n_deepstack_layers", 1)
    _vocabulary(writer)
    _layers(writer, kind, _random(1))
    writer.add_chat_template(TEMPLATE)
    _finish(writer)


def _vocabulary(writer: gguf.GGUFWriter) -> None:
    # Both newlines of Idefics3's marks are tokens of its vocabulary.
    tokens = [*byte_tokens(), "\u010a\u010a", *_MARKS]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 257 + [3] * len(_MARKS))
    writer.add_token_merges(["\u010a \u010a"])
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)


def _layers(writer: gguf.GGUFWriter, kind: str, draw: Callable[..., np.ndarray]) -> None:
    count, head = 257 + len(_MARKS), WIDTH // HEADS
    ones = np.ones(WIDTH, np.float32)
    writer.add_tensor("token_embd.weight", draw(count, WIDTH, scale=4.0))
    writer.add_tensor("output.weight", draw(count, WIDTH, scale=4.0))
    writer.add_tensor("output_norm.weight", ones)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        norms = ["attn_norm", "ffn_norm"]
        norms += ["post_attention_norm", "post_ffw_norm"] * (kind == "gemma3")
        for norm in norms:
            writer.add_tensor(f"{block}{norm}.weight", ones)
        if kind != "idefics3":
            for norm in ("attn_q_norm", "attn_k_norm"):
                writer.add_tensor(f"{block}{norm}.weight", np.ones(head, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{block}{name}.weight", draw(WIDTH, WIDTH))
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"{block}{name}.weight", draw(INNER, WIDTH))
        writer.add_tensor(f"{block}ffn_down.weight", draw(WIDTH, INNER))


def write_projector(path: Path, kind: str, width: int = WIDTH) -> None:
    """Write a projector of a kind for a language model of a width."""
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_name(f"{kind} projector")
    writer.add_type("mmproj")
    writer.add_file_type(0)
    writer.add_clip_has_vision_encoder(True)
    writer.add_clip_projector_type({"qwen3vl": "qwen3vl_merger"}.get(kind, kind))
    writer.add_vision_projection_dim(width)
    writer.add_vision_image_size(SIDE)
    writer.add_vision_patch_size(PATCH)
    writer.add_vision_embedding_length(SIGHT)
    writer.add_vision_feed_forward_length(BROAD)
    writer.add_vision_block_count(BLOCKS)
    writer.add_vision_head_count(2)
    writer.add_vision_attention_layernorm_eps(1e-6)
    writer.add_vision_image_mean([0.5, 0.5, 0.5])
    writer.add_vision_image_std([0.5, 0.5, 0.5])
    writer.add_vision_use_gelu(True)
    if kind == "idefics3":
        writer.add_uint32("clip.vision.preproc_image_size", 2 * SIDE)
    if kind == "qwen3vl":
        writer.add_vision_spatial_merge_size(2)
    else:
        writer.add_vision_projector_scale_factor(2)
    _encoder(writer, kind, _random(2))
    _projection(writer, kind, width, _random(3))
    _finish(writer)


def _encoder(writer: gguf.GGUFWriter, kind: str, draw: Callable[..., np.ndarray]) -> None:
    patches = (SIDE // PATCH) ** 2

    def both(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", draw(rows, columns))
        writer.add_tensor(f"{name}.bias", draw(rows))

    def norm(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(SIGHT, np.float32))
        writer.add_tensor(f"{name}.bias", np.zeros(SIGHT, np.float32))

    kernel = draw(SIGHT, 3, PATCH, PATCH, scale=0.3)
    writer.add_tensor("v.patch_embd.weight", kernel)
    if kind == "qwen3vl":
        writer.add_tensor("v.patch_embd.weight.1", draw(SIGHT, 3, PATCH, PATCH, scale=0.3))
    writer.add_tensor("v.patch_embd.bias", draw(SIGHT))
    writer.add_tensor("v.position_embd.weight", draw(patches, SIGHT))
    norm("v.post_ln")
    for layer in range(BLOCKS):
        block = f"v.blk.{layer}."
        norm(f"{block}ln1")
        norm(f"{block}ln2")
        if kind == "qwen3vl":
            both(f"{block}attn_qkv", 3 * SIGHT, SIGHT)
        else:
            for name in ("attn_q", "attn_k", "attn_v"):
                both(f"{block}{name}", SIGHT, SIGHT)
        both(f"{block}attn_out", SIGHT, SIGHT)
        both(f"{block}ffn_up", BROAD, SIGHT)
        both(f"{block}ffn_down", SIGHT, BROAD)


def _projection(
    writer: gguf.GGUFWriter, kind: str, width: int, draw: Callable[..., np.ndarray]
) -> None:
    merged = 4 * SIGHT
    match kind:
        case "idefics3":
            writer.add_tensor("mm.model.fc.weight", draw(width, merged))
        case "gemma3":
            writer.add_tensor("mm.input_projection.weight", draw(SIGHT, width, scale=2.0))
            writer.add_tensor("mm.soft_emb_norm.weight", np.ones(SIGHT, np.float32))
        case "qwen3vl":
            for name in ("mm.0", "mm.2"):
                rows = merged if name == "mm.0" else width
                writer.add_tensor(f"{name}.weight", draw(rows, merged, scale=2.0))
                writer.add_tensor(f"{name}.bias", draw(rows))
            writer.add_tensor("v.deepstack.0.norm.weight", np.ones(merged, np.float32))
            writer.add_tensor("v.deepstack.0.norm.bias", np.zeros(merged, np.float32))
            for name, rows in (("fc1", merged), ("fc2", width)):
                writer.add_tensor(f"v.deepstack.0.{name}.weight", draw(rows, merged, scale=2.0))
                writer.add_tensor(f"v.deepstack.0.{name}.bias", draw(rows))


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
