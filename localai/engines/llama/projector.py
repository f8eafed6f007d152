"""Pictures to what a language model reads: encoder and projector of an mmproj file.

mtmd cuts a picture into chunks: texts that mark it, and tiles. Each tile is encoded here once, its
embeddings are copied out, and the scheduler decodes them where the tile stands in a prompt. No
marker is written into any text, so what a user types stays text.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localai.engines.llama.bindings import drain_log, native
from localai.engines.llama.image_ids import Tokens, image_ids
from localai.engines.llama.multimodal import mtmd
from localai.errors import BadInput, BadModel, LocalaiError
from localai.formats.text import shown
from localai.media.pixels import Pixels

Embedding = npt.NDArray[np.float32]


class ImageChunk:
    """A picture, or a tile of one, between its encoding and its place in a context.

    Parameters
    ----------
    projector : Projector
        Must live longer.
    pointer : mtmd_input_chunk *
        A placeholder: sizes without pixels; freed with this object.
    ids : int32[n]
        What stands for it among token ids.
    embedding : float32[n, width]
        What the model reads instead of tokens.
    """

    def __init__(
        self, projector: Projector, pointer: Any, ids: Tokens, embedding: Embedding
    ) -> None:
        self._projector, self._pointer = projector, pointer
        self.ids, self.embedding = ids, embedding
        weakref.finalize(self, mtmd().mtmd_input_chunk_free, pointer).atexit = False

    def decode(self, context: Any, sequence: int, position: int, batch: int) -> int:
        """Evaluate it alone in a step; what `llama_decode` returns."""
        library, after = mtmd(), native.llama_pos()
        status = library.mtmd_helper_decode_image_chunk(
            self._projector.pointer,
            context,
            self._pointer,
            self.embedding.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            position,
            sequence,
            batch,
            ctypes.byref(after),
            library.mtmd_helper_post_decode_callback(),
            None,
        )
        return int(status)


SeenPicture = tuple[Tokens | ImageChunk, ...]
"""What a picture is in a prompt: text tokens around it and between its tiles, and the tiles."""


class Projector:
    """An mmproj file that goes with a loaded model. Its methods may be called from any thread.

    Parameters
    ----------
    model : llama_model *
        Must live longer.
    batch : int
        Tokens of a step: a picture with attention in both directions must fit into one.

    Raises
    ------
    BadModel
        The library refuses the file, or it belongs to another model.
    """

    def __init__(self, path: Path, model: Any, *, threads: int, gpu: bool, batch: int) -> None:
        library = mtmd()
        self._batch, self._lock = batch, threading.Lock()
        self._width = int(native.llama_model_n_embd_inp(model))
        parameters = library.mtmd_context_params_default()
        parameters.use_gpu, parameters.n_threads = gpu, threads
        parameters.print_timings = parameters.warmup = False
        self.pointer = library.mtmd_init_from_file(os.fsencode(path), model, parameters)
        if not self.pointer:
            raise BadModel(
                f"llama.cpp cannot load {shown(str(path))}: {drain_log() or 'no reason given'}",
                "fetch the file anew, or take the projector (mmproj) that came with the model",
            )
        if not library.mtmd_support_vision(self.pointer):
            library.mtmd_free(self.pointer)
            raise BadModel(f"{shown(str(path))} is no projector for pictures", "take another")

    def see(self, pixels: Pixels, key: bytes) -> SeenPicture:
        """Encode a picture.

        Raises
        ------
        BadInput
            The library cannot take it.
        """
        library = mtmd()
        chunks = library.mtmd_input_chunks_init()
        try:
            with self._lock:
                self._cut(pixels, chunks)
                count = library.mtmd_input_chunks_size(chunks)
                each = [library.mtmd_input_chunks_get(chunks, at) for at in range(count)]
                return tuple(self._read(chunk, key + bytes([at])) for at, chunk in enumerate(each))
        finally:
            library.mtmd_input_chunks_free(chunks)

    def _cut(self, pixels: Pixels, chunks: Any) -> None:
        """Let the library cut a picture into chunks."""
        library = mtmd()
        data = (ctypes.c_uint8 * len(pixels.data)).from_buffer_copy(pixels.data)
        bitmap = library.mtmd_bitmap_init(pixels.width, pixels.height, data)
        part = library.mtmd_input_part(None, bitmap)
        parts = (ctypes.POINTER(library.mtmd_input_part) * 1)(ctypes.pointer(part))
        try:
            status = library.mtmd_tokenize_from_parts(self.pointer, chunks, parts, 1, False)
        finally:
            library.mtmd_bitmap_free(bitmap)
        if status:
            size = f"{pixels.width} x {pixels.height}"
            raise BadInput(f"the model cannot take a picture of {size} pixels ({drain_log()})")

    def _read(self, chunk: Any, key: bytes) -> Tokens | ImageChunk:
        library, count = mtmd(), ctypes.c_size_t()
        if library.mtmd_input_chunk_get_type(chunk) == library.MTMD_INPUT_CHUNK_TYPE_TEXT:
            texts = library.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
            return np.array(texts[: count.value], np.int32)
        count = library.mtmd_input_chunk_get_n_tokens(chunk)
        self._refuse_long(chunk, count)
        ids = image_ids(key, count, library.mtmd_input_chunk_get_n_pos(chunk))
        if library.mtmd_encode_chunk(self.pointer, chunk):
            raise LocalaiError(f"the picture could not be encoded ({drain_log()})")
        encoded = library.mtmd_get_output_embd(self.pointer)
        embedding = np.ctypeslib.as_array(encoded, (count, self._width)).copy()
        return ImageChunk(self, library.mtmd_input_chunk_get_placeholder(chunk), ids, embedding)

    def _refuse_long(self, chunk: Any, count: int) -> None:
        """Refuse what would end the process: attention in both directions needs one step."""
        if count > self._batch and mtmd().mtmd_decode_use_non_causal(self.pointer, chunk):
            raise BadInput(
                f"the picture makes {count} tokens, and this model takes at most {self._batch} "
                "at once",
                "make fewer of it with --image-tokens",
            )

    def close(self) -> None:
        """Free the projector; nothing of it may be in use."""
        mtmd().mtmd_free(self.pointer)


def picture_key(pixels: Pixels, *settings: object) -> bytes:
    """Return what identifies a picture with the settings it is encoded with."""
    digest = hashlib.sha256(repr((pixels.width, pixels.height, settings)).encode())
    digest.update(pixels.data)
    return digest.digest()


def picture_ids(seen: SeenPicture) -> list[int]:
    """Return the token ids that a picture is in a prompt."""
    return [token for part in seen for token in _ids(part).tolist()]


def tiles(seen: SeenPicture) -> Iterator[ImageChunk]:
    """Yield the tiles of a picture."""
    return (part for part in seen if isinstance(part, ImageChunk))


def _ids(part: Tokens | ImageChunk) -> Tokens:
    return part.ids if isinstance(part, ImageChunk) else part
