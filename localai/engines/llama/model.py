"""Loading a GGUF model: device, threads, and how large its context may be.

Imports nothing heavy, so that the library can read the file while the rest is imported.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.catalog.gguf.header import Header
from localai.catalog.gguf.parts import all_parts
from localai.catalog.placement.layout import MemoryDevice
from localai.catalog.placement.plan import DEFAULT_CONTEXT, PlacementRequest, plan
from localai.engines.llama.bindings import drain_log, native, start
from localai.engines.llama.context_params import ContextParams, LlamaOptions, sequences_for
from localai.engines.llama.devices import machine
from localai.engines.llama.state_store import fingerprint
from localai.engines.llama.vocab import Vocab
from localai.errors import BadModel
from localai.formats.serialization import from_plain
from localai.system.cpus import physical_cores
from localai.system.files import total_bytes
from localai.types import ModelSpec

if TYPE_CHECKING:
    from localai.engines.llama.projector import Projector

BATCH = 512  # tokens a step; the library's own size of one evaluation
_FIRST_CACHE_BYTES = 24 << 20  # of keys and values at the start; it grows when needed
_LEAST_CELLS = 4096
_MOST_CELLS = 1 << 16  # the first context; it grows when needed
_PROJECTOR_SHARE = 1.5  # of its file: weights, and what encoding a picture computes
_BYTES_A_THREAD = 8 << 20  # of weights; with less to read, threads wait longer than they work


def placement_request(options: LlamaOptions, header: Header) -> PlacementRequest:
    """Return what is asked for, as the memory rule wants it."""
    asked = options.gpu_layers
    layers_asked = {"auto": None, "all": len(header.tensors)}.get(asked, 0)
    return PlacementRequest(
        context=options.context,
        most=max(DEFAULT_CONTEXT, header.context_length or 0),
        gpu_layers=int(asked) if asked.isdecimal() else layers_asked,
        cache_type=options.cache_type,
        sequences=options.sequences or sequences_for(header),
        batch=BATCH,
    )


def _without_projector(
    devices: tuple[MemoryDevice, ...], projectors: tuple[str, ...]
) -> tuple[MemoryDevice, ...]:
    """Return what is free beside a projector, which goes to the first GPU, if there is one."""
    taken = sum(map(total_bytes, projectors)) * _PROJECTOR_SHARE
    at = 1 if len(devices) > 1 else 0
    beside = replace(devices[at], free=max(0, devices[at].free - int(taken)))
    return (*devices[:at], beside, *devices[at + 1 :])


class Model:
    """A loaded model with all that is read from it once.

    Raises
    ------
    BadModel
        The library refuses the file.
    NotEnoughMemory
        It does not fit; nothing has been loaded.
    """

    def __init__(self, spec: ModelSpec, header: Header) -> None:
        start()
        self.spec, self.header = spec, header
        self.options = from_plain(LlamaOptions, spec.options)
        self.placement_request = placement_request(self.options, header)
        parameters = self._placed()
        self.pointer: Any = native.llama_model_load_from_file(
            os.fsencode(spec.files[0]), parameters
        )
        if not self.pointer:
            raise BadModel(
                f"llama.cpp cannot load {spec.files[0]}: {drain_log() or 'no reason given'}",
                "fetch the file anew, or take another model",
            )
        self.vocab = Vocab(native.llama_model_get_vocab(self.pointer))
        self.context_length = int(native.llama_model_n_ctx_train(self.pointer))
        self.whole_prefix_only = bool(
            native.llama_model_is_recurrent(self.pointer)
            or native.llama_model_is_hybrid(self.pointer)
        )
        self._refuse_strangers()

    def projector(self) -> Projector | None:
        """Return what the model sees with, loaded anew; None: nothing."""
        if len(self.spec.files) < 2:
            return None
        from localai.engines.llama.projector import Projector, ProjectorSettings  # with numpy

        settings = ProjectorSettings(
            Path(self.spec.files[1]),
            threads=self.context_params().threads,
            gpu=bool(self.plan.gpu_layers),
            step=BATCH,
        )
        return Projector(settings, self.pointer)

    def _refuse_strangers(self) -> None:
        name = self.spec.files[0]
        if native.llama_model_has_encoder(self.pointer):
            raise BadModel(f"{name} is a model with an encoder, which cannot chat", "take another")
        if native.llama_model_is_diffusion(self.pointer):
            raise BadModel(f"{name} is a diffusion model, which cannot chat", "take another")

    def _placed(self) -> Any:
        """Return the library's parameters, with the layers where the memory rule puts them."""
        here = machine()
        devices = _without_projector(here.devices, self.spec.files[1:])
        self.plan = plan(self.header, devices, self.placement_request, name=self.spec.name)
        used = [
            (handle, count)
            for handle, count in zip(here.handles, self.plan.split, strict=True)
            if count
        ]
        parameters = native.llama_model_default_params()
        parameters.n_gpu_layers = self.plan.gpu_layers
        # Named devices, ended by a null: a GPU that is not used is not even opened. The library
        # reads both arrays while it loads, so they are kept until then.
        self._devices = (ctypes.c_void_p * (len(used) + 1))(*(handle for handle, _ in used), None)
        parameters.devices = ctypes.cast(self._devices, ctypes.c_void_p)
        self._split = (ctypes.c_float * native.LLAMA_MAX_DEVICES)(*(count for _, count in used))
        parameters.tensor_split = self._split
        return parameters

    @property
    def device(self) -> str:
        """Where the model lies."""
        return "GPU" if self.plan.gpu_layers else "CPU"

    @property
    def gpu_memory(self) -> dict[str, int]:
        """The bytes that the model and its context take on each GPU, by its name in the pool."""
        gpus = [share for share in self.plan.shares if share.device.kind == "gpu"]
        return {f"gpu{at}": share.total for at, share in enumerate(gpus) if share.layers}

    @property
    def fingerprint(self) -> str:
        """What a state of this model depends on."""
        return fingerprint(all_parts(self.spec.files), self.plan.cache_type, self.plan.split)

    def most_cells(self) -> int:
        """Return how many tokens the memory has room for."""
        return self.plan.context

    def context_params(self) -> ContextParams:
        """Return what the first context is made with."""
        token = max(1, self.header.kv_bytes_per_token(type_bytes=2))
        cells = max(_LEAST_CELLS, _FIRST_CACHE_BYTES // token // 256 * 256)
        return ContextParams(
            cells=min(max(cells, self.options.context or 0), _MOST_CELLS, self.most_cells()),
            sequences=self.placement_request.sequences,
            batch=self.placement_request.batch,
            threads=self.options.threads or self._useful_threads(),
            cache_type=self.plan.cache_type,
        )

    def _useful_threads(self) -> int:
        return max(1, min(physical_cores(), self.header.file_bytes // _BYTES_A_THREAD))

    def close(self) -> None:
        """Free the model; its contexts must be gone."""
        native.llama_model_free(self.pointer)
