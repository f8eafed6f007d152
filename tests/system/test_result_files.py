"""Result files get their names: nothing is overwritten, and nothing is left under another name."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.system.files import adopt, atomic_create, partial_result, sweep_partials

NO_LINKS = {"EPERM": errno.EPERM, "ENOTSUP": errno.ENOTSUP, "ENOSYS": errno.ENOSYS}


@pytest.fixture(params=["links", *NO_LINKS])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder of a file system with hard links, and of those without."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(NO_LINKS[request.param], "no links here")

    if request.param in NO_LINKS:
        monkeypatch.setattr(os, "link", refuse)
    yield tmp_path


def made(folder: Path, text: str = "new") -> Path:
    path = partial_result(folder, 0)
    path.write_text(text)
    return path


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_finished_file_gets_its_name_and_no_other(folder: Path, overwrite: bool) -> None:
    adopt(made(folder), folder / "a.png", overwrite=overwrite)
    assert (folder / "a.png").read_text() == "new" and names(folder) == ["a.png"]


@pytest.mark.parametrize("there", ["file", "folder", "link", "link to nothing", "pipe"])
def test_what_is_there_is_never_overwritten(there: str, folder: Path) -> None:
    path = folder / "a.png"
    match there:
        case "file":
            path.write_text("old")
        case "folder":
            path.mkdir()
        case "link":
            (folder / "b.png").write_text("old")
            path.symlink_to("b.png")
        case "link to nothing":
            path.symlink_to("nowhere.png")
        case "pipe":
            os.mkfifo(path)
    before, status = names(folder), path.lstat()
    with pytest.raises(FileExistsError):
        adopt(made(folder), path, overwrite=False)
    assert names(folder) == before, "the temporary file is removed, and no other made"
    assert (path.lstat().st_ino, path.lstat().st_size) == (status.st_ino, status.st_size)
    if there in ("file", "link"):
        assert path.read_text() == "old"


def test_what_is_there_is_replaced_where_that_is_asked_for(folder: Path) -> None:
    (folder / "a.png").write_text("old")
    adopt(made(folder), folder / "a.png", overwrite=True)
    assert (folder / "a.png").read_text() == "new" and names(folder) == ["a.png"]


def test_a_folder_is_not_replaced_by_a_file(folder: Path) -> None:
    (folder / "a.png").mkdir()
    with pytest.raises(OSError):
        adopt(made(folder), folder / "a.png", overwrite=True)
    assert names(folder) == ["a.png"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_that_is_gone_leaves_no_empty_one(folder: Path, overwrite: bool) -> None:
    with pytest.raises(FileNotFoundError):
        adopt(folder / ".gone.partial", folder / "a.png", overwrite=overwrite)
    assert names(folder) == []


def test_a_file_that_is_written_gets_its_name_once(folder: Path) -> None:
    with atomic_create(folder / "a.txt") as partial:
        partial.write_text("first")
    with pytest.raises(FileExistsError), atomic_create(folder / "a.txt") as partial:
        partial.write_text("second")
    assert (folder / "a.txt").read_text() == "first" and names(folder) == ["a.txt"]


def test_of_many_that_want_one_name_exactly_one_gets_it(folder: Path) -> None:
    path, won = folder / "a.png", list[str]()
    ready = threading.Barrier(8)

    def want(text: str) -> None:
        partial = made(folder, text)
        ready.wait()
        try:
            adopt(partial, path, overwrite=False)
        except FileExistsError:
            return
        won.append(text)

    threads = [threading.Thread(target=want, args=(str(at),)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_text()] == won and names(folder) == ["a.png"]


def test_what_dead_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    if not (process := os.fork()):
        os._exit(0)
    os.waitpid(process, 0)
    mine = made(tmp_path)
    kept = ["a.png", f".localai-{process}-0-xyz.partial", f".localai-{process}-0.partial",
            f"localai-{process}-0-ab.partial", f".localai-{process}-0-ab.partial.txt",
            ".localai-1-0-ab.partial"]  # fmt: skip
    for name in (*kept, f".localai-{process}-0-ab.partial", f".localai-{process}-12-00ff.partial"):
        (tmp_path / name).write_text("")
    sweep_partials(tmp_path)
    assert names(tmp_path) == sorted([mine.name, *kept])


def test_two_results_of_one_process_have_two_names(tmp_path: Path) -> None:
    assert len({partial_result(tmp_path, 0) for _ in range(50)}) == 50


@pytest.mark.parametrize("number", [str(10**30), "0", "99999999999", "٣"])
def test_a_name_with_a_number_that_no_process_has_stops_nobody(number: str, tmp_path: Path) -> None:
    (tmp_path / f".localai-{number}-0-ab.partial").write_text("")
    (tmp_path / ".localai-999999999-0-ab.partial").write_text("")
    sweep_partials(tmp_path)
    assert names(tmp_path) == [f".localai-{number}-0-ab.partial"]


def test_a_folder_of_that_name_stays(tmp_path: Path) -> None:
    (tmp_path / ".localai-999999999-0-ab.partial").mkdir()
    (tmp_path / ".localai-999999999-1-ab.partial").write_text("")
    sweep_partials(tmp_path)
    assert names(tmp_path) == [".localai-999999999-0-ab.partial"]
