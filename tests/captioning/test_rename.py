"""Renaming pictures: nothing is overwritten, nothing is lost, and a script undoes it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localai.captioning.rename import Planner, Renaming, apply, write_undo
from localai.errors import LocalaiError


def tree(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def fill(folder: Path, *names: str) -> dict[str, str]:
    for name in names:
        (folder / name).write_text(f"was {name}")
    return tree(folder)


def plan(folder: Path, names: dict[str, str]) -> list[Renaming]:
    planner = Planner()
    planned = [planner.plan(folder / old, stem) for old, stem in names.items()]
    return [each for each in planned if each is not None]


def undo(script: Path) -> None:
    subprocess.run(["sh", str(script)], check=True)


def test_names_that_are_taken_get_a_number_and_endings_stay(tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    before = fill(pictures, "a.JPG", "b.jpg", "c.jpg", "red-fox.jpg", "d.png")
    planned = plan(pictures, {name: "red-fox" for name in ("a.JPG", "b.jpg", "c.jpg", "d.png")})
    script = write_undo(planned, tmp_path)
    assert [error for _, error in apply(planned)] == [None] * 4
    assert tree(pictures) == {
        "red-fox.jpg": "was red-fox.jpg",
        "red-fox.JPG": "was a.JPG",
        "red-fox-2.jpg": "was b.jpg",
        "red-fox-3.jpg": "was c.jpg",
        "red-fox.png": "was d.png",
    }
    undo(script)
    assert tree(pictures) == before


def test_what_lies_beside_a_picture_goes_with_it(tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    before = fill(
        pictures, "a.jpg", "a.xmp", "a.jpg.xmp", "a.txt", "a.mov", "ab.txt", "red-fox.txt"
    )
    planned = plan(pictures, {"a.jpg": "red-fox"})
    script = write_undo(planned, tmp_path)
    assert list(apply(planned)) == [(planned[0], None)]
    assert tree(pictures) == {
        "red-fox-2.jpg": "was a.jpg",
        "red-fox-2.xmp": "was a.xmp",
        "red-fox-2.jpg.xmp": "was a.jpg.xmp",
        "red-fox-2.txt": "was a.txt",
        "red-fox-2.mov": "was a.mov",
        "ab.txt": "was ab.txt",
        "red-fox.txt": "was red-fox.txt",
    }
    undo(script)
    assert tree(pictures) == before


BESIDE = {
    # what lies in a folder: what is renamed of it, with IMG_2.JPG
    "endings in upper case": (
        ("IMG_2.AAE", "IMG_2.MOV", "IMG_2.Xmp"),
        ("fox.AAE", "fox.MOV", "fox.Xmp"),
    ),
    "by the whole name": (
        ("IMG_2.JPG.json", "IMG_2.JPG.XMP", "IMG_2.PNG.json"),
        ("fox.JPG.json", "fox.JPG.XMP", "IMG_2.PNG.json"),
    ),
    "of a raw file as well": (("IMG_2.CR2", "IMG_2.xmp"), ("IMG_2.CR2", "IMG_2.xmp")),
    "of another picture, and its own": (
        ("IMG_2.png", "IMG_2.txt", "IMG_2.JPG.txt"),
        ("IMG_2.png", "IMG_2.txt", "fox.JPG.txt"),
    ),
    "nothing of it": (
        ("IMG_2", "IMG_22.xmp", "img_2.xmp", "IMG_2-edited.xmp"),
        ("IMG_2", "IMG_22.xmp", "img_2.xmp", "IMG_2-edited.xmp"),
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_belongs_to_another_file_too_stays(case: str, tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    there, after = BESIDE[case]
    before = fill(pictures, "IMG_2.JPG", *there)
    planned = plan(pictures, {"IMG_2.JPG": "fox"})
    script = write_undo(planned, tmp_path)
    assert [error for _, error in apply(planned)] == [None]
    assert tree(pictures) == {
        "fox.JPG": "was IMG_2.JPG",
        **{new: f"was {old}" for old, new in zip(there, after, strict=True)},
    }
    undo(script)
    assert tree(pictures) == before


def test_pictures_of_one_stem_are_renamed_and_what_they_share_stays(tmp_path: Path) -> None:
    fill(tmp_path, "IMG_1.png", "IMG_1.bmp", "IMG_1.txt")
    planned = plan(tmp_path, {"IMG_1.png": "fox", "IMG_1.bmp": "fox"})
    assert [error for _, error in apply(planned)] == [None, None]
    assert set(tree(tmp_path)) == {"fox.png", "fox.bmp", "IMG_1.txt"}


def test_a_picture_that_has_its_name_stays(tmp_path: Path) -> None:
    fill(tmp_path, "red-fox.jpg")
    assert Planner().plan(tmp_path / "red-fox.jpg", "red-fox") is None


def test_a_file_that_came_in_between_is_not_overwritten(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "a.xmp")
    planned = plan(tmp_path, {"a.jpg": "fox"})
    fill(tmp_path, "fox.xmp")  # the picture's own name is still free
    ((_, error),) = apply(planned)
    assert isinstance(error, FileExistsError)
    assert tree(tmp_path) == {"a.jpg": "was a.jpg", "a.xmp": "was a.xmp", "fox.xmp": "was fox.xmp"}


def test_odd_names_are_undone(tmp_path: Path) -> None:
    pictures = tmp_path / "p"
    pictures.mkdir()
    odd = ["it's; rm -rf ~.jpg", "-n.jpg", "$(touch x).jpg", "new\nline.jpg", "sp ace.jpg", "ü.jpg"]
    before = fill(pictures, *odd)
    planned = plan(pictures, {name: f"picture-{at}" for at, name in enumerate(odd)})
    script = write_undo(planned, tmp_path / "state")
    assert all(error is None for _, error in apply(planned))
    assert len(tree(pictures)) == len(odd) and all(n.startswith("picture-") for n in tree(pictures))
    undo(script)
    assert tree(pictures) == before


def test_without_a_script_nothing_is_renamed(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalaiError, match="nothing was renamed"):
        write_undo(plan(tmp_path, {"a.jpg": "fox"}), tmp_path / "file")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving up rights takes those of root")
def test_files_of_another_user_keep_their_names(tmp_path: Path) -> None:
    """In a folder that is not the user's, nothing can be renamed, and all is told."""
    os.chmod(tmp_path.parent.parent, 0o755)
    os.chmod(tmp_path.parent, 0o755)
    os.chmod(tmp_path, 0o755)
    before = fill(tmp_path, "a.jpg", "b.jpg")
    planned = plan(tmp_path, {"a.jpg": "fox", "b.jpg": "wolf"})
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # a process that is nobody
        os.setuid(65534)
        failed = sum(isinstance(error, PermissionError) for _, error in apply(planned))
        os.write(writer, str(failed).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"2"
    assert tree(tmp_path) == before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "fox", "fox-2", "wolf"]), min_size=1, unique=True),
    st.lists(st.sampled_from(["fox", "wolf", "a"]), min_size=6, max_size=6),
)
def test_any_folder_keeps_every_content_and_is_restored(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str], wanted: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    before = fill(folder, *(f"{stem}.png" for stem in stems))
    planned = plan(folder, dict(zip(before, wanted, strict=False)))
    script = write_undo(planned, tmp_path_factory.mktemp("state"))
    assert all(error is None for _, error in apply(planned))
    assert sorted(tree(folder).values()) == sorted(before.values())
    undo(script)
    assert tree(folder) == before
