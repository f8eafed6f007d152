"""A Piper voice made by hand: each phonetic letter is a short sound of its own.

An ONNX file is a protocol buffer (onnx.proto3 of the ONNX project); the few messages that are
needed are written here, so that no test needs a library for it. The graph looks each number up in a
table of sounds and joins them; a speaker's number is added before, so that each has sounds of its
own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

RATE, LENGTH = 16_000, 800  # Hz; samples of a letter
MOST_SPEAKERS = 4
LETTERS = "_^$ .,?!abdefhijklmnopqrstuvwxyzæçðŋɐɑɒɔəɛɜɡɪɹɾʃʊʌʒʔθˈˌː"


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, array: np.ndarray[Any, Any]) -> bytes:
    kinds = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, kinds[array.dtype]) + _field(8, name) + _field(9, array.tobytes())


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    names = b"".join(_field(1, each) for each in inputs)
    return names + _field(2, output) + _field(4, kind)


def _value(name: str, kind: int, *dims: str | int) -> bytes:
    shape = b"".join(_field(1, _field(1 if isinstance(d, int) else 2, d)) for d in dims)
    tensor = _field(1, kind) + _field(2, shape)
    return _field(1, name) + _field(2, _field(1, tensor))


def sounds() -> np.ndarray[Any, Any]:
    """The sound of each letter: silence for marks, a tone of its own for the others."""
    table = np.zeros((len(LETTERS) + MOST_SPEAKERS, LENGTH), np.float32)
    time = np.arange(LENGTH) / RATE
    for number, letter in enumerate(LETTERS):
        if letter.isalpha():
            table[number] = (
                0.5 * np.sin(2 * np.pi * (200 + 40 * number) * time) * np.hanning(LENGTH)
            )
    return table


def model() -> bytes:
    """The voice as an ONNX file."""
    nodes = [
        _node("Reshape", ["input", "flat"], "letters"),
        _node("Add", ["letters", "sid"], "ids"),
        _node("Gather", ["table", "ids"], "pieces"),
        _node("Reshape", ["pieces", "shape"], "output"),
    ]
    tensors = [
        _tensor("table", sounds()),
        _tensor("flat", np.array([-1], np.int64)),
        _tensor("shape", np.array([1, 1, 1, -1], np.int64)),
    ]
    takes = [
        _value("input", 7, "b", "n"),
        _value("input_lengths", 7, "b"),
        _value("scales", 1, 3),
        _value("sid", 7, 1),
    ]
    graph = b"".join(_field(1, each) for each in nodes) + _field(2, "voice")
    graph += b"".join(_field(5, each) for each in tensors)
    graph += b"".join(_field(11, each) for each in takes)
    graph += _field(12, _value("output", 1, "b", 1, 1, "t"))
    return _field(1, 9) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 17))


def config(**more: Any) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_speakers": 1,
        "speaker_id_map": {},
        "phoneme_id_map": {letter: [number] for number, letter in enumerate(LETTERS)},
        **more,
    }


def write(folder: Path, **more: Any) -> Path:
    """Write the voice and its description; return the voice's path."""
    path = folder / "hand-made.onnx"
    path.write_bytes(model())
    path.with_name(f"{path.name}.json").write_text(json.dumps(config(**more)))
    return path
