"""The path under which an engine finds all parts of a split model, whatever links lead to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localai.catalog.gguf.check import check, files
from localai.catalog.gguf.parts import is_complete, load_path, parts_beside
from localai.catalog.name_cache import recall, remember
from localai.catalog.names import TINY
from tests.conftest import InProcess
from tests.support.split import in_hub_cache, split


@pytest.fixture
def links(tmp_path: Path) -> list[Path]:
    """The tiny model in two parts in a hub's cache: the links of its snapshot."""
    return in_hub_cache(tmp_path / "hub", "owner/name", split(tmp_path / "made"))


def in_parts(path: Path) -> bool:
    """Whether a path leads to all parts of the split tiny model."""
    return len(check(path).tensors) == len(check(TINY).tensors) and len(files(path)) == 2


def test_a_link_of_the_cache_keeps_its_name(links: list[Path]) -> None:
    assert load_path(links[0]) == links[0] and in_parts(links[0])
    assert not is_complete(links[0].resolve().with_name(links[0].name))


def test_a_link_to_the_link_becomes_the_link(links: list[Path], tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.symlink_to(links[0])
    again = tmp_path / "again.gguf"
    again.symlink_to("mine.gguf")
    assert load_path(again) == load_path(mine) == links[0]


def test_a_blob_becomes_the_link_that_names_it(links: list[Path]) -> None:
    # What a config file may hold that was written when links were followed to their ends.
    assert load_path(links[0].resolve()) == links[0]
    assert load_path(links[1].resolve()) == links[1]


def test_a_link_in_a_folder_of_the_repository(tmp_path: Path) -> None:
    made = in_hub_cache(tmp_path / "hub", "owner/name", split(tmp_path / "made", count=3), "Q8/big")
    assert load_path(made[0]) == made[0]
    assert load_path(made[0].resolve()) == made[0]
    assert files(made[0]) == tuple(made)


def test_a_folder_of_links_to_parts_in_several_places(tmp_path: Path) -> None:
    parts = split(tmp_path / "made")
    folder = tmp_path / "links"
    folder.mkdir()
    for part in parts:
        disk = tmp_path / f"disk-{part.name[10]}{part.stem[-10]}"
        disk.mkdir(exist_ok=True)
        part.rename(disk / part.name)
        (folder / part.name).symlink_to(disk / part.name)
    (tmp_path / "models").symlink_to(folder)
    assert load_path(tmp_path / "models" / parts[0].name) == folder / parts[0].name
    assert in_parts(folder / parts[0].name)


def test_a_link_to_the_first_of_parts_that_lie_together(tmp_path: Path) -> None:
    parts = split(tmp_path / "made")
    (tmp_path / parts[0].name).symlink_to(parts[0])  # the second has no link beside it
    assert load_path(tmp_path / parts[0].name) == parts[0]


def test_what_lacks_a_part_keeps_its_name_for_the_message(links: list[Path]) -> None:
    links[1].unlink()
    assert load_path(links[0]) == links[0]


@pytest.mark.parametrize("name", ["plain.gguf", "x-00003-of-00002.gguf", "x-00000-of-00002.gguf"])
def test_a_whole_model_has_one_path(tmp_path: Path, name: str) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "0123").write_bytes(b"x")
    (tmp_path / "plain.gguf").symlink_to("blobs/0123")
    assert load_path(tmp_path / "plain.gguf") == blobs / "0123"
    assert list(parts_beside(tmp_path / name)) == [tmp_path / name]


def test_folders_and_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.chdir(tmp_path)
    assert load_path(Path("link")) == load_path(Path("folder/../link")) == tmp_path / "folder"
    assert load_path(Path(".")) == load_path(Path("")) == tmp_path
    assert load_path(Path("missing.gguf")) == tmp_path / "missing.gguf"
    assert load_path(Path("circle")) == tmp_path / "circle"


def test_a_name_is_recalled_only_while_all_parts_are_there(links: list[Path]) -> None:
    remember("mine", links[0])
    assert recall("mine") == links[0]
    os.unlink(links[1].resolve())
    assert recall("mine") is None


def test_the_engine_answers_from_the_parts_as_from_the_whole(links: list[Path]) -> None:
    answers = []
    for path in (TINY, load_path(links[0])):
        model = InProcess(path)
        answers.append(model.ask("What is the capital of France?").text)
        model.engine.close()
    assert answers == ["The capital of France is Paris."] * 2


def test_states_and_workers_belong_to_all_parts(tmp_path: Path) -> None:
    from localai.engines.registry import estimate
    from localai.types import ModelSpec

    parts = split(tmp_path)
    sizes = [part.stat().st_size for part in parts]
    spec = ModelSpec("text", (str(parts[0]),))
    least = estimate(ModelSpec("text", ()), {})["cpu"]
    assert estimate(spec, {})["cpu"] - least == sum(sizes)
    model = InProcess(parts[0])
    before = model.engine._model.fingerprint
    os.utime(parts[1], ns=(1, 1))
    after = model.engine._model.fingerprint
    model.engine.close()
    assert before != after
