"""What a worker will take, estimated from its model's files before it is started."""

from __future__ import annotations

from collections.abc import Mapping

from localai.catalog.gguf.parts import all_parts
from localai.system.files import total_bytes
from localai.types import ModelSpec

WORKER_BYTES = 96 << 20  # what a worker takes besides its model's files, to begin with


def on_cpu(spec: ModelSpec, gpus: Mapping[str, int]) -> dict[str, int]:
    """Return the bytes by device of a model that lies in the machine's memory."""
    return {"cpu": WORKER_BYTES + sum(map(total_bytes, all_parts(spec.files)))}


def on_gpu(spec: ModelSpec, gpus: Mapping[str, int]) -> dict[str, int]:
    """Return the bytes by device of a model that goes to the GPUs as far as they hold it.

    Parameters
    ----------
    gpus : mapping
        Total bytes of each GPU by its name, in the order in which they are filled; empty: none.
    """
    left = sum(map(total_bytes, all_parts(spec.files)))
    taken = {"cpu": WORKER_BYTES}
    if spec.options.get("gpu_layers") != "0":
        for name, total in gpus.items():
            taken[name] = min(left, total)
            left -= taken[name]
    taken["cpu"] += left
    return taken
