"""What is said when a model does not fit: the numbers, and three commands that would work."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from localai.catalog.placement.layout import DeviceShare, MemoryDevice
from localai.catalog.placement.sizes import ContextShape
from localai.errors import NotEnoughMemory
from localai.formats.text import shown
from localai.formats.units import amount

# Bits of a weight in usual quantisations, best first: llama.cpp's tools/quantize/README.md, as
# measured there on Llama 3.1 8B.
QUANTISATIONS: Final = {
    "Q8_0": 8.50, "Q6_K": 6.56, "Q5_K_M": 5.70, "Q4_K_M": 4.89, "Q3_K_M": 4.00, "Q2_K": 3.16,
    "IQ2_M": 2.93, "IQ2_XXS": 2.38, "IQ1_S": 2.00,
}  # fmt: skip
_KIND: Final = re.compile(r"(?<![a-z0-9])(i?q[1-8](_[0-9a-z]+)*|b?f16|f32|mxfp4)(?![a-z0-9])", re.I)


def refusal(
    name: str,
    other: str,
    command: str,
    *,
    needs: DeviceShare,
    load: ContextShape,
    devices: Sequence[MemoryDevice],
    context: int,
    quantisation: tuple[str, int] | None,
) -> NotEnoughMemory:
    """Return the error for a model that does not fit.

    Parameters
    ----------
    name, other, command : str
        What the user called the model, another one that fits, and what was typed.
    needs : DeviceShare
        What all of it would take on the CPU with the least `load`.
    context : int
        Tokens of the largest context that would fit; 0: none.
    quantisation : (str, int)
        One that would fit, and the bytes of its weights; None: none.
    """
    parts = (
        f"weights {amount(needs.weights)}, keys and values of {load.cells} tokens "
        f"{amount(needs.cache)}, computing {amount(needs.compute)}"
    )
    rooms = " and ".join(_room(device) for device in devices)
    needed = f"{shown(name)} needs at least {amount(needs.total)} of memory ({parts})"
    ways = _ways(name, other, command, context, quantisation)
    return NotEnoughMemory(
        f"{needed}, and there is {rooms}", "use one of these: " + "; ".join(ways)
    )


def _room(device: MemoryDevice) -> str:
    kept = amount(device.free - device.room)
    return f"{amount(device.free)} free on {shown(device.name)}, less {kept} as a reserve"


def _ways(
    name: str, other: str, command: str, context: int, quantisation: tuple[str, int] | None
) -> list[str]:
    """Return three commands: those that surely work first."""
    ways = []
    if quantisation:
        kind, size = quantisation
        again = shown(shlex.quote(_requantised(name, kind)))
        ways.append(f"{command} -m {again} (the model as {kind}, about {amount(size)})")
    if context:
        ways.append(f"{command} -m {shown(shlex.quote(name))} --ctx {context}")
    if name != other:
        ways.append(f"{command} -m {other} (another model)")
    ways.append("localai stop --all (if warm models hold memory)")
    ways.append("localai doctor (tells what else takes memory)")
    return ways[:3]


def _requantised(name: str, kind: str) -> str:
    """Return what to call the same model in another quantisation: a hub's name, or a file's."""
    if not name.lower().endswith(".gguf"):
        return f"{name.partition(':')[0]}:{kind}" if "/" in name else f"{name}-{kind}.gguf"
    folder, slash, file = name.rpartition("/")
    changed, count = _KIND.subn(kind, file, count=1)
    return folder + slash + (changed if count else f"{file[:-5]}-{kind}.gguf")
