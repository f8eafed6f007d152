"""The tiny model in real parts, as llama.cpp's `gguf-split` makes them, and in a hub's cache."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import gguf

from localai.catalog.names import TINY

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _copied(writer: gguf.GGUFWriter, reader: gguf.GGUFReader) -> None:
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kinds: list[Any] = [*field.types, None]
            writer.add_key_value(key, field.contents(), kinds[0], sub_type=kinds[1])


def split(folder: Path, name: str = "tiny-Q8_0", count: int = 2, model: Path = TINY) -> list[Path]:
    """Write a model in `count` parts; all metadata lie in the first one, the tensors in turn.

    llama.cpp reads `split.no` (from 0), `split.count` and `split.tensors.count` (of all parts),
    and finds the others by the name of the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(model)
    architecture = reader.fields["general.architecture"].contents()
    size = -(-len(reader.tensors) // count)
    paths = []
    for number in range(count):
        path = folder / f"{name}-{number + 1:05}-of-{count:05}.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        if number == 0:
            _copied(writer, reader)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in reader.tensors[number * size : (number + 1) * size]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        paths.append(path)
    return paths


def in_hub_cache(cache: Path, repo: str, files: list[Path], below: str = "") -> list[Path]:
    """Move files into a hub's cache: blobs under their hashes, links with their names."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT / below
    for each in (folder / "blobs", folder / "refs", snapshot):
        each.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(COMMIT)
    links = []
    for file in files:
        blob = folder / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        file.rename(blob)
        up = "/".join([".."] * (2 + (below.count("/") + 1 if below else 0)))
        links.append(snapshot / file.name)
        links[-1].symlink_to(f"{up}/blobs/{blob.name}")
    return links
