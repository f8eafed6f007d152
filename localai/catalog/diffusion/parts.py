"""What the files of a picture model are: told from their tensors, never from their names.

Names of tensors are those of stable-diffusion.cpp's `model.cpp` and `name_conversion.cpp`, as the
model families' own code, ComfyUI's split files, diffusers and llama.cpp's GGUF files have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, NamedTuple

from localai.catalog.diffusion.safetensors import read_shapes
from localai.errors import BadModel
from localai.formats.text import shown

Role = Literal[
    "checkpoint", "diffusion", "vae", "taesd", "clip_l", "clip_g", "t5xxl", "llm", "lora",
    "upscaler",
]  # fmt: skip

ROLE_NAMES: Final[dict[Role, str]] = {
    "checkpoint": "a whole model",
    "diffusion": "a diffusion model without text encoder and VAE",
    "vae": "a VAE",
    "taesd": "a small VAE (TAESD)",
    "clip_l": "a CLIP-L text encoder",
    "clip_g": "a CLIP-G text encoder",
    "t5xxl": "a T5 text encoder",
    "llm": "a language model",
    "lora": "a LoRA",
    "upscaler": "an upscaler (ESRGAN)",
}
DIFFUSION: Final = (
    r"(?:model\.diffusion_model\.|diffusion_model\.|unet\.|transformer\.)?"
    r"(?:double_blocks\.\d|joint_blocks\.\d|input_blocks\.\d|down_blocks\.\d|cap_embedder\."
    r"|transformer_blocks\.\d|noise_refiner\.|blocks\.0\.cross_attn\.|layers\.0\.adaLN)"
)
_VAE: Final = r"(?:(?:first_stage_model|vae)\.)?decoder\.(?:conv_in\.|conv1\.|up\.\d|up_blocks\.\d)"
_TAESD: Final = r"(?:tae\.)?decoder\.(?:layers\.)?1?[0-9]\.(?:weight|conv\.0\.weight)"
_CLIP: Final = r"(?:[\w.]*\.)?text_model\.embeddings\.token_embedding\.weight"
_ENCODER: Final = r"(?:cond_stage_model|conditioner|text_encoders|te)\."
_LORA: Final = (
    r".*(?:\.lora_[AB]\.|\.lora_(?:up|down)\.|\.lora\.(?:up|down)\.|^lora_|\.hada_w|\.lokr_)"
)
_T5: Final = r"(?:[\w.]*\.)?(?:encoder\.block\.0\.layer\.0\.|enc\.blk\.0\.)"
_LLM: Final = r"(?:[\w.]*\.)?(?:layers\.0\.self_attn\.q_proj\.weight|blk\.0\.attn_q\.weight)"
_LONGEST_NAME: Final = 127  # bytes: stable-diffusion.cpp builds its ggml for such names
# The folders of diffusers that the library reads, with the prefix that it gives to their tensors.
_FOLDERS: Final = (
    ("unet/diffusion_pytorch_model.safetensors", "unet."),
    ("vae/diffusion_pytorch_model.safetensors", "vae."),
    ("text_encoder/model.safetensors", "te."),
    ("text_encoder_2/model.safetensors", "te.1."),
)
_UPSCALER: Final = r"(?:body\.0\.rdb1\.|model\.1\.sub\.0\.RDB1|RRDB_trunk\.0\.)"


class ModelPart(NamedTuple):
    """One file of a picture model."""

    path: Path
    role: Role
    shapes: Mapping[str, tuple[int, ...]]  # of its tensors by name, the slowest dimension first

    @property
    def encodes(self) -> bool:
        """Whether a VAE is in it that can also read pictures."""
        return any(re.search(r"(?:^|\.)encoder\.(?:conv_in|conv1|layers|0|down)\b", name)
                   for name in self.shapes if "text" not in name)  # fmt: skip


def read_part(path: Path) -> ModelPart:
    """Return what a file is.

    Raises
    ------
    BadModel
        It cannot be read, is damaged, or is nothing of a picture model.
    """
    if is_diffusers(path):
        found = [(path / name, prefix) for name, prefix in _FOLDERS if (path / name).exists()]
        shapes = {
            prefix + tensor: shape
            for file, prefix in found
            for tensor, shape in tensor_shapes(file).items()
        }
        return ModelPart(path, "checkpoint", shapes)
    shapes = dict(tensor_shapes(path))
    role = role_of(shapes)
    if role is None:
        raise BadModel(
            f"{shown(path)} is no part of a picture model that is known here",
            "name a .safetensors or .gguf file of one",
        )
    return ModelPart(path, role, shapes)


def is_diffusers(path: Path) -> bool:
    """Whether a path is a folder of diffusers with a U-Net, as the library reads it."""
    return (path / _FOLDERS[0][0]).is_file()


def tensor_shapes(path: Path) -> Mapping[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors by name, the slowest dimension first.

    Raises
    ------
    BadModel
        It cannot be read, or is neither a GGUF nor a safetensors file.
    """
    try:
        if not path.is_file():
            raise BadModel(f"{shown(path)} is no file", "check its name")
        with path.open("rb") as file:
            first = file.read(10)
    except OSError as error:
        raise BadModel(f"{shown(path)} cannot be read: {error.strerror}") from None
    if first[:4] == b"GGUF":
        return _of_gguf(path)
    if first[:2] in (b"PK", b"\x80\x02"):
        raise BadModel(
            f"{shown(path)} is a PyTorch checkpoint (a pickle), which can run code of its own",
            "take the model as .safetensors or .gguf",
        )
    return read_shapes(path)


def _of_gguf(path: Path) -> Mapping[str, tuple[int, ...]]:
    from localai.catalog.gguf.reader import read_header

    header = read_header(path, longest_name=_LONGEST_NAME)
    ends = [header.data_offset + tensor.offset + tensor.bytes for tensor in header.tensors]
    if not ends or max(ends) > header.file_bytes:
        what = "is cut off" if ends else "holds no tensors"
        raise BadModel(f"{shown(path)} {what}", "fetch the file again")
    return {tensor.name: tensor.shape[::-1] for tensor in header.tensors}


def role_of(shapes: Mapping[str, tuple[int, ...]]) -> Role | None:
    """Return what a file with such tensors is; None: nothing that is known here."""
    names = tuple(shapes)
    if _some(_LORA, names):
        return "lora"
    if _some(DIFFUSION, names):
        whole = _some(_VAE, names) or _some(_TAESD, names) or _some(_ENCODER, names)
        return "checkpoint" if whole else "diffusion"
    if role := _clip(shapes):  # before language models, whose layers have the same names
        return role
    return next((role for pattern, role in _PLAIN if _some(pattern, names)), None)


_PLAIN: Final[tuple[tuple[str, Role], ...]] = (
    (_UPSCALER, "upscaler"),
    (_VAE, "vae"),
    (_TAESD, "taesd"),
    (_T5, "t5xxl"),
    (_LLM, "llm"),
)


def _clip(shapes: Mapping[str, tuple[int, ...]]) -> Role | None:
    widths = [shape[-1] for name, shape in shapes.items() if shape and re.match(_CLIP, name)]
    return {768: "clip_l", 1280: "clip_g"}.get(widths[0]) if widths else None  # type: ignore[return-value]


def _some(pattern: str, names: Iterable[str]) -> bool:
    match = re.compile(pattern).match
    return any(match(name) for name in names)
