"""Headers of published picture models, as sparse files: real names and shapes of tensors, no weights.

Of each model the tensors are those by which families are told, and those that might be taken for
another family's: names and shapes as in the published files.
"""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
_SD = "model.diffusion_model."


def sparse(path: Path, shapes: Shapes, dtype: str = "F16") -> Path:
    """A safetensors file of such tensors, whose data is a hole."""
    size = {"F16": 2, "F32": 4, "BF16": 2, "F8_E4M3": 1}[dtype]
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + prod(shape) * size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return path


def sparse_gguf(path: Path, shapes: Shapes) -> Path:
    """A GGUF file of such tensors in F16, whose data is a hole; converters write no metadata."""
    body, offset = b"", 0
    for name, shape in shapes.items():
        encoded = name.encode()
        body += struct.pack("<Q", len(encoded)) + encoded + struct.pack("<I", len(shape))
        body += b"".join(struct.pack("<Q", side) for side in reversed(shape))
        body += struct.pack("<IQ", 1, offset)
        offset += -(-prod(shape) * 2 // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), 0) + body
    with path.open("wb") as file:
        file.write(head)
        file.truncate(-(-len(head) // 32) * 32 + offset)
    return path


def _vae(prefix: str, latent: int = 4) -> Shapes:
    return {
        f"{prefix}decoder.conv_in.weight": (512, latent, 3, 3),
        f"{prefix}decoder.up.0.block.0.conv1.weight": (128, 256, 3, 3),
        f"{prefix}encoder.conv_in.weight": (128, 3, 3, 3),
        f"{prefix}encoder.down.0.block.0.conv1.weight": (128, 128, 3, 3),
    }


def _unet(text: int, *, middle: bool = True, wide: bool = True, inputs: int = 4) -> Shapes:
    shapes = {
        f"{_SD}input_blocks.0.0.weight": (320, inputs, 3, 3),
        f"{_SD}input_blocks.0.0.bias": (320,),
        f"{_SD}time_embed.0.weight": (1280, 320),
        f"{_SD}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, text),
        f"{_SD}output_blocks.3.1.transformer_blocks.0.attn2.to_k.weight": (640, text),
        f"{_SD}out.2.weight": (4, 320, 3, 3),
    }
    if middle:
        shapes[f"{_SD}middle_block.1.transformer_blocks.0.attn2.to_k.weight"] = (1280, text)
    if wide:
        shapes[f"{_SD}output_blocks.7.1.transformer_blocks.0.attn2.to_k.weight"] = (640, text)
    return shapes


_CLIP = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
_FLUX = {
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 4096),
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "double_blocks.0.img_mlp.0.weight": (12288, 3072),
    "single_blocks.0.linear1.weight": (21504, 3072),
    "single_blocks.37.linear1.weight": (21504, 3072),
    "final_layer.linear.weight": (64, 3072),
}
_FLUX2 = {
    "img_in.weight": (3072, 128),
    "txt_in.weight": (3072, 7680),
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "double_stream_modulation_img.lin.weight": (18432, 3072),
    "single_blocks.0.linear1.weight": (27648, 3072),
    "single_blocks.19.linear1.weight": (27648, 3072),
}

# name of the published file: (family as we call it, as the library calls it, shapes)
MODELS: dict[str, tuple[str, str, Shapes]] = {
    "v1-5-pruned-emaonly": ("sd1", "SD 1.x", {
        **_unet(768), **_vae("first_stage_model."), _CLIP: (49408, 768)}),
    "sdxs-512": ("sdxs", "SDXS (512-DS)", {
        **_unet(768, middle=False, wide=False), _CLIP: (49408, 768),
        "tae.decoder.layers.0.weight": (64, 4, 3, 3)}),
    "sd_turbo": ("sd2", "SD 2.x", {
        **_unet(1024), **_vae("first_stage_model."),
        "cond_stage_model.model.token_embedding.weight": (49408, 1024)}),
    "sd_xl_base_1.0": ("sdxl", "SDXL", {
        **_unet(2048, wide=False), f"{_SD}label_emb.0.0.weight": (1280, 2816),
        f"{_SD}output_blocks.3.1.transformer_blocks.1.attn2.to_k.weight": (640, 2048),
        **_vae("first_stage_model."),
        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
        "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280)}),
    "ssd-1b": ("sdxl", "SDXL (SSD1B)", {
        **_unet(2048, middle=False, wide=False),
        f"{_SD}output_blocks.3.1.transformer_blocks.1.attn2.to_k.weight": (640, 2048),
        "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
        "conditioner.embedders.1.model.token_embedding.weight": (49408, 1280)}),
    "sd3_medium": ("sd3", "SD3.x", {
        f"{_SD}joint_blocks.0.context_block.attn.qkv.weight": (4608, 1536),
        f"{_SD}x_embedder.proj.weight": (1536, 16, 2, 2),
        **_vae("first_stage_model.", 16)}),
    "flux1-dev": ("flux1-dev", "Flux", {**_FLUX, "guidance_in.in_layer.weight": (3072, 256)}),
    "flux1-schnell": ("flux1-schnell", "Flux", _FLUX),
    "chroma": ("chroma", "Flux", {
        **_FLUX, "distilled_guidance_layer.in_proj.weight": (5120, 64)}),
    "flux-2-klein-4b": ("flux2-klein", "Flux.2 klein", _FLUX2),
    "flux2-dev": ("flux2-dev", "Flux.2", {
        **_FLUX2, "single_blocks.47.linear1.weight": (55296, 6144)}),
    "z_image_turbo": ("z-image", "Z-Image", {
        "cap_embedder.0.weight": (2560,), "cap_embedder.1.weight": (3840, 2560),
        "layers.0.attention.qkv.weight": (11520, 3840),
        "noise_refiner.0.attention.qkv.weight": (11520, 3840),
        "x_embedder.weight": (3840, 64)}),
    "qwen-image": ("qwen-image", "Qwen Image", {
        "transformer_blocks.0.img_mod.1.weight": (18432, 3072),
        "transformer_blocks.0.attn.to_q.weight": (3072, 3072), "img_in.weight": (3072, 64)}),
    "ovis_image": ("ovis-image", "Ovis Image", {
        **_FLUX, "double_blocks.0.img_mlp.gate_proj.weight": (12288, 3072)}),
}  # fmt: skip

# What goes with a model: name of the published file: (role, shapes)
PARTS: dict[str, tuple[str, Shapes]] = {
    "ae": ("vae", _vae("", 16)),
    "sdxl_vae": ("vae", _vae("first_stage_model.")),
    "diffusers-vae": ("vae", {"decoder.conv_in.weight": (512, 4, 3, 3),
                              "decoder.up_blocks.0.resnets.0.conv1.weight": (512, 512, 3, 3)}),
    "taef1": ("taesd", {"decoder.layers.0.weight": (64, 16, 3, 3),
                        "decoder.layers.2.conv.0.weight": (64, 64, 3, 3)}),
    "clip_l": ("clip_l", {"text_model.embeddings.token_embedding.weight": (49408, 768),
                          "text_model.encoder.layers.0.self_attn.q_proj.weight": (768, 768)}),
    "clip_g": ("clip_g", {"text_model.embeddings.token_embedding.weight": (49408, 1280)}),
    "t5xxl": ("t5xxl", {"encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096),
                        "shared.weight": (32128, 4096)}),
    "qwen_3_4b": ("llm", {"model.embed_tokens.weight": (151936, 2560),
                          "model.layers.0.self_attn.q_proj.weight": (4096, 2560)}),
    "Qwen3-4B-Q4_K_M": ("llm", {"token_embd.weight": (151936, 2560),
                                "blk.0.attn_q.weight": (4096, 2560)}),
    "kohya-lora": ("lora", {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (8, 320),
                            "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (320, 8)}),
    "peft-lora": ("lora", {"transformer.double_blocks.0.img_attn.proj.lora_A.weight": (16, 3072),
                           "transformer.double_blocks.0.img_attn.proj.lora_B.weight": (3072, 16)}),
    "RealESRGAN_x4plus": ("upscaler", {"conv_first.weight": (64, 3, 3, 3),
                                       "body.0.rdb1.conv1.weight": (32, 64, 3, 3)}),
}  # fmt: skip
