"""Draws the pictures that the tiny vision model learns from: one thing, or nothing, on a colour."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]  # height x width x 3, RGB
Rgb = tuple[int, int, int]

SIZE = 56  # pixels a side that the model sees
COLOURS: dict[str, tuple[Rgb, ...]] = {  # what goes by a name lies about or between these
    "red": ((220, 30, 30), (254, 1, 1)),
    "green": ((30, 160, 50), (1, 200, 1), (1, 254, 1)),
    "blue": ((40, 70, 220), (1, 1, 254)),
    "yellow": ((240, 220, 40), (254, 254, 1)),
    "orange": ((250, 140, 20), (254, 128, 1)),
    "purple": ((140, 40, 170), (128, 1, 128)),
    "pink": ((250, 150, 190), (254, 130, 190)),
    "brown": ((120, 70, 30), (139, 69, 19)),
    "black": ((15, 15, 15), (1, 1, 1)),
    "white": ((248, 248, 248), (254, 254, 254)),
    "grey": ((128, 128, 128), (110, 110, 110)),
}
SHAPES = ("circle", "square", "triangle", "cross", "ring")
PLAIN = 0.3  # share of pictures with nothing on them
_PADDING = (122, 116, 104)  # llama.cpp's, where a picture is not square


@dataclass(frozen=True)
class Drawn:
    """A picture and what is on it."""

    pixels: Pixels
    background: str
    colour: str = ""  # of the thing; empty: there is none
    shape: str = ""

    @property
    def caption(self) -> str:
        """What the model is to say of it."""
        if not self.shape:
            return f"Plain {self.background}, with nothing on it."
        return f"{article(self.colour).capitalize()} {self.shape} on {self.background}."


def article(word: str) -> str:
    """The word with `a` or `an` before it."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _shade(r: random.Random, name: str, spread: int = 14) -> NDArray[np.float32]:
    low, high = r.choice(COLOURS[name]), r.choice(COLOURS[name])
    part = r.random()
    mixed = [
        a + (b - a) * part + r.randint(-spread, spread) for a, b in zip(low, high, strict=True)
    ]
    return np.array([min(255, max(0, value)) for value in mixed], np.float32)


def _cover(
    shape: str, at: tuple[float, float], radius: float, size: int, soft: float
) -> NDArray[np.float32]:
    """How much of each pixel a shape covers, 0 to 1."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    x, y = x + 0.5 - at[0], y + 0.5 - at[1]
    match shape:
        case "circle":
            far = np.sqrt(x * x + y * y) - radius
        case "square":
            far = np.maximum(abs(x), abs(y)) - radius * 0.9
        case "triangle":
            far = np.maximum(y - radius * 0.8, (abs(x) * 1.8 - (y + radius)) / 2.06)
        case "cross":
            arm = np.minimum(abs(x), abs(y)) - radius * 0.32
            far = np.maximum(arm, np.maximum(abs(x), abs(y)) - radius)
        case _:
            far = abs(np.sqrt(x * x + y * y) - radius * 0.78) - radius * 0.24
    return np.clip(0.5 - far / soft, 0, 1)[..., None].astype(np.float32)


def draw(r: random.Random, size: int = SIZE) -> Drawn:
    """A clean picture of `size` pixels a side."""
    background = r.choice(list(COLOURS))
    image = np.ones((size, size, 3), np.float32) * _shade(r, background)
    if r.random() < PLAIN:
        return Drawn(_bytes(image), background)
    colour = r.choice([name for name in COLOURS if name != background])
    shape, scale = r.choice(SHAPES), size / 56
    radius = r.uniform(9, 19)
    at = (r.uniform(radius + 1, 55 - radius) * scale, r.uniform(radius + 1, 55 - radius) * scale)
    cover = _cover(shape, at, radius * scale, size, r.uniform(0.8, 2.0))
    image = image * (1 - cover) + _shade(r, colour) * cover
    return Drawn(_bytes(image), background, colour, shape)


def worn(r: random.Random, drawn: Drawn) -> Drawn:
    """The picture as a camera or a web page might give it: noise, blur, JPEG, bars at two sides."""
    pixels = drawn.pixels
    if r.random() < 0.35:
        noise = np.random.default_rng(r.randrange(1 << 30)).normal(
            0, r.uniform(2, 12), (*pixels.shape[:2], r.choice([1, 3]))
        )
        pixels = _bytes(pixels + noise.astype(np.float32))
    if r.random() < 0.2:
        image = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(r.uniform(0.4, 1.2)))
        pixels = np.asarray(image)
    if r.random() < 0.25:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=r.randint(45, 95))
        pixels = np.asarray(Image.open(file))
    if r.random() < 0.15:
        pixels = _with_bars(r, pixels)
    return Drawn(pixels, drawn.background, drawn.colour, drawn.shape)


def _with_bars(r: random.Random, pixels: Pixels) -> Pixels:
    """A picture that is not square, as llama.cpp pads it."""
    pixels, width = pixels.copy(), r.choice([2, 4, 7])
    turned = pixels if r.random() < 0.5 else pixels.swapaxes(0, 1)
    turned[:width] = turned[-width:] = _PADDING
    return pixels


def _bytes(image: NDArray[np.float32]) -> Pixels:
    return np.clip(image, 0, 255).round().astype(np.uint8)
