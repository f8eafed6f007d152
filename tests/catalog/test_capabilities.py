"""What a model can do is told by its files' headers, before anything is loaded."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.catalog.capabilities import capabilities
from localai.catalog.names import TINY


def gguf_file(path: Path, architecture: str, *tensors: str, **values: Any) -> str:
    import numpy as np

    writer = gguf.GGUFWriter(str(path), architecture)
    for key, value in values.items():
        key = key.replace("__", ".")
        (writer.add_bool if isinstance(value, bool) else writer.add_string)(key, value)
    for name in tensors or ("token_embd.weight",):
        writer.add_tensor(name, np.zeros((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(path)


def safetensors(path: Path, *tensors: str) -> str:
    header = {name: {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]} for name in tensors}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0\0")
    return str(path)


def test_the_tiny_model_chats() -> None:
    assert capabilities([str(TINY)]) == {"continues", "chats"}


def test_a_base_model_continues_text(tmp_path: Path) -> None:
    base = gguf_file(tmp_path / "b.gguf", "gemma3", tokenizer__ggml__model="llama")
    assert capabilities([base]) == {"continues"}


@pytest.mark.parametrize(
    ("flags", "can"),
    [
        ({"clip__has_vision_encoder": True}, {"sees"}),
        ({"clip__has_audio_encoder": True}, {"hears"}),
        ({"clip__has_vision_encoder": True, "clip__has_audio_encoder": True}, {"sees", "hears"}),
        ({"clip__has_vision_encoder": False}, set()),
    ],
)
def test_a_projector_adds_what_its_encoders_do(
    flags: dict[str, bool], can: set[str], tmp_path: Path
) -> None:
    projector = gguf_file(tmp_path / "mmproj.gguf", "clip", "v.patch_embd.weight", **flags)
    assert capabilities([projector]) == can
    assert capabilities([str(TINY), projector]) == {"continues", "chats"} | can


def test_picture_models_draw_whatever_their_container(tmp_path: Path) -> None:
    sd = safetensors(tmp_path / "sd.safetensors", "model.diffusion_model.input_blocks.0.0.weight")
    flux = gguf_file(tmp_path / "flux.gguf", "flux", "double_blocks.0.img_attn.qkv.weight")
    diffusers = tmp_path / "pipeline"
    diffusers.mkdir()
    (diffusers / "model_index.json").write_text("{}")
    for each in (sd, flux, str(diffusers)):
        assert capabilities([each]) == {"draws"}, each
    lora = safetensors(tmp_path / "lora.safetensors", "lora_unet_down.weight")
    assert capabilities([lora]) == set()


def test_hearing_and_speaking_models(tmp_path: Path) -> None:
    whisper = tmp_path / "whisper"
    whisper.mkdir()
    (whisper / "model.bin").touch()
    (whisper / "config.json").write_text('{"alignment_heads": [], "lang_ids": [1]}')
    assert capabilities([str(whisper)]) == {"hears"}
    translator = tmp_path / "translator"
    translator.mkdir()
    (translator / "model.bin").touch()
    (translator / "config.json").write_text('{"bos_token": "<s>"}')
    assert capabilities([str(translator)]) == set()
    voice = tmp_path / "voice.onnx"
    voice.touch()
    assert capabilities([str(voice)]) == set()
    (tmp_path / "voice.onnx.json").write_text('{"phoneme_id_map": {}}')
    assert capabilities([str(voice)]) == {"speaks"}


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=200), suffix=st.sampled_from([".gguf", ".safetensors", ".onnx.json"])
)
def test_damage_can_do_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    (folder / f"x{suffix}").write_bytes(data)
    (folder / "x.onnx").touch()
    for name in (f"x{suffix}", "x.onnx", "missing.gguf", ""):
        assert capabilities([str(folder / name)]) == set()
