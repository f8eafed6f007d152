"""The memory rule: where a model goes, and how large its context may be.

    plan(header, devices, Wish(context=16384)) -> Plan, or NotEnoughMemory

A pure function of a header, of free bytes and of what was asked for. This is what is given up,
in this order, until it fits:

1. Everything lies on the GPUs, keys and values as f16, with a context of `Wish.most` tokens (the
   model's own for each sequence, if that is smaller; what was asked for, if that is more).
2. The context shrinks, as little as is needed: down to what was asked for, which is a minimum
   and never cut, else to `LEAST_CONTEXT` tokens (the model's own, if that is smaller).
3. Layers go to the CPU, the first of the model first.
4. Keys and values are kept as q8_0, with that least context; again with all layers on the GPUs
   first.
5. It is refused, with the numbers and three ways out.

So more free memory never gives a smaller context, and with the same type of cache never fewer
layers on the GPUs. Without a GPU, or with `gpu_layers`, step 3 is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from localai.catalog.gguf.header import Header
from localai.catalog.placement.layout import DeviceShare, MemoryDevice, Plan, lay_out, on_cpu
from localai.catalog.placement.refusal import QUANTISATIONS, refusal
from localai.catalog.placement.sizes import CELLS, ContextShape, ModelMemory

__all__ = ["DeviceShare", "MemoryDevice", "PlacementRequest", "Plan", "plan"]

DEFAULT_CONTEXT: Final = 32_768  # tokens for all sequences together, where none is asked for
LEAST_CONTEXT: Final = 4096  # tokens; llama.cpp's own least when it fits a model (common/fit.cpp)
SMALLEST_CACHE: Final = "q8_0"


@dataclass(frozen=True)
class PlacementRequest:
    """What is asked for, and what the engine makes its contexts with."""

    context: int | None = None  # tokens, at least; None: as is sensible
    most: int = DEFAULT_CONTEXT  # tokens; a larger context is of no use, unless asked for
    gpu_layers: int | None = None  # exactly so many, as llama.cpp counts; None: as many as fit
    cache_type: str = "f16"
    sequences: int = 32
    batch: int = 512  # tokens evaluated in one step
    full_windows: bool = True  # layers with a window keep everything

    def load(self, context: int, cache_type: str) -> ContextShape:
        """Return what a context of that size is made with."""
        return ContextShape(context, cache_type, self.sequences, self.batch, self.full_windows)


class _Search:
    """Looks for the best plan, in the order that the module's text gives."""

    def __init__(
        self, sizes: ModelMemory, devices: tuple[MemoryDevice, ...], request: PlacementRequest
    ) -> None:
        self.sizes, self.devices, self.request = sizes, devices, request
        self.own = own = sizes.header.context_length or DEFAULT_CONTEXT
        self.least = _padded(request.context or min(LEAST_CONTEXT, own))
        self.most = max(self.least, _padded(min(request.most, own * request.sequences)))
        if not any(layer.key for layer in sizes.layers):
            self.least = self.most  # tokens cost nothing where all layers are recurrent
        self.kinds = [request.cache_type]
        if request.cache_type != SMALLEST_CACHE and sizes.quantises_cache:
            self.kinds.append(SMALLEST_CACHE)
        self.counts = self._layer_counts()

    def _layer_counts(self) -> range:
        """Return how many layers may lie on GPUs, most first."""
        most = len(self.sizes.blocks) + 1
        if not any(device.kind == "gpu" for device in self.devices):
            return range(1)
        if self.request.gpu_layers is not None:
            count = min(self.request.gpu_layers, most)
            return range(count, count + 1)
        return range(most, -1, -1)

    def laid_out(self, gpu_layers: int, context: int, cache_type: str) -> Plan | None:
        load = self.request.load(context, cache_type)
        return lay_out(self.sizes, self.devices, load, gpu_layers)

    def widest(self, gpu_layers: int, cache_type: str, least: int, most: int) -> Plan | None:
        return _widest(lambda context: self.laid_out(gpu_layers, context, cache_type), least, most)

    def best(self) -> Plan | None:
        """Return the plan that gives up least; None if nothing fits."""
        if found := self.widest(self.counts[0], self.kinds[0], self.least, self.most):
            return found
        ways = (self.laid_out(n, self.least, kind) for kind in self.kinds for n in self.counts)
        return next(filter(None, ways), None)

    def largest_context(self) -> int:
        """Return the largest --ctx that fits in any way, in tokens; 0 if none does."""
        found = 0
        for kind in self.kinds:
            for count in self.counts:
                if better := self.widest(
                    count, kind, found + CELLS, max(self.least, found + CELLS)
                ):
                    found = better.context
        return min(found, self.own)  # more than its own can be asked of no model


def _padded(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS


def _widest(laid_out: Callable[[int], Plan | None], least: int, most: int) -> Plan | None:
    """Return the plan with the largest context between two, both multiples of 256."""
    found = laid_out(least)
    low, high = least // CELLS, most // CELLS
    while found and low < high:
        middle = (low + high + 1) // 2
        if better := laid_out(middle * CELLS):
            found, low = better, middle
        else:
            high = middle - 1
    return found


def plan(
    header: Header,
    devices: Sequence[MemoryDevice],
    request: PlacementRequest | None = None,
    *,
    name: str = "",
    other: str = "tiny",
    command: str = "localai ask",
) -> Plan:
    """Return how a model is to be loaded.

    Parameters
    ----------
    header : Header
        What `gguf.check` returns: of a split model, with the tensors of all parts.
    devices : sequence of MemoryDevice
        One with the kind "cpu" and any number of GPUs, in llama.cpp's order.
    request : PlacementRequest
        What is asked for.
    name, other, command : str
        For the message of a refusal: what the user called the model, another model that fits,
        and what was typed.

    Raises
    ------
    NotEnoughMemory
        Nothing fits: the numbers, and three ways out.
    """
    request, given = request or PlacementRequest(), tuple(devices)
    search = _Search(ModelMemory.of(header), given, request)
    if found := search.best():
        return found
    load = request.load(search.least, search.kinds[-1])
    raise refusal(
        name or str(header.path),
        other,
        command,
        needs=on_cpu(search.sizes, load),
        load=load,
        devices=given,
        context=search.largest_context(),
        quantisation=_quantisation(search),
    )


def _quantisation(search: _Search) -> tuple[str, int] | None:
    """Return the largest smaller quantisation that would fit, and the bytes of its weights."""
    sizes = search.sizes
    weights = sum(tensor.bytes for tensor in sizes.header.tensors)
    bits = 8 * weights / max(sizes.header.parameters, 1)
    for name, smaller in QUANTISATIONS.items():
        if smaller < bits:
            other = _Search(sizes.scaled(smaller / bits), search.devices, search.request)
            if other.best():
                return name, int(weights * smaller / bits)
    return None
