"""Loading a GGUF model: device, threads, and how large its context may be.

Imports nothing heavy, so that the library can read the file while the rest is imported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from localai.catalog.gguf_header import Header
from localai.engines.base import ModelSpec
from localai.engines.llama.library import complaints, native, start
from localai.engines.llama.states import fingerprint
from localai.engines.llama.vocab import Vocab
from localai.errors import BadModel
from localai.machine import free_memory

BATCH = 512  # tokens a step; the library's own size of one evaluation
_SEQUENCES = 32
_SEQUENCES_EXACT = 8  # recurrent layers keep a whole state for each sequence
_FIRST_CACHE_BYTES = 24 << 20  # of keys and values at the start; it grows when needed
_LEAST_CELLS = 4096
_MARGIN = 0.5  # of the free memory, what keys and values may take


@dataclass(frozen=True)
class Sizes:
    """What a context is made with."""

    cells: int  # tokens kept in memory, all sequences together
    sequences: int
    batch: int  # tokens evaluated in one step, at most
    threads: int
    cache_type: str


def physical_cores() -> int:
    """Return the cores of this machine that we may use, hyper-threads counted once."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on macOS
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(cpu))
    return max(1, len(cores))


class Model:
    """A loaded model with all that is read from it once.

    Raises
    ------
    BadModel
        The library refuses the file.
    """

    def __init__(self, spec: ModelSpec, header: Header) -> None:
        start()
        self.spec, self.header = spec, header
        parameters = native.llama_model_default_params()
        parameters.n_gpu_layers = self._gpu_layers(spec.gpu_layers)
        self.pointer: Any = native.llama_model_load_from_file(
            os.fsencode(spec.files[0]), parameters
        )
        if not self.pointer:
            raise BadModel(
                f"llama.cpp cannot load {spec.files[0]}: {complaints() or 'no reason given'}",
                "fetch the file anew, or take another model",
            )
        self.vocab = Vocab(native.llama_model_get_vocab(self.pointer))
        self.context_length = int(native.llama_model_n_ctx_train(self.pointer))
        self.exact = bool(
            native.llama_model_is_recurrent(self.pointer)
            or native.llama_model_is_hybrid(self.pointer)
        )
        self._refuse_strangers()

    def _refuse_strangers(self) -> None:
        name = self.spec.files[0]
        if native.llama_model_has_encoder(self.pointer):
            raise BadModel(f"{name} is a model with an encoder, which cannot chat", "take another")
        if native.llama_model_is_diffusion(self.pointer):
            raise BadModel(f"{name} is a diffusion model, which cannot chat", "take another")

    @staticmethod
    def _gpu_layers(asked: str) -> int:
        if asked in ("auto", "all"):
            return -1 if native.llama_supports_gpu_offload() else 0
        return int(asked)

    @property
    def device(self) -> str:
        """Where the model lies."""
        return "GPU" if self._gpu_layers(self.spec.gpu_layers) else "CPU"

    @property
    def fingerprint(self) -> str:
        """What a state of this model depends on."""
        return fingerprint(self.spec.files, self.spec.cache_type, self.spec.gpu_layers)

    def token_bytes(self) -> int:
        """Return the bytes of keys and values that one token takes."""
        return max(1, self.header.kv_bytes_per_token(type_bytes=2))

    def most_cells(self) -> int:
        """Return how many tokens the free memory has room for."""
        return max(_LEAST_CELLS, int(free_memory() * _MARGIN) // self.token_bytes() // 256 * 256)

    def sizes(self) -> Sizes:
        """Return what the first context is made with."""
        cells = max(_LEAST_CELLS, _FIRST_CACHE_BYTES // self.token_bytes() // 256 * 256)
        return Sizes(
            cells=min(max(cells, self.spec.context or 0), 1 << 16, self.most_cells()),
            sequences=_SEQUENCES_EXACT if self.exact else _SEQUENCES,
            batch=BATCH,
            threads=self.spec.threads or physical_cores(),
            cache_type=self.spec.cache_type,
        )

    def close(self) -> None:
        """Free the model; its contexts must be gone."""
        native.llama_model_free(self.pointer)
