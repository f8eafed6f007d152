"""Pictures made smaller, without a copy of what is large."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image

_LEAST_GAP: Final = 3.0  # times that a good filter has left to shrink: nothing is seen of the rest
_BAND: Final = 1 << 22  # pixels


def shrunk(image: Image, longest: int) -> Image:
    """Return a picture with so many pixels on its longer side, at most."""
    scale = longest / max(image.size)
    if scale >= 1:
        return image
    from PIL import Image as images

    width, height = (max(1, round(side * scale)) for side in image.size)
    if image.mode.startswith("I;"):
        return image.resize((width, height), images.Resampling.BOX)
    # Where it is much larger its pixels are first counted together, which is cheap.
    across = int(image.width / width / _LEAST_GAP) or 1
    down = int(image.height / height / _LEAST_GAP) or 1
    box = (0.0, 0.0, image.width / across, image.height / down)
    small = _reduced(image, across, down)
    return small.resize((width, height), images.Resampling.LANCZOS, box)


def _reduced(image: Image, across: int, down: int) -> Image:
    """Return the picture so many times smaller, with colours that can be mixed.

    It is done band by band: as a whole it would be copied where it has a palette or is in part
    transparent, and take twice the memory.
    """
    from PIL import Image as images

    size = (-(-image.width // across), -(-image.height // down))
    rows = down * max(1, _BAND // (image.width * down))
    small: Image | None = None
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        band = _mixable(band).reduce((across, down))
        if small is None:
            small = images.new(band.mode, size)
            small.info = band.info
        small.paste(band, (0, top // down))
    assert small is not None
    return small


def _mixable(image: Image) -> Image:
    """Return the picture in a mode whose values are amounts, not places in a palette."""
    if image.mode in ("P", "PA"):
        clear = "transparency" in image.info or image.mode == "PA"
        return image.convert("RGBA" if clear else "RGB")
    return image.convert("L") if image.mode == "1" else image
