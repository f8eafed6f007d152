"""The text engine with a projector in this process, and what its logits should be."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np

from localai.engines.base import Call
from localai.engines.llama.bindings import native
from localai.engines.llama.multimodal import mtmd
from localai.media.pixels import Pixels, share
from localai.types import Picture
from tests.conftest import InProcess, Reply, request

QUESTION = "What is in the picture?"


def noise(seed: int, width: int = 90, height: int = 60) -> Pixels:
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 256, (height // 10, width // 10, 3), np.uint8)
    return Pixels(width, height, coarse.repeat(10, 0).repeat(10, 1).tobytes())


class Seeing(InProcess):
    """The engine with a projector; keeps the logits that answers begin with."""

    def __init__(self, files: tuple[str, ...], **spec: Any) -> None:
        super().__init__(*map(Path, files), **spec)
        self.rows: list[np.ndarray] = []
        context = self.engine.scheduler.memory.context
        read = context.logits

        def logits(count: int) -> np.ndarray:
            rows = read(count)
            self.rows.append(rows.copy())
            return rows

        context.logits = logits  # type: ignore[method-assign]

    def show(self, pictures: list[Pixels], text: str = QUESTION, **more: Any) -> str:
        """Send a question to pictures; `system` and `before` come before it."""
        files = [share(each) for each in pictures]
        shown = tuple(Picture(at, p.width, p.height) for at, p in enumerate(pictures))
        asked = request(text, **more)
        last = asked.messages[-1]._replace(pictures=shown)
        self._count += 1
        name = f"p{self._count}"
        sent = asked._replace(messages=(*asked.messages[:-1], last))
        self.engine.submit(Call(name, "", sent, tuple(files)))
        return name

    def see(self, pictures: list[Pixels], text: str = QUESTION, **more: Any) -> Reply:
        name = self.show(pictures, text, **more)
        return self.gather([name])[name]


def reference(engine: Seeing, parts: list[str | Pixels]) -> np.ndarray:
    """The logits after a prompt, by `mtmd_helper_eval_chunks` in a context of its own."""
    library, model = mtmd(), engine.engine._model
    projector = engine.engine._vision._projector
    assert projector is not None
    texts = [
        library.mtmd_input_text(each.encode(), len(each.encode()), False, True)
        if isinstance(each, str)
        else None
        for each in parts
    ]
    bitmaps = [
        None
        if isinstance(each, str)
        else library.mtmd_bitmap_init(
            each.width, each.height, (ctypes.c_uint8 * len(each.data)).from_buffer_copy(each.data)
        )
        for each in parts
    ]
    each_part = [
        library.mtmd_input_part(ctypes.pointer(text) if text else None, bitmap)
        for text, bitmap in zip(texts, bitmaps, strict=True)
    ]
    array = (ctypes.POINTER(library.mtmd_input_part) * len(parts))(*map(ctypes.pointer, each_part))
    chunks = library.mtmd_input_chunks_init()
    assert library.mtmd_tokenize_from_parts(projector.pointer, chunks, array, len(parts), True) == 0
    parameters = native.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 1024
    parameters.n_threads = parameters.n_threads_batch = 1
    context = native.llama_init_from_model(model.pointer, parameters)
    after = native.llama_pos()
    status = library.mtmd_helper_eval_chunks(
        projector.pointer, context, chunks, 0, 0, 1024, True, ctypes.byref(after)
    )
    assert status == 0
    row = native.llama_get_logits_ith(context, -1)
    logits = np.ctypeslib.as_array(row, (model.vocab.size,)).copy()
    native.llama_free(context)
    library.mtmd_input_chunks_free(chunks)
    for bitmap in filter(None, bitmaps):
        library.mtmd_bitmap_free(bitmap)
    return logits


def prompt(*pictures: Pixels, text: str = QUESTION) -> list[str | Pixels]:
    return ["<|im_start|>user\n", *pictures, f"{text}<|im_end|>\n<|im_start|>assistant\n"]
