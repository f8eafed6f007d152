"""Families of picture models: told from their tensors, with what each needs and how it draws best.

The marks are those by which stable-diffusion.cpp tells them (`ModelLoader::get_sd_version`), so
that both agree; settings are the families' own recommendations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from localai.catalog.diffusion.parts import DIFFUSION, ROLE_NAMES, ModelPart, Role
from localai.errors import BadModel
from localai.formats.text import shown


class Family(NamedTuple):
    """A family, and the settings where nobody asks for others."""

    name: str
    title: str  # for people
    side: int  # pixels, width and height
    steps: int
    cfg: float  # 1: no guidance, so a negative prompt does nothing
    sampler: str = "euler"
    quick_steps: int = 0  # with --quick; 0: half of the usual
    needs: tuple[Role, ...] = ()  # beside the diffusion model, where it is no whole checkpoint
    multiple: int = 16  # sizes are multiples of it
    unet: bool = False  # a U-Net with CLIP, whose prompts are lists of words


FAMILIES: Final = {
    family.name: family
    for family in (
        Family("tiny", "the tiny picture model", 64, 4, 1.0, multiple=16, needs=("llm", "taesd")),
        Family("sd1", "Stable Diffusion 1", 512, 20, 7.0, "euler_a", 12, multiple=64, unet=True,
               needs=("clip_l", "vae")),
        Family("sdxs", "SDXS-512", 512, 1, 1.0, "euler_a", 1, multiple=64, unet=True),
        Family("sd2", "Stable Diffusion 2", 512, 20, 7.0, "euler_a", 12, multiple=64, unet=True,
               needs=("clip_l", "vae")),
        Family("sdxl", "Stable Diffusion XL", 1024, 25, 6.0, "euler_a", 14, multiple=64, unet=True,
               needs=("clip_l", "clip_g", "vae")),
        Family("sd3", "Stable Diffusion 3", 1024, 28, 4.5, needs=("clip_l", "clip_g", "vae")),
        Family("flux1-dev", "FLUX.1 dev", 1024, 20, 1.0, needs=("clip_l", "t5xxl", "vae")),
        Family("flux1-schnell", "FLUX.1 schnell", 1024, 4, 1.0, quick_steps=2,
               needs=("clip_l", "t5xxl", "vae")),
        Family("chroma", "Chroma", 1024, 26, 4.0, needs=("t5xxl", "vae")),
        Family("flux2-dev", "FLUX.2 dev", 1024, 20, 1.0, needs=("llm", "vae")),
        Family("flux2-klein", "FLUX.2 klein", 1024, 4, 1.0, quick_steps=2, needs=("llm", "vae")),
        Family("z-image", "Z-Image", 1024, 8, 1.0, quick_steps=5, needs=("llm", "vae")),
        Family("qwen-image", "Qwen-Image", 1024, 20, 2.5, needs=("llm", "vae")),
        Family("ovis-image", "Ovis-Image", 1024, 20, 5.0, needs=("llm", "vae")),
    )
}  # fmt: skip

# Told at once by a tensor that no other family has; what is not drawn here has a sentence.
_MARKS: Final[tuple[tuple[str, str], ...]] = (
    (r"nerf_final_layer_conv\.", "!Chroma Radiance"),
    (r"distilled_guidance_layer\.in_proj\.", "chroma"),
    (r"joint_blocks\.\d", "sd3"),
    (r"transformer_blocks\.0\.img_mod\.1\.weight", "qwen-image"),
    (r"llm_adapter\.blocks\.0\.cross_attn\.", "!Anima"),
    (r"layers\.0\.adaLN_sa_ln\.", "!ERNIE-Image"),
    (r"cap_embedder\.0\.weight", "z-image"),
    (r"blocks\.0\.cross_attn\.norm_k\.", "!Wan, which makes videos"),
    (r"input_blocks\.8\.0\.time_mixer\.", "!Stable Video Diffusion, which makes videos"),
)
_PREFIX: Final = re.compile(r"(?:model\.diffusion_model\.|diffusion_model\.|unet\.|transformer\.)")
_LEAST_TOKENS: Final = 151_669  # rows of a Qwen encoder: the library aborts where there are fewer


def family_of(parts: Iterable[ModelPart]) -> Family:
    """Return the family of the diffusion model among the parts.

    Raises
    ------
    BadModel
        There is none, or it is of a family that is not drawn here.
    """
    found = tuple(parts)
    part = next((each for each in found if each.role in ("checkpoint", "diffusion")), None)
    if part is None:
        only = ", ".join(f"{shown(each.path)} is {ROLE_NAMES[each.role]}" for each in found)
        raise BadModel(f"there is no diffusion model: {only}", "name the model's own file")
    name = _name(_own(part.shapes), part.shapes)
    if name in FAMILIES:
        return FAMILIES[name]
    known = name.removeprefix("!") or "of a family that is not known here"
    raise BadModel(
        f"{shown(part.path)} is {known}, and cannot be drawn with", "localai models lists some"
    )


def _own(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the tensors of the diffusion model alone, without their prefix."""
    prefixed = {n: s for n, s in shapes.items() if _PREFIX.match(n)}
    chosen = prefixed if any(re.match(DIFFUSION, name) for name in prefixed) else shapes
    return {_PREFIX.sub("", name, 1): shape for name, shape in chosen.items()}


def _name(own: Mapping[str, tuple[int, ...]], whole: Mapping[str, tuple[int, ...]]) -> str:
    for mark, name in _MARKS:
        found = re.compile(mark).match
        if any(found(tensor) for tensor in own):
            return name
    if any(name.startswith("double_blocks.") for name in own):
        return _flux(own)
    return _unet(own, whole)


def _flux(own: Mapping[str, tuple[int, ...]]) -> str:
    width = own.get("img_in.weight", (0, 0))
    if "double_blocks.0.img_mlp.gate_proj.weight" in own:
        return "tiny" if width[0] == 128 else "ovis-image"
    if "double_stream_modulation_img.lin.weight" in own:
        deep = any(name.startswith("single_blocks.47.") for name in own)
        return "flux2-dev" if deep else "flux2-klein"
    if width[-1] in (384, 128, 196):
        return "!a FLUX.1 model that edits pictures (Fill, Canny, Depth, Flex.2)"
    guided = any(name.startswith("guidance_in.") for name in own)
    return "flux1-dev" if guided else "flux1-schnell"


def _unet(own: Mapping[str, tuple[int, ...]], whole: Mapping[str, tuple[int, ...]]) -> str:
    """Return which U-Net it is: by the width of the text that its attention reads."""
    first = own.get("input_blocks.0.0.weight") or own.get("conv_in.weight") or (0, 4)
    if len(first) > 1 and first[1] in (8, 9):
        return "!a Stable Diffusion model for inpainting or editing"
    widths = {
        shape[1]
        for name, shape in own.items()
        if name.endswith("attn2.to_k.weight") and len(shape) == 2
    }
    middle = any(name.startswith(("middle_block.1.", "mid_block.resnets.1.")) for name in own)
    if 2048 in widths:
        return "sdxl"
    if not middle and not any(name.startswith(("output_blocks.7.1", "up_blocks.2.attentions.1"))
                              for name in own):  # fmt: skip
        return "sdxs"
    return {768: "sd1", 1024: "sd2"}.get(max(widths, default=0), "")


def check_whole(family: Family, parts: Sequence[ModelPart]) -> None:
    """Refuse a model of which a part is missing: the library would end the process, or say nothing.

    Raises
    ------
    BadModel
        A part is missing, is there that belongs to none, or has too few tokens.
    """
    found = {part.role: part for part in parts}
    name = ", ".join(shown(part.path) for part in parts)
    for role in ("lora", "upscaler"):
        if role in found:
            what = f"{shown(found[role].path)} is {ROLE_NAMES[role]}, and no part of a model"
            raise BadModel(what, "--lora FILE, --upscaler FILE")
    if "checkpoint" not in found:
        for need in family.needs:
            if need not in found and not (need == "vae" and "taesd" in found):
                raise BadModel(
                    f"{name}: {family.title} needs {ROLE_NAMES[need]} beside its diffusion model",
                    "put all files into one folder and name that, or take a name of localai models",
                )
    if "llm" in family.needs:
        _check_tokens(found)


def _check_tokens(found: Mapping[Role, ModelPart]) -> None:
    for part in found.values():
        for name, shape in part.shapes.items():
            if name.endswith(("embed_tokens.weight", "token_embd.weight")):
                if min(shape[0], _LEAST_TOKENS) < _LEAST_TOKENS:
                    what = f"the text encoder in {shown(part.path)} has {shape[0]} tokens"
                    raise BadModel(f"{what}; at least {_LEAST_TOKENS} are needed")
                return
