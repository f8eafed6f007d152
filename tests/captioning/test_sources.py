"""Which pictures arguments stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from localai.captioning.sources import PictureSource, expand
from localai.errors import BadInput


def found(*names: str, recursive: bool = False) -> list[PictureSource]:
    return expand(names, recursive=recursive, allow_url=False)


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


def test_each_file_comes_once_whatever_it_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("sub/b.png"))
    first = picture(Path("a.png"))
    names = ("a.png", str(tmp_path / "a.png"), "./a.png", "sub/../a.png", "a.*", str(tmp_path))
    assert [each.path for each in found(*names, recursive=True)] == [
        first,
        tmp_path / "sub" / "b.png",
    ]


def test_only_files_are_pictures(tmp_path: Path) -> None:
    """A pipe that nobody writes to would be waited for, and a folder is none."""
    first = picture(tmp_path / "sub" / "a.png")
    os.mkfifo(tmp_path / "sub" / "pipe.png")
    (tmp_path / "sub" / "gone.png").symlink_to("nowhere")
    (tmp_path / "sub" / "folder.png").mkdir()
    assert [each.path for each in found(str(tmp_path), recursive=True)] == [first]
    assert [each.path for each in found(f"{tmp_path}/sub/*.png")] == [first]
    for pattern in ("su*", "sub/f*", "sub/p*"):
        with pytest.raises(BadInput, match="no file matches"):
            found(f"{tmp_path}/{pattern}")
