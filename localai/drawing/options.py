"""What a person asked for, as a request to a picture engine."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from localai import __version__
from localai.catalog.diffusion import bundles
from localai.errors import BadInput
from localai.media.drawing import SEEDS, DrawRequest, InitImage, LoraUse, PictureFormat

ASPECTS: Final = {
    "square": (1, 1),
    "portrait": (2, 3),
    "landscape": (3, 2),
    "wide": (16, 9),
    "tall": (9, 16),
}


class DrawOptions(NamedTuple):
    """What was said; what is None was not."""

    negative: str = ""
    width: int | None = None
    height: int | None = None
    aspect: tuple[int, int] | None = None
    steps: int | None = None
    cfg: float | None = None
    sampler: str | None = None
    scheduler: str | None = None
    seed: int | None = None
    pictures: int = 1
    clip_skip: int | None = None
    loras: tuple[LoraUse, ...] = ()
    init: InitImage | None = None
    strength: float = 0.75
    upscale: int = 1
    upscaler: str = ""
    quick: bool = False


def random_seed() -> int:
    """Return a seed of 32 bits."""
    return secrets.randbelow(SEEDS)


def size_of(text: str) -> tuple[int, int]:
    """Return width and height of `768x512`, or of `512` for both.

    Raises
    ------
    BadInput
        It is no size.
    """
    found = re.fullmatch(r"\s*(\d{1,5})\s*(?:[xX*\u00d7]\s*(\d{1,5}))?\s*", text)
    if not found:
        raise BadInput(f"--size is {text[:40]!r}, not WIDTHxHEIGHT", "--size 768x512")
    return int(found[1]), int(found[2] or found[1])


def aspect_of(text: str) -> tuple[int, int]:
    """Return the shape of a preset's name, or of `16:9`.

    Raises
    ------
    BadInput
        It is neither.
    """
    if text in ASPECTS:
        return ASPECTS[text]
    found = re.fullmatch(r"(\d{1,3})[:/x](\d{1,3})", text)
    if found and int(found[1]) and int(found[2]):
        return int(found[1]), int(found[2])
    raise BadInput(f"--aspect is {text[:40]!r}", f"{', '.join(ASPECTS)}; or 16:9")


def request_for(
    options: DrawOptions,
    prompt: str,
    model: str,
    folder: Path,
    form: PictureFormat = "png",
    *,
    preview: bool = False,
) -> DrawRequest:
    """Return a request; what neither the person nor the model's name says is left open.

    Parameters
    ----------
    model : str
        Its name: a bundle's has settings of its own.
    folder : Path
        Where the pictures are written under temporary names.
    """
    usual = bundles.defaults(model)
    return DrawRequest(
        prompt,
        negative=options.negative,
        width=options.width,
        height=options.height,
        aspect=options.aspect or (),
        side=usual.side,
        steps=options.steps or (None if options.quick else usual.steps),
        cfg=usual.cfg if options.cfg is None else options.cfg,
        sampler=options.sampler or usual.sampler,
        scheduler=options.scheduler,
        seed=random_seed() if options.seed is None else options.seed,
        pictures=options.pictures,
        clip_skip=options.clip_skip,
        loras=options.loras,
        init=options.init,
        strength=options.strength,
        upscale=options.upscale,
        upscaler=options.upscaler,
        quick=options.quick,
        quick_steps=usual.quick_steps,
        folder=str(folder.absolute()),
        format=form,
        model=_told(model),
        version=__version__,
        preview=preview,
    )


def _told(model: str) -> str:
    """Return what a picture says of its model: a name, never a path of this machine."""
    return model if bundles.find(model) or model == "tiny" else Path(model).stem
