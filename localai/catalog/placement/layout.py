"""How a model's layers lie on the devices of a machine, and whether they fit.

    lay_out(sizes, devices, load, gpu_layers) -> Plan or None

As llama.cpp does it: the last layers go to the GPUs, the output layer counted as one; token
embeddings stay with the CPU; a layer's part of the cache lies where the layer lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from localai.catalog.placement.sizes import ContextShape, Costs, ModelMemory

GPU_MARGIN: Final = 1 << 30  # bytes of a GPU that stay free; llama.cpp's own (common.h)
CPU_MARGIN: Final = 256 << 20  # bytes; the worker's program takes about 100 MB (measured)
MARGIN_SHARE: Final = 0.05  # of the free memory, where that is more
# With more than one GPU and everything on them, llama.cpp works on several batches at a time, and
# has their inputs as often (GGML_SCHED_MAX_COPIES).
PIPELINE_COPIES: Final = 4


@dataclass(frozen=True)
class MemoryDevice:
    """Memory that a model can lie in."""

    name: str  # for people
    kind: Literal["cpu", "gpu"]
    free: int  # bytes

    @property
    def margin(self) -> int:
        """Bytes that stay free."""
        least = GPU_MARGIN if self.kind == "gpu" else CPU_MARGIN
        return max(least, int(self.free * MARGIN_SHARE))

    @property
    def room(self) -> int:
        """Bytes that can be planned with."""
        return max(0, self.free - self.margin)


@dataclass(frozen=True)
class DeviceShare:
    """What of a model lies on one device, in bytes."""

    device: MemoryDevice
    layers: int  # the output layer counted
    weights: int
    cache: int
    compute: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.compute


@dataclass(frozen=True)
class Plan:
    """How a model is to be loaded."""

    gpu_layers: int  # llama.cpp's n_gpu_layers: the output layer counts as one
    context: int  # tokens, all sequences together; a multiple of 256
    cache_type: str
    shares: tuple[DeviceShare, ...]  # one a device, in the order of the devices

    @property
    def split(self) -> tuple[int, ...]:
        """Layers on each GPU: llama.cpp's tensor_split."""
        return tuple(share.layers for share in self.shares if share.device.kind == "gpu")

    @property
    def total(self) -> int:
        """Bytes on all devices."""
        return sum(share.total for share in self.shares)


@dataclass(frozen=True)
class _Layout:
    """A model, devices, and how many of its layers are to lie on GPUs."""

    sizes: ModelMemory
    devices: tuple[MemoryDevice, ...]
    load: ContextShape
    gpu_layers: int

    def plan(self) -> Plan | None:
        """Return the plan if everything fits."""
        start, shares = len(self.weights) - self.gpu_layers, []
        for device in self.devices:
            gpu = device.kind == "gpu"
            share = self._on_gpu(device, start) if gpu else self.on_cpu(device)
            if share.total > device.room:
                return None
            start += share.layers if gpu else 0
            shares.append(share)
        if start < len(self.weights):
            return None
        return Plan(self.gpu_layers, self.load.cells, self.load.cache_type, tuple(shares))

    @cached_property
    def weights(self) -> tuple[int, ...]:
        """Weights of each layer on a GPU, the output layer last."""
        return (*self.sizes.blocks, self.sizes.output_on_gpu)

    @cached_property
    def costs(self) -> Costs:
        """What the context takes."""
        return self.sizes.costs(self.load)

    @cached_property
    def copies(self) -> int:
        """How many batches are worked on at a time."""
        gpus = sum(device.kind == "gpu" for device in self.devices)
        return PIPELINE_COPIES if gpus > 1 and self.gpu_layers == len(self.weights) else 1

    def on_cpu(self, cpu: MemoryDevice) -> DeviceShare:
        """Return the CPU's share: what no GPU takes."""
        sizes, costs = self.sizes, self.costs
        count = len(self.weights) - self.gpu_layers
        weights = sizes.input + sum(sizes.blocks[:count])
        if not self.gpu_layers:
            weights += sizes.output_on_cpu
        compute = costs.logits + (costs.compute if count else self.copies * costs.inputs)
        return DeviceShare(cpu, count, weights, sum(costs.cache[:count]), compute)

    def _on_gpu(self, gpu: MemoryDevice, start: int) -> DeviceShare:
        """Give a GPU as many of the layers from `start` on as it has room for."""
        cache = (*self.costs.cache, 0)
        end, total = start, self._gpu_compute
        for at in range(start, len(self.weights)):
            total += self.weights[at] + cache[at]
            if total > gpu.room:
                break
            end = at + 1
        if end == start:
            return DeviceShare(gpu, 0, 0, 0, 0)
        taken = slice(start, end)
        weights = sum(self.weights[taken])
        return DeviceShare(gpu, end - start, weights, sum(cache[taken]), self._gpu_compute)

    @cached_property
    def _gpu_compute(self) -> int:
        """Return what a GPU needs to compute.

        The weights of a layer on the CPU are copied to the GPU for a long batch, one matrix at a
        time (op_offload).
        """
        count = len(self.weights) - self.gpu_layers
        visiting = max(self.sizes.matrices[:count], default=0)
        return self.costs.compute + visiting + (self.copies - 1) * self.costs.inputs


def on_cpu(sizes: ModelMemory, load: ContextShape) -> DeviceShare:
    """Return what a model takes when all of it lies on the CPU."""
    device = MemoryDevice("CPU", "cpu", 0)
    return _Layout(sizes, (device,), load, 0).on_cpu(device)


def lay_out(
    sizes: ModelMemory, devices: Sequence[MemoryDevice], load: ContextShape, gpu_layers: int
) -> Plan | None:
    """Return where everything lies with `gpu_layers` layers on the GPUs; None if it does not fit.

    The GPUs are filled in their order, so that a model which fits the first uses no other.
    """
    return _Layout(sizes, tuple(devices), load, gpu_layers).plan()
