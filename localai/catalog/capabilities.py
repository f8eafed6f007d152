"""What a model can do, from the headers of its files: nothing is loaded."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from localai.catalog.gguf.header import Header
from localai.catalog.gguf.reader import read_header
from localai.errors import LocalaiError

Capability = Literal["continues", "chats", "sees", "hears", "speaks", "draws"]

_MOST_JSON = 1 << 26  # bytes of a safetensors header or a config
# Names that only the tensors of a picture model's denoiser have, whatever its family.
_DENOISER = ("model.diffusion_model.", "diffusion_model.", "double_blocks.", "joint_blocks.",
             "transformer_blocks.", "down_blocks.", "input_blocks.", "noise_refiner.")  # fmt: skip
_ENCODERS: dict[str, Capability] = {
    "clip.has_vision_encoder": "sees",
    "clip.has_audio_encoder": "hears",
}


def capabilities(files: Iterable[str]) -> frozenset[Capability]:
    """Return what a model can do that consists of these files or folders.

    Parameters
    ----------
    files : iterable of str
        Paths; the model first, then what goes with it (a projector, a voice's settings). What
        cannot be read can do nothing: loading it will say why.

    Returns
    -------
    frozenset of str
        `continues` text, `chats`, `sees`, `hears`, `speaks`, `draws`.
    """
    found: set[Capability] = set()
    for name in files:
        with suppress(LocalaiError, OSError, ValueError, struct.error):
            found |= _of(Path(name))
    return frozenset(found)


def _of(path: Path) -> set[Capability]:
    if path.is_dir():
        return _of_folder(path)
    match path.suffix.lower():
        case ".gguf":
            return _of_gguf(read_header(path))
        case ".safetensors":
            return {"draws"} if _draws(_safetensors(path)) else set()
        case ".onnx":
            settings = _json(path.with_name(path.name + ".json"))
            return {"speaks"} if "phoneme_id_map" in settings else set()
    return set()


def _of_gguf(header: Header) -> set[Capability]:
    if header.architecture == "clip" or header.text("general.type") == "mmproj":
        return {can for key, can in _ENCODERS.items() if header.metadata.get(key) is True}
    if _draws(tensor.name for tensor in header.tensors):
        return {"draws"}
    if "tokenizer.ggml.model" not in header.metadata:
        return set()
    return {"continues", "chats"} if header.chat_template else {"continues"}


def _of_folder(path: Path) -> set[Capability]:
    if (path / "model_index.json").is_file():  # the layout of Diffusers
        return {"draws"}
    config = _json(path / "config.json") if (path / "model.bin").is_file() else {}
    whisper = {"alignment_heads", "lang_ids", "suppress_ids", "suppress_ids_begin"}
    return {"hears"} if whisper & config.keys() else set()


def _draws(tensors: Iterable[str]) -> bool:
    return any(name.startswith(_DENOISER) for name in tensors)


def _safetensors(path: Path) -> dict[str, Any]:
    """Return the header of a safetensors file: 8 bytes of length (little-endian), then JSON."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(_MOST_JSON, os.fstat(file.fileno()).st_size):
            raise ValueError("the header is longer than the file")
        return _mapping(file.read(length))


def _json(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return _mapping(file.read(_MOST_JSON))


def _mapping(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found
