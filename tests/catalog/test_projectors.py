"""Which projector belongs to a model's file: by the names that publishers give them."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.catalog.names import TINY, TINY_VISION
from localai.catalog.projectors import beside

FOLDERS = {
    # files of a folder: the model that is asked for, and its projector
    ("model.gguf mmproj.gguf", "model.gguf", "mmproj.gguf"),
    ("m-Q4_K_M.gguf mmproj-F16.gguf mmproj-F32.gguf", "m-Q4_K_M.gguf", "mmproj-F16.gguf"),
    ("Qwen3VL-4B-Q4_K_M.gguf Qwen3VL-4B-Q8_0.gguf mmproj-Qwen3VL-4B-Q8_0.gguf", "Qwen3VL-4B-Q4_K_M.gguf", "mmproj-Qwen3VL-4B-Q8_0.gguf"),
    ("a-vl-Q4_0.gguf b-vl-Q4_0.gguf a-vl-mmproj-f16.gguf b-vl-mmproj-f16.gguf", "b-vl-Q4_0.gguf", "b-vl-mmproj-f16.gguf"),
    ("chat.gguf see.gguf see-mmproj.gguf", "chat.gguf", None),
    ("tiny-chat.gguf tiny-see.gguf tiny-see-mmproj.gguf", "tiny-chat.gguf", None),
    ("ggml-model-q4_k.gguf mmproj-model-f16.gguf", "ggml-model-q4_k.gguf", "mmproj-model-f16.gguf"),
    ("chat.gguf", "chat.gguf", None),
}  # fmt: skip


@pytest.mark.parametrize(("names", "model", "projector"), sorted(FOLDERS, key=str))
def test_a_projector_is_found_by_its_name(
    tmp_path: Path, names: str, model: str, projector: str | None
) -> None:
    for name in names.split():
        (tmp_path / name).touch()
    found = beside(tmp_path / model)
    assert (found and found.name) == projector


def test_the_tiny_models_have_one_that_sees() -> None:
    assert beside(TINY) is None
    found = beside(TINY_VISION)
    assert found is not None and found.name == "tiny-vision-mmproj.gguf"


def test_in_the_hubs_cache_it_lies_beside_the_link(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "main"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for name, blob in (("m-Q4_0.gguf", "aa"), ("mmproj-m-F16.gguf", "bb")):
        (blobs / blob).touch()
        (snapshot / name).symlink_to(blobs / blob)
    assert beside(snapshot / "m-Q4_0.gguf") == snapshot / "mmproj-m-F16.gguf"
    link = tmp_path / "mine.gguf"
    link.symlink_to(snapshot / "m-Q4_0.gguf")
    assert beside(link) == snapshot / "mmproj-m-F16.gguf"
