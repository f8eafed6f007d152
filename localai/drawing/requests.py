"""Prompts and options to the requests that a command sends, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from localai.catalog.diffusion import bundles
from localai.drawing.options import DrawOptions, random_seed, request_for
from localai.drawing.prompts import filled, has_wildcards, without_loras
from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.drawing import SEEDS, DrawRequest, PictureFormat
from localai.media.generation_parameters import GenerationParameters


def requests(
    options: DrawOptions,
    prompt: str,
    model: str,
    folder: Path,
    form: PictureFormat = "png",
    *,
    preview: bool = False,
) -> Iterator[DrawRequest]:
    """Yield the requests that draw a prompt: one, or one a picture where words come by chance.

    Raises
    ------
    BadInput
        A LoRA or a file of words that the prompt names is not there.
    """
    seed = random_seed() if options.seed is None else options.seed
    each = has_wildcards(prompt)
    for number in range(options.pictures if each else 1):
        own = (seed + number) % SEEDS
        text, loras = without_loras(filled(prompt, own) if each else prompt)
        asked = options._replace(
            seed=own, loras=(*options.loras, *loras), pictures=1 if each else options.pictures
        )
        yield request_for(asked, text, model, folder, form, preview=preview)


def model_like(parameters: GenerationParameters, name: str) -> str:
    """Return the model that a picture says it was drawn with, where its name can be used here.

    Raises
    ------
    BadInput
        It names none, or one that is not known; `name` is the picture's file.
    """
    model = parameters.settings.get("Model", "")
    if model == "tiny" or bundles.find(model):
        return model
    said = f"was drawn with {shown(model)}" if model else "does not say what it was drawn with"
    raise BadInput(f"{shown(name)} {said}", "name the model with -m")


def options_like(parameters: GenerationParameters, given: Mapping[str, object]) -> DrawOptions:
    """Return the options that draw a picture again; what was said of them goes first.

    Parameters
    ----------
    given : mapping
        Fields of `DrawOptions` that were said; None, False and empty ones were not, zeros were.
    """
    number, size = parameters.number, parameters.size()
    sampler, scheduler = parameters.sampler()
    found: dict[str, object] = {
        "negative": parameters.negative,
        "steps": _whole(number("Steps")),
        "cfg": number("CFG scale"),
        "seed": _whole(number("Seed")),
        "sampler": sampler,
        "scheduler": scheduler,
        "clip_skip": _whole(number("Clip skip")),
        "strength": number("Denoising strength"),
        "upscale": _whole(number("Hires upscale")),
    }
    said = {
        name: value
        for name, value in given.items()
        if value is not None and value is not False and value != "" and value != ()
    }
    if "quick" in said:
        del found["steps"]
    if size and not {"width", "height", "aspect"} & set(said):
        found["width"], found["height"] = size
    kept = {name: value for name, value in found.items() if value not in (None, "")}
    return DrawOptions(**{**kept, **said})  # type: ignore[arg-type]


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number.is_integer() and number >= 0 else None
