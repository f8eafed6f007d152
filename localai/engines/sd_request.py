"""What a request for pictures means for a model: every setting decided."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from localai.catalog.diffusion.families import Family
from localai.catalog.diffusion.parts import ROLE_NAMES, read_part
from localai.errors import BadInput, BadModel
from localai.formats.text import shown
from localai.media.drawing import (
    MOST_PIXELS,
    MOST_SIDE,
    SAMPLERS,
    SCHEDULERS,
    SEEDS,
    DrawRequest,
    InitImage,
)
from localai.media.generation_parameters import (
    GenerationParameters,
    sampler_title,
    scheduler_title,
)
from localai.media.picture_metadata import check_writable
from localai.media.pictures import decode_picture

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_STEPS: Final = 1000


class DrawPlan(NamedTuple):
    """A request with nothing left open."""

    request: DrawRequest
    width: int
    height: int
    steps: int
    cfg: float
    sampler: str
    init: tuple[int, int, bytes] | None  # width, height, RGB
    notices: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height of the finished pictures, enlarged."""
        return self.width * self.request.upscale, self.height * self.request.upscale

    @property
    def prompt(self) -> str:
        """Return the prompt as the library gets it."""
        return self.request.prompt

    def parameters(self, number: int) -> GenerationParameters:
        """Return what the picture says of how it was made; no path is in it."""
        request = self.request
        settings = {
            "Steps": str(self.steps),
            "Sampler": sampler_title(self.sampler),
            "Schedule type": scheduler_title(request.scheduler) if request.scheduler else "",
            "CFG scale": f"{self.cfg:g}",
            "Seed": str(request.seed_of(number)),
            "Size": f"{self.width}x{self.height}",
            "Model": request.model,
            "Denoising strength": f"{request.strength:g}" if request.init else "",
            "Clip skip": str(request.clip_skip) if request.clip_skip else "",
            "Hires upscale": str(request.upscale) if request.upscale > 1 else "",
            "RNG": "GPU",  # noise as a GPU of that program makes it, wherever it is made
            "Version": f"localai {request.version}".strip(),
        }
        tags = "".join(f" <lora:{lora.name}:{lora.weight:g}>" for lora in request.loras)
        return GenerationParameters(
            request.prompt + tags, request.negative, {k: v for k, v in settings.items() if v}
        )


def plan_of(request: DrawRequest, family: Family, files: tuple[int, ...]) -> DrawPlan:
    """Decide every setting of a request.

    Parameters
    ----------
    files : tuple of int
        The descriptors that came with it.

    Raises
    ------
    BadInput
        A setting is out of bounds, the picture to begin with or a LoRA cannot be read, or the
        format cannot hold what is to be drawn.
    """
    _check(request)
    first = _opened(request.init, files) if request.init else None
    width, height = _size(request, family, first)
    cfg = family.cfg if request.cfg is None else request.cfg
    notices = []
    if (wanted := _wanted(request, first)) and wanted != (width, height):
        notices.append(
            f"{family.title} draws sizes that {family.multiple} divides: {width}x{height}"
        )
    if request.negative and cfg == 1:
        notices.append("at guidance 1 a negative prompt does nothing: --cfg 2 or more lets it act")
    plan = DrawPlan(
        request,
        width,
        height,
        _steps(request, family),
        cfg,
        request.sampler or family.sampler,
        _fitted(first, width, height) if first else None,
        tuple(notices),
    )
    check_writable(request.format, plan.size, plan.parameters(0))
    return plan


def _steps(request: DrawRequest, family: Family) -> int:
    if request.steps:
        return request.steps
    if request.quick:
        return request.quick_steps or family.quick_steps or max(1, family.steps // 2)
    return family.steps


def _check(request: DrawRequest) -> None:
    for name, value, low, high in (
        ("width", request.width, 8, MOST_SIDE),
        ("height", request.height, 8, MOST_SIDE),
        ("steps", request.steps, 1, _MOST_STEPS),
        ("cfg", request.cfg, 0, 100),
        ("count", request.pictures, 1, 10_000),
        ("strength", request.strength, 0, 1),
        ("upscale", request.upscale, 1, 8),
        ("clip skip", request.clip_skip, 1, 12),
        ("seed", request.seed, 0, SEEDS - 1),
    ):
        if value is not None and not low <= value <= high:
            raise BadInput(f"{name} is {value:g}; it goes from {low} to {high}")
    for what, given, known in (
        ("sampler", request.sampler, SAMPLERS),
        ("scheduler", request.scheduler, SCHEDULERS),
    ):
        if given is not None and given not in known:
            raise BadInput(f"there is no {what} {given!r}", ", ".join(known))
    for lora in request.loras:
        try:
            role = read_part(Path(lora.path)).role
        except BadModel as error:
            raise BadInput(f"the LoRA {shown(lora.name)}: {error.what}", error.next_step) from None
        if role != "lora":
            raise BadInput(f"{shown(lora.path)} is {ROLE_NAMES[role]}, and no LoRA", "--lora FILE")


def _wanted(request: DrawRequest, first: Image | None) -> tuple[int, int] | None:
    if request.width and request.height:
        return request.width, request.height
    return first.size if first and not (request.width or request.height) else None


def _size(request: DrawRequest, family: Family, first: Image | None) -> tuple[int, int]:
    """Return the size: what was said, else that of the first picture, else the family's."""
    width, height = request.width, request.height
    if first is not None and not (width and height):
        of_width, of_height = first.size
        if width:
            height = round(width * of_height / of_width)
        elif height:
            width = round(height * of_width / of_height)
        else:
            width, height = of_width, of_height
    side = request.side or family.side
    if len(request.aspect) == 2 and not (width or height):
        across, down = request.aspect
        width = round(side * (across / down) ** 0.5)
        height = round(side * (down / across) ** 0.5)
    width, height = width or side, height or side
    # The library rounds up by itself, and says so in its log alone.
    step = 8 if family.unet else family.multiple
    width, height = -(-width // step) * step, -(-height // step) * step
    if width > MOST_SIDE or height > MOST_SIDE or width * height > MOST_PIXELS:
        raise BadInput(f"{width}x{height} is too large", f"at most {MOST_SIDE} pixels a side")
    return width, height


def _opened(init: InitImage, files: tuple[int, ...]) -> Image:
    """Return the picture to begin with: upright, without transparency, in RGB.

    Raises
    ------
    BadInput
        It cannot be read, is no picture, or too large.
    """
    from PIL import Image

    if init.file is not None and not 0 <= init.file < len(files):
        what = f"{shown(init.name)} was to come by a descriptor that is not there"
        raise BadInput(what)
    source = Path(init.path) if init.file is None else files[init.file]
    width, height, rgb = decode_picture(source, init.name, most_pixels=MOST_PIXELS).pixels
    return Image.frombytes("RGB", (width, height), rgb)


def _fitted(image: Image, width: int, height: int) -> tuple[int, int, bytes]:
    """Return the pixels of a picture at a size, cut to its shape in the middle."""
    from PIL import Image, ImageOps

    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return width, height, image.tobytes()
