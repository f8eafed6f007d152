"""What a picture engine is asked, and what it answers with besides progress and files."""

from __future__ import annotations

from typing import Literal, NamedTuple

PictureFormat = Literal["png", "jpeg", "webp"]
SAMPLERS = (
    "euler", "euler_a", "heun", "dpm2", "dpm++2s_a", "dpm++2m", "dpm++2mv2", "ipndm", "ipndm_v",
    "lcm", "ddim_trailing", "tcd", "res_multistep", "res_2s", "er_sde",
)  # fmt: skip
"""Of stable-diffusion.cpp, in the order of its `sample_method_t`."""
SCHEDULERS = (
    "discrete", "karras", "exponential", "ays", "gits", "sgm_uniform", "simple", "smoothstep",
    "kl_optimal", "lcm", "bong_tangent",
)  # fmt: skip
"""Of stable-diffusion.cpp, in the order of its `scheduler_t`."""
SEEDS = 1 << 32  # there are so many
MOST_SIDE = 8192  # pixels
MOST_PIXELS = 1 << 26  # 64 megapixels: nothing draws more, and a slip should not take all memory


class LoraUse(NamedTuple):
    """A LoRA for one request."""

    name: str
    path: str
    weight: float = 1.0


class InitImage(NamedTuple):
    """The picture that a drawing begins with: a path, or an open descriptor of the request."""

    name: str  # for people
    path: str = ""
    file: int | None = None


class DrawRequest(NamedTuple):
    """A wish for pictures; what is None is as the model's family has it."""

    prompt: str
    negative: str = ""
    width: int | None = None  # pixels
    height: int | None = None
    aspect: tuple[int, ...] = ()  # width to height, as in (16, 9), where neither is said
    side: int | None = None  # pixels of a square of the usual size
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None  # one of `SAMPLERS`
    scheduler: str | None = None  # one of `SCHEDULERS`; None: the sampler's own
    seed: int = 0  # of the first picture; each next one has the next seed
    pictures: int = 1
    clip_skip: int | None = None
    loras: tuple[LoraUse, ...] = ()
    init: InitImage | None = None
    strength: float = 0.75  # of the change to `init`: 0 keeps it, 1 forgets it
    upscale: int = 1  # factor
    upscaler: str = ""  # path of an ESRGAN model; empty: Lanczos
    quick: bool = False  # fewer steps
    quick_steps: int | None = None  # that these are
    folder: str = "."  # absolute; the pictures are written there under temporary names
    format: PictureFormat = "png"
    model: str = ""  # what the pictures say that drew them
    version: str = ""
    preview: bool = False  # small pictures on the way
    interactive: bool = True

    def seed_of(self, number: int) -> int:
        """Return the seed of one of the pictures."""
        return (self.seed + number) % SEEDS


class Planned(NamedTuple):
    """What was left open in a request is decided; it comes before anything is drawn."""

    width: int  # of the finished pictures, enlarged
    height: int
    steps: int


class PreviewFrame(NamedTuple):
    """A picture on its way, small."""

    number: int  # which of the request's pictures
    width: int
    height: int
    rgb: str  # base64 of the bytes, row by row


class Drawn(NamedTuple):
    """A picture is finished; its `FileReady` follows."""

    number: int
    width: int
    height: int
    seconds: float
    parameters: str  # as `generation_parameters` writes them
