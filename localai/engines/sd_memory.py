"""How a picture model is laid out where memory is short: a ladder of measures, each slower. Pure.

Attention in one pass (flash attention) costs nothing and is always used on a card. Then, as far as
needed: the VAE works in tiles; weights wait in the machine's memory and come to the card part by
part; the text encoder stays on the CPU; and the diffusion model itself is cut into pieces.
"""

from __future__ import annotations

from typing import NamedTuple

GIB = 1 << 30
_COMPUTE_A_PIXEL = 1500  # bytes for a step's intermediate results, with flash attention
_DECODE_A_PIXEL = 2600  # bytes for the VAE's, whole
_TILES_FROM = 1024 * 1024  # pixels; from here on decoding whole is the usual reason to fail
_LEAST = GIB  # bytes that a piece of a cut model gets


class PartSizes(NamedTuple):
    """Bytes of the weights."""

    diffusion: int
    encoder: int
    vae: int

    @property
    def total(self) -> int:
        """Return the bytes of all."""
        return self.diffusion + self.encoder + self.vae


class MemoryLayout(NamedTuple):
    """What is done to keep within a budget."""

    flash_attention: bool = False
    tiles_from: int = _TILES_FROM  # pixels from which on the VAE works in tiles
    offload: bool = False
    encoder_on_cpu: bool = False
    max_vram: float = 0.0  # GiB for a piece of the diffusion model; 0: it is not cut

    def __str__(self) -> str:
        said = [
            "flash attention" if self.flash_attention else "",
            "the VAE in tiles" if self.tiles_from == 0 else "",
            "weights wait in main memory" if self.offload else "",
            "text encoder on the CPU" if self.encoder_on_cpu else "",
            f"pieces of {self.max_vram:g} GB" if self.max_vram else "",
        ]
        return ", ".join(filter(None, said))


def layout(sizes: PartSizes, budget: int, pixels: int) -> MemoryLayout:
    """Return the first rungs of the ladder that bring a model within a card's memory.

    Parameters
    ----------
    budget : int
        Bytes of the card; 0: there is none.
    pixels : int
        Of the pictures that the model usually draws.
    """
    if not budget:
        return MemoryLayout()
    compute, decode = pixels * _COMPUTE_A_PIXEL, pixels * _DECODE_A_PIXEL
    found = MemoryLayout(flash_attention=True)
    if sizes.total + max(compute, decode) <= budget:
        return found
    found = found._replace(tiles_from=0)
    if sizes.total + compute <= budget:
        return found
    found = found._replace(offload=True)
    if max(sizes.encoder, sizes.diffusion + compute) <= budget:
        return found
    found = found._replace(encoder_on_cpu=True)
    if sizes.diffusion + compute <= budget:
        return found
    return found._replace(max_vram=round(max(budget - GIB, _LEAST) / GIB, 2))
