"""The options of `localai sd`, and what they say of the pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localai.commands.click_ext import option
from localai.commands.options import stack
from localai.commands.params import BoundedNumber
from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.terminal.console import Console

if TYPE_CHECKING:
    from localai.drawing.options import DrawOptions
    from localai.media.generation_parameters import GenerationParameters

_FORMATS = ("png", "jpeg", "webp")


pictures = stack(
    option("-f", "--file", "prompts", metavar="FILE", help="Draw each line of FILE; - is stdin."),
    option("-p", "--prompt", "prompt_file", metavar="NAME", help="A prompt file's name or path, with {{input}} in it."),
    option("--negative", default="", metavar="TEXT", help="What shall not be seen."),
    option("--size", metavar="WxH", help="Size in pixels. [the model's own]"),
    option("--width", type=BoundedNumber(8, 8192), metavar="N", help="Width in pixels."),
    option("--height", type=BoundedNumber(8, 8192), metavar="N", help="Height in pixels."),
    option("--aspect", metavar="SHAPE", help="square, portrait, landscape, wide, tall, or 16:9."),
    option("--steps", type=BoundedNumber(1, 1000), metavar="N", help="Steps of the sampler. [the model's own]"),
    option("--cfg", type=BoundedNumber(0.0, 100.0), metavar="X", help="Guidance: how closely the prompt is kept to. [the model's own]"),
    option("--sampler", metavar="NAME", help="euler, euler_a, dpm++2m, lcm, ... [the model's own]"),
    option("--scheduler", metavar="NAME", help="discrete, karras, simple, ... [the sampler's own]"),
    option("--seed", type=BoundedNumber(0, 2**32 - 1), metavar="N", help="Makes a picture repeatable. [random]"),
    option("--count", type=BoundedNumber(1, 10_000), default=1, metavar="N", help="How many pictures, each with the next seed. [1]"),
    option("--clip-skip", type=BoundedNumber(1, 12), metavar="N", help="Leave out the last layers of CLIP."),
    option("--quick", is_flag=True, help="Fewer steps: a draft."),
    option("--vae", metavar="FILE", help="Another VAE than the model's."),
    option("--lora", "loras", multiple=True, metavar="NAME[:WEIGHT]", help="A LoRA's name or file; repeatable."),
    option("--init", metavar="IMAGE", help="Begin with this picture; - is stdin."),
    option("--strength", type=BoundedNumber(0.0, 1.0), metavar="X", help="How much of --init is changed, 0 to 1. [0.75]"),
    option("--upscale", type=BoundedNumber(1, 8), metavar="N", help="Enlarge the finished picture N times."),
    option("--upscaler", metavar="FILE", help="An ESRGAN model for --upscale."),
    option("--like", metavar="IMAGE", help="Draw again what this picture says of itself."),
    option("--vram", metavar="auto|N", help="Keep within N GB of the graphics card. [auto]"),
)  # fmt: skip

result = stack(
    option("-o", "--output", metavar="FILE|DIR|PATTERN", help="Write there; - is stdout. [{slug}-{seed}.png]"),
    option("-F", "--format", "form", type=click.Choice(_FORMATS), metavar="|".join(_FORMATS), help="Format of the files. [as -o ends, else png]"),
    option("--force", is_flag=True, help="Overwrite files that are there."),
    option("--no-preview", is_flag=True, help="Show no pictures in the terminal."),
)  # fmt: skip


def asked_of(given: dict[str, Any], like: GenerationParameters | None) -> DrawOptions:
    """Return what was said of the pictures, upon what a picture like them says of itself.

    Raises
    ------
    BadInput
        Two options contradict each other, or one is none.
    """
    from localai.drawing.options import DrawOptions, aspect_of, size_of
    from localai.drawing.prompts import lora_from
    from localai.drawing.requests import options_like
    from localai.media.drawing import InitImage

    if given["size"] and (given["width"] or given["height"] or given["aspect"]):
        raise BadInput("--size and another size cannot be kept together", "use one of them")
    width, height = size_of(given["size"]) if given["size"] else (given["width"], given["height"])
    init = given["init"]
    piped = init and not os.path.isfile(init)
    stdin = InitImage("stdin" if init == "-" else init, file=0) if piped else None
    said = {
        "negative": given["negative"],
        "width": width,
        "height": height,
        "aspect": aspect_of(given["aspect"]) if given["aspect"] else None,
        "steps": given["steps"],
        "cfg": given["cfg"],
        "sampler": given["sampler"],
        "scheduler": given["scheduler"],
        "seed": given["seed"],
        "pictures": given["count"],
        "clip_skip": given["clip_skip"],
        "loras": tuple(map(lora_from, given["loras"])),
        "init": stdin or (InitImage(init, os.path.abspath(init)) if init else None),
        "strength": given["strength"],
        "upscale": given["upscale"],
        "upscaler": os.path.abspath(given["upscaler"]) if given["upscaler"] else None,
        "quick": given["quick"],
    }
    if like is not None:
        return options_like(like, said)
    return DrawOptions(**{name: value for name, value in said.items() if value is not None})


def gigabytes(text: str) -> str:
    """Return what `--vram` says, as a number of GB.

    Raises
    ------
    BadInput
        It is none.
    """
    try:
        number = float(text.lower().removesuffix("gb").removesuffix("g"))
    except ValueError:
        number = 0
    if not 0.5 <= number <= 10_000:
        raise BadInput(f"--vram is {text[:20]!r}, not auto or a number of GB", "--vram 6")
    return f"{number:g}"


def like(console: Console, given: dict[str, Any]) -> GenerationParameters | None:
    """Return how the picture of --like was made, if there is one."""
    return read_picture(console, given["like"]) if given["like"] else None


def read_picture(console: Console, name: str) -> GenerationParameters:
    """Return how a picture was made; `-` is stdin.

    Raises
    ------
    BadInput
        It cannot be read.
    LocalaiError
        It does not say.
    """
    from localai.media.picture_metadata import read

    found = read(console.read_bytes() if name == "-" else Path(name))
    if found is None:
        raise LocalaiError(f"{shown(name)} does not say how it was made")
    return found
