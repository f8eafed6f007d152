"""Pictures to what a language model reads: encoder and projector of an mmproj file.

mtmd cuts a picture into chunks: texts that mark it, and tiles. Each tile is encoded here once, its
embeddings are copied out, and the scheduler decodes them where the tile stands in a prompt. No
marker is written into any text, so what a user types stays text.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from localai.catalog.gguf.projector import attends_both_ways, check_projector
from localai.engines.llama.bindings import drain_log, native
from localai.engines.llama.image_ids import Tokens, image_ids
from localai.engines.llama.multimodal import mtmd
from localai.errors import BadInput, BadModel, LocalaiError
from localai.formats.text import shown
from localai.media.pixels import Pixels

_OWN_LEAST = 256  # tokens; some kinds make at least so many, unless told otherwise

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


class ProjectorSettings(NamedTuple):
    """What a projector is loaded with."""

    path: Path
    threads: int
    gpu: bool
    step: int  # tokens: a picture with attention in both directions must fit into one step
    image_tokens: int | None = None  # of a picture, at most; None: as the file says


class Projector:
    """An mmproj file that goes with a loaded model, for one thread at a time.

    It is freed with the last picture that it has encoded.

    Parameters
    ----------
    model : llama_model *
        Must live longer.

    Raises
    ------
    BadModel
        The file is damaged, or it belongs to another model.
    """

    def __init__(self, settings: ProjectorSettings, model: Any) -> None:
        self.settings, self._model = settings, model
        library, name = mtmd(), shown(str(settings.path))
        self._width = int(native.llama_model_n_embd_inp(model))
        parameters = self._parameters(attends_both_ways(check_projector(settings.path)))
        path = os.fsencode(settings.path)
        self.pointer = library.mtmd_init_from_file(path, model, parameters)
        if not self.pointer:
            raise BadModel(
                f"llama.cpp cannot load {name}: {drain_log() or 'no reason given'}",
                "fetch the file anew, or take the projector (mmproj) that came with the model",
            )
        weakref.finalize(self, library.mtmd_free, self.pointer).atexit = False

    def _parameters(self, both_ways: bool) -> Any:
        parameters = mtmd().mtmd_context_params_default()
        parameters.use_gpu, parameters.n_threads = self.settings.gpu, self.settings.threads
        parameters.print_timings = parameters.warmup = False
        limit = self.settings.image_tokens
        if both_ways:
            limit = min(limit or self.settings.step, self.settings.step)
        if limit:
            parameters.image_max_tokens = limit
            if limit < _OWN_LEAST:
                parameters.image_min_tokens = 1
        return parameters

    def limited(self, image_tokens: int | None) -> Projector:
        """Return one that makes at most so many tokens of a picture, loaded anew if need be."""
        if image_tokens == self.settings.image_tokens:
            return self
        return Projector(self.settings._replace(image_tokens=image_tokens), self._model)

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
            self._cut(pixels, chunks)
            places = range(library.mtmd_input_chunks_size(chunks))
            return tuple(
                self._read(library.mtmd_input_chunks_get(chunks, at), key + at.to_bytes(4))
                for at in places
            )
        finally:
            library.mtmd_input_chunks_free(chunks)

    def _cut(self, pixels: Pixels, chunks: Any) -> None:
        """Let the library cut a picture into chunks."""
        library = mtmd()
        drain_log()  # of what was before
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
            # A mark that the vocabulary lacks is -1 there.
            return np.array([each for each in texts[: count.value] if each >= 0], np.int32)
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
        most = self.settings.step
        if count > most and mtmd().mtmd_decode_use_non_causal(self.pointer, chunk):
            raise BadInput(
                f"the picture makes {count} tokens, and this model takes at most {most} at once",
                "make fewer of it with --image-tokens",
            )


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
