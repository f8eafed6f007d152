"""Files that are whole or not there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from localai import settings
from localai.catalog import default_model
from localai.engines.llama.state_store import LEAST_TOKENS, StateStore
from localai.errors import BadInput
from localai.system.files import atomic_create, atomic_replace

Writing = Callable[[Path], AbstractContextManager[Path]]
BOTH = pytest.mark.parametrize("writing", [atomic_replace, atomic_create])


@BOTH
def test_the_file_is_there_when_the_block_has_ended_and_not_before(
    writing: Writing, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    with writing(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert os.listdir(tmp_path) == ["a.txt"]


@BOTH
def test_a_failure_leaves_nothing_behind_and_nothing_changed(
    writing: Writing, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), writing(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_only_one_of_them_takes_the_place_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(FileExistsError), atomic_create(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "before"
    with atomic_replace(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "after"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(FileExistsError), atomic_create(path) as partial:
        partial.write_text("ours")
        path.write_text("theirs")
    assert path.read_text() == "theirs"


def test_a_config_file_that_is_a_link_stays_one(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "localai.toml"
    kept.parent.mkdir()
    kept.write_text("# mine\n")
    link = settings.load().folders.config / "config.toml"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(kept)
    default_model.set_model("text", "tiny")
    assert link.is_symlink()
    assert kept.read_text() == '# mine\n\n[models]\ntext = "tiny"\n'


def test_what_a_killed_process_left_of_a_state_is_removed_in_time(tmp_path: Path) -> None:
    class Saves:
        def save(self, sequence: int, tokens: object, path: Path) -> bool:
            path.write_bytes(b"state")
            return True

    old, fresh = tmp_path / ".a.state.1.partial", tmp_path / ".b.state.2.partial"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    tokens = np.arange(LEAST_TOKENS, dtype=np.int32)
    states = StateStore(tmp_path, "key")
    states.save(Saves(), 0, tokens)  # type: ignore[arg-type]
    assert states.has(tokens)
    assert not old.exists() and fresh.exists()


def test_a_name_that_no_config_file_can_hold_is_refused(home: Path) -> None:
    with pytest.raises(BadInput, match="not UTF-8"):
        default_model.set_model("text", "/models/\udcff.gguf")
    assert not list(settings.load().folders.config.glob("*"))
