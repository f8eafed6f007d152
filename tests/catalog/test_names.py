"""Model names: `tiny`, paths, and what is said about everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.catalog.names import TINY, ModelFile, resolve
from localai.errors import ExitCode, UnknownModel


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and home, with a few model files."""
    for name in ("mistral-7b.gguf", "qwen.gguf", "weights"):
        (tmp_path / name).write_bytes(b"GGUF")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.gguf").write_bytes(b"GGUF")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def refusal(name: str) -> UnknownModel:
    with pytest.raises(UnknownModel) as caught:
        resolve(name)
    assert caught.value.code == ExitCode.UNAVAILABLE and caught.value.next_step
    return caught.value


def test_tiny_is_the_shipped_model(tmp_path: Path) -> None:
    assert TINY.parts[-3:] == ("localai", "tiny", "tiny-chat.gguf")
    shipped = tmp_path / "tiny-chat.gguf"
    shipped.write_bytes(b"GGUF")
    assert resolve("tiny", tiny=shipped) == ModelFile("tiny", shipped)
    with pytest.raises(UnknownModel, match="missing from this installation"):
        resolve("tiny", tiny=tmp_path / "absent.gguf")


@pytest.mark.parametrize(
    "name", ["qwen.gguf", "./qwen.gguf", "sub/inner.gguf", "weights", "./weights"]
)
def test_a_path(folder: Path, name: str) -> None:
    assert resolve(name) == ModelFile(name, Path(name))


def test_a_path_from_home(folder: Path) -> None:
    assert resolve("~/qwen.gguf").path == folder / "qwen.gguf"
    assert "no model file" in refusal("~nobody-of-that-name/qwen.gguf").what


@pytest.mark.parametrize("name", ["tinny", "tny", "Tiny", "tinyy"])
def test_a_near_miss_of_a_known_name(folder: Path, name: str) -> None:
    assert refusal(name).next_step == "did you mean tiny?"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mistal-7b.gguf", "mistral-7b.gguf"),
        ("./qwn.gguf", "qwen.gguf"),
        ("sub/iner.gguf", "sub/inner.gguf"),
        ("sub/inner.guf", "sub/inner.gguf"),
    ],
)
def test_a_typing_error_in_a_path(folder: Path, name: str, meant: str) -> None:
    assert refusal(name).next_step == f"did you mean {meant}?"


def test_what_is_neither_a_file_nor_a_place_on_the_hub(folder: Path) -> None:
    error = refusal("owner/*")
    assert "neither" in error.what and "owner/repo" in error.next_step


@pytest.mark.parametrize("name", ["", "gpt-5", "x" * 5000, "nul\0byte", "\x1b[31mred"])
def test_odd_names(folder: Path, name: str) -> None:
    assert refusal(name).what.isprintable()
