"""Which pictures arguments stand for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from localai.captioning.sources import PictureSource, expand


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
