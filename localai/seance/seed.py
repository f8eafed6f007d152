"""The seed of a seance: a number, the light of a picture, or chance."""

from __future__ import annotations

import random
from pathlib import Path

from localai.errors import BadInput
from localai.formats.text import shown
from localai.media.resample import decoding_errors, library

_HIGHEST = 50_000  # of a seed by chance: short enough to be told
_LARGEST = 100_000_000  # pixels


def seed_of(seed: int | None, image: str | None) -> int:
    """Return the seed that was given, else that of a picture, else one by chance (0 to 50,000).

    Raises
    ------
    BadInput
        Both were given, or the picture cannot be read.
    """
    if image is None:
        return random.SystemRandom().randint(0, _HIGHEST) if seed is None else seed
    if seed is not None:
        raise BadInput("--seed and --seed-image cannot be kept together", "use one of them")
    return image_seed(Path(image))


def image_seed(path: Path) -> int:
    """Return the sum of the red channel of a picture, each pixel 0 to 255, modulo 2**31.

    Raises
    ------
    BadInput
        It is no picture that can be read, or has more than a hundred million pixels.
    """
    hint = "give a PNG or JPEG file"
    av = library()
    try:
        # A file object: of a name FFmpeg would take `%d` for a number.
        with path.open("rb") as file, av.open(file, options={"protocol_whitelist": "none"}) as read:
            if not read.streams.video:
                raise BadInput(f"{shown(path)} gives no seed: it is no picture", hint)
            context = read.streams.video[0].codec_context
            if context.width * context.height > _LARGEST:
                raise BadInput(f"{shown(path)} is too large for a seed", "give a smaller picture")
            for frame in read.decode(video=0):
                return int(frame.to_ndarray(format="rgb24")[..., 0].sum()) % 2**31
            raise ValueError
    except decoding_errors() as error:
        why = getattr(error, "strerror", None) or "it is no picture"
        raise BadInput(f"{shown(path)} gives no seed: {why}", hint) from None
