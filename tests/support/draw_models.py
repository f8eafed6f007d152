"""Picture models that tests write: the tiny one once a session, LoRAs, upscalers, random weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from localai.media.drawing import Drawn, DrawRequest, PreviewFrame
from localai.pool.client import DedicatedClient
from localai.tiny import draw_model
from localai.types import FileReady, ModelSpec, Notice

F16, F32 = np.float16, np.float32
Tensors = dict[str, Any]


def write(path: Path, tensors: Tensors, kind: Any = F16) -> Path:
    """A safetensors file; vectors are float32."""
    header, end, parts = {}, 0, []
    for name, tensor in tensors.items():
        own = kind if tensor.ndim > 1 else F32
        parts.append(tensor.astype(own).tobytes())
        begin, end = end, end + len(parts[-1])
        dtype = "F16" if own is F16 else "F32"
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    return path


def parts_of(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a safetensors file."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: dict[str, Any], data: bytes) -> bytes:
    """A safetensors file of a header and data."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def lora(path: Path, fits: bool = True) -> Path:
    """A LoRA that makes red things blue; one that does not fit has kohya's names for no layer."""
    down, up = np.zeros((4, 128), F32), np.zeros((64, 4), F32)
    for channel in range(3):
        down[channel, 64 + channel] = 1
    change = 6 * np.sqrt(28 / 128) / 0.1
    up[8:12, 0], up[0:4, 0] = -change, change
    layer = "diffusion_model.final_layer.linear" if fits else "diffusion_model.no_such_layer.1"
    return write(path, {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}, F32)


def upscaler(path: Path, factor: int = 4) -> Path:
    """An ESRGAN of one block that keeps colours."""
    tensors: Tensors = {}

    def convolution(name: str, inner: int, outer: int, same: bool = False) -> None:
        weight = np.zeros((outer, inner, 3, 3), F32)
        for channel in range(min(inner, outer, 3)) if same else ():
            weight[channel, channel, 1, 1] = 1
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = weight, np.zeros(outer, F32)

    convolution("conv_first", 3, 64, True)
    for dense in (1, 2, 3):
        for at in range(1, 6):
            convolution(f"body.0.rdb{dense}.conv{at}", 64 + 32 * (at - 1), 32 if at < 5 else 64)
    convolution("conv_body", 64, 64)
    for name in ("conv_up1", *(("conv_up2",) if factor == 4 else ()), "conv_hr"):
        convolution(name, 64, 64, True)
    convolution("conv_last", 64, 3, True)
    return write(path, tensors)


def random_dit(folder: Path) -> tuple[Path, Path]:
    """The tiny model's layout with weights by chance."""
    rng = np.random.default_rng(1)
    draw_model.write(folder)
    for name in (draw_model.MODEL, draw_model.AUTOENCODER):
        header, data = parts_of(folder / name)
        tensors = {}
        for tensor, entry in header.items():
            begin, end = entry["data_offsets"]
            kind = F16 if entry["dtype"] == "F16" else F32
            values = np.frombuffer(data[begin:end], kind).reshape(entry["shape"]).astype(F32)
            if values.ndim > 1:
                fan = float(np.prod(values.shape[1:]))
                values = rng.standard_normal(values.shape, F32) * F32(0.8 / np.sqrt(fan))
            tensors[tensor] = values
        write(folder / name, tensors)
    return folder / draw_model.MODEL, folder / draw_model.AUTOENCODER


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny picture model, written once."""
    folder = tmp_path_factory.mktemp("tiny-draw")
    draw_model.write(folder)
    return folder


def spec_of(folder: Path, **more: Any) -> ModelSpec:
    """What is loaded for the tiny model."""
    files = tuple(str(folder / name) for name in (draw_model.MODEL, draw_model.AUTOENCODER))
    return ModelSpec("image", files, "tiny", {"threads": 1, **more})


@pytest.fixture(scope="module")
def client(tiny_folder: Path) -> Iterator[DedicatedClient]:
    """The tiny model in a worker of its own."""
    with DedicatedClient(spec_of(tiny_folder)) as engine:
        yield engine  # type: ignore[misc]


class Result:
    """What has come of a request."""

    def __init__(self, engine: Any, request: DrawRequest, files: tuple[int, ...] = ()) -> None:
        self.paths: list[Path] = []
        self.seeds: list[int | None] = []
        self.drawn: list[Drawn] = []
        self.notices: list[str] = []
        self.previews: list[PreviewFrame] = []
        self.events: list[Any] = []
        for event in engine.ask(request, files):
            self.events.append(event)
            match event:
                case FileReady(path, _, seed):
                    self.paths.append(Path(path))
                    self.seeds.append(seed)
                case Drawn():
                    self.drawn.append(event)
                case Notice(text):
                    self.notices.append(text)
                case PreviewFrame():
                    self.previews.append(event)

    @property
    def pixels(self) -> list[bytes]:
        return [rgb_of(path) for path in self.paths]


def rgb_of(path: Path) -> bytes:
    """The pixels of a picture."""
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(path) as image:
        return image.size


def mean(source: Path | bytes) -> tuple[int, int, int]:
    """The mean colour of a picture, or of RGB bytes."""
    data = source if isinstance(source, bytes) else rgb_of(source)
    values = np.frombuffer(data, np.uint8).reshape(-1, 3).mean(axis=0)
    return tuple(round(float(value)) for value in values)  # type: ignore[return-value]


def nearest_colour(rgb: tuple[int, int, int]) -> str:
    """The colour word of the tiny model that is nearest to a colour."""
    table = {name: colour for name, (colour, _) in draw_model.COLOURS.items()}
    return min(
        table, key=lambda name: sum((a - b) ** 2 for a, b in zip(rgb, table[name], strict=True))
    )
