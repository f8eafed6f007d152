"""stable-diffusion.cpp by its C functions: contexts, pictures, and what it says meanwhile.

Built on the binding's ctypes layer (`stable_diffusion_cpp.stable_diffusion_cpp`), not on its class
`StableDiffusion`. In version 0.4.7 that one

- takes a failed load for a model (a NULL pointer is not `None`), and crashes when it closes it;
- leaves callbacks of its own to the library when they are freed, and hides output by pointing the
  file descriptors 1 and 2 of the whole process elsewhere;
- sets `eta` to 0, which takes the noise from ancestral samplers, and fills fields of the "hires"
  and "cache" records under wrong names or not at all;
- maps the levels of log lines the wrong way round, reads a seed below 0 as one of 10,000, names
  `_embedding_items` that it does not have, and makes masks of millions of Python numbers.

Here the library's own `*_init` functions fill the records, three callbacks stay for the life of the
process, and every pointer is looked at. One call at a time: contexts may not be shared by threads.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from stable_diffusion_cpp import stable_diffusion_cpp as native

from localai.engines.ggml import devices
from localai.engines.sd_talk import TALK, WARN, Previewed, Progressed
from localai.errors import BadModel, LocalaiError, NotEnoughMemory
from localai.media.drawing import SAMPLERS, SCHEDULERS, LoraUse

_MEMORY: Final = re.compile(r"alloc|out of memory|not enough memory|too less memory", re.I)
_APPLIED: Final = re.compile(
    r"\((\d+) / \d+\) LoRA tensors have been applied, lora_file_path = (.*)"
)
PREVIEW_PROJECTED, PREVIEW_DECODED = 1, 2  # preview_t: projected latents, decoded by TAESD
_DECODED: Final = 3  # previews of a picture that are decoded
LORA_AT_RUNTIME: Final = 2  # lora_apply_mode_t


class RawImage(NamedTuple):
    """Pixels, row by row."""

    width: int
    height: int
    rgb: bytes


class GenerateParams(NamedTuple):
    """What one picture is drawn with, nothing left open."""

    prompt: str
    negative: str
    width: int
    height: int
    steps: int
    cfg: float
    seed: int
    sampler: str | None = None  # None: the family's own
    scheduler: str | None = None  # None: the sampler's own
    clip_skip: int | None = None
    loras: tuple[LoraUse, ...] = ()
    init: RawImage | None = None
    strength: float = 0.75
    vae_tiling: bool = False


_libc = ctypes.CDLL(None)
_libc.free.argtypes = [ctypes.c_void_p]


def _initialised(record: Any, name: str) -> Any:
    """Return a record that the library has filled with its own defaults."""
    function = getattr(native._lib, name)
    function.argtypes, function.restype = [ctypes.c_void_p], None
    function(ctypes.byref(record))
    return record


def cards() -> list[tuple[str, int]]:
    """Return the graphics cards that the library can use: `gpu0`, and its free bytes."""
    found = [device for device, _ in devices(native._lib) if device.kind in ("GPU", "IGPU")]
    return [(f"gpu{at}", device.free) for at, device in enumerate(found)]


def system_info() -> str:
    """Return what the library says of itself."""
    return str((native.sd_get_system_info() or b"").decode("utf-8", "replace"))


class DiffusionContext:
    """A loaded picture model.

    Parameters
    ----------
    paths : dict
        Fields of `sd_ctx_params_t` that are paths: `model_path`, `diffusion_model_path`, ...
    flags : dict
        Its other fields.

    Raises
    ------
    BadModel, NotEnoughMemory
        The library does not load it.
    """

    def __init__(self, paths: dict[str, str], **flags: Any) -> None:
        record = _initialised(native.sd_ctx_params_t(), "sd_ctx_params_init")
        record.free_params_immediately = False  # or the second picture would find no weights
        for name, path in paths.items():
            setattr(record, name, os.fsencode(path))
        for name, value in flags.items():
            if not hasattr(type(record), name):
                raise AttributeError(name)  # ctypes would take it for an attribute of its own
            setattr(record, name, value)
        TALK.begin(None, None)
        self._pointer = native.new_sd_ctx(ctypes.byref(record))
        if not self._pointer:  # a NULL pointer is an object, and not None
            raise _not_loaded(next(iter(paths.values()), "the model"))

    def generate(
        self,
        params: GenerateParams,
        progress: Progressed | None = None,
        preview: Previewed | None = None,
        preview_mode: int = PREVIEW_PROJECTED,
    ) -> RawImage:
        """Draw one picture.

        Raises
        ------
        NotEnoughMemory
            There was not enough for it.
        LocalaiError
            The library failed, or did not use a LoRA.
        """
        record = _initialised(native.sd_img_gen_params_t(), "sd_img_gen_params_init")
        kept = _fill(record, params)
        TALK.begin(progress, preview)
        # Projected latents cost nothing; to decode them takes as long as to decode the picture.
        every = 1 if preview_mode == PREVIEW_PROJECTED else max(1, -(-params.steps // _DECODED))
        TALK.show_previews(preview_mode if preview else 0, every)
        try:
            images = native.generate_image(self._pointer, ctypes.byref(record))
        finally:
            TALK.show_previews(0)
        del kept
        image = _taken(images, "the picture could not be drawn")
        _check_loras(params.loras)
        return image

    def default_sampler(self) -> str:
        """Return the sampler that the library takes where none is named."""
        return SAMPLERS[native.sd_get_default_sample_method(self._pointer)]

    def close(self) -> None:
        """Give the memory back."""
        if self._pointer:
            _free_context(self._pointer)
            self._pointer = None


def _free_context(pointer: Any) -> None:
    native.free_sd_ctx(pointer)


class Upscaler:
    """A loaded ESRGAN model.

    Raises
    ------
    BadModel
        The library does not load it.
    """

    def __init__(self, path: str, threads: int) -> None:
        TALK.begin(None, None)
        self._pointer = native.new_upscaler_ctx(os.fsencode(path), False, False, threads, 128)
        if not self._pointer:
            raise _not_loaded(path)
        self.factor = int(native.get_upscale_factor(self._pointer))

    def enlarge(self, image: RawImage) -> RawImage:
        """Return a picture `factor` times as wide and high."""
        TALK.begin(None, None)
        pixels, kept = _image(image)
        found = native.upscale(self._pointer, pixels, self.factor)
        del kept
        return _pixels(found, "the picture could not be enlarged")

    def close(self) -> None:
        """Give the memory back."""
        if self._pointer:
            native.free_upscaler_ctx(self._pointer)
            self._pointer = None


def _fill(record: Any, params: GenerateParams) -> Sequence[Any]:
    """Fill a request's record; return what has to live as long as it."""
    record.prompt = params.prompt.encode("utf-8", "replace")
    record.negative_prompt = params.negative.encode("utf-8", "replace")
    record.width, record.height = params.width, params.height
    record.seed = params.seed
    record.batch_count = 1
    record.strength = params.strength
    sample = record.sample_params
    sample.sample_steps = params.steps
    sample.guidance.txt_cfg = params.cfg
    if params.sampler is not None:
        sample.sample_method = SAMPLERS.index(params.sampler)
    if params.scheduler is not None:
        sample.scheduler = SCHEDULERS.index(params.scheduler)
    if params.clip_skip is not None:
        record.clip_skip = params.clip_skip
    record.vae_tiling_params.enabled = params.vae_tiling
    loras = (native.sd_lora_t * max(1, len(params.loras)))()
    for slot, lora in zip(loras, params.loras, strict=False):
        slot.path, slot.multiplier = os.fsencode(lora.path), lora.weight
    record.loras, record.lora_count = loras, len(params.loras)
    kept: list[Any] = [loras]
    if params.init is not None:
        record.init_image, pixels = _image(params.init)
        kept.append(pixels)
    return kept


def _image(image: RawImage) -> tuple[Any, Any]:
    """Return the library's record of a picture, and the bytes that it points at."""
    pixels = (ctypes.c_uint8 * len(image.rgb)).from_buffer_copy(image.rgb)
    pointer = ctypes.cast(pixels, ctypes.POINTER(ctypes.c_uint8))
    record = native.sd_image_t(image.width, image.height, 3, pointer)
    return record, pixels


def _taken(images: Any, failure: str) -> RawImage:
    """Return the one picture of an array, and free both."""
    if not images:
        raise _failed(failure)
    try:
        return _pixels(images[0], failure)
    finally:
        _libc.free(ctypes.cast(images, ctypes.c_void_p))


def _pixels(image: Any, failure: str) -> RawImage:
    """Return a picture of the library as bytes, and free its own."""
    if not image.data:
        raise _failed(failure)
    try:
        size = image.width * image.height * 3
        return RawImage(image.width, image.height, ctypes.string_at(image.data, size))
    finally:
        _libc.free(ctypes.cast(image.data, ctypes.c_void_p))


def _not_loaded(path: str) -> LocalaiError:
    if TALK.said(_MEMORY):
        return _no_memory()
    why = TALK.first() or TALK.first(WARN) or "it does not say why"
    return BadModel(
        f"stable-diffusion.cpp cannot load {path}: {why}",
        "the file may be damaged or lack a part: fetch it anew, or take another model",
    )


def _failed(what: str) -> LocalaiError:
    if TALK.said(_MEMORY):
        return _no_memory()
    why = TALK.first()
    return LocalaiError(f"{what}: {why}" if why else what, "try another size, or fewer steps")


def _no_memory() -> NotEnoughMemory:
    return NotEnoughMemory(
        "there is not enough memory for this picture",
        "a smaller --size, --vram N for a card of N GB, or a smaller model",
    )


def _check_loras(loras: Sequence[LoraUse]) -> None:
    """Refuse a LoRA of which the library used nothing: it says so in its log alone."""
    told: dict[str, int] = {}
    for found in TALK.said(_APPLIED):  # text encoder, diffusion model and VAE count alone
        told[found[2]] = told.get(found[2], 0) + int(found[1])
    for lora in loras:
        if told.get(lora.path) == 0:
            raise LocalaiError(
                f"the LoRA {lora.name} does not fit this model: none of its tensors has a place "
                "there",
                "take a LoRA that was made for the model's family",
            )
