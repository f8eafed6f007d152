"""Tests on real models: they run on demand (`-m real`), and say so where a model cannot be had."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.bench.shapes import SHAPES, shape_file
from tests.conftest import run
from tests.real import models
from tests.support.sources import SourceMissing


@pytest.fixture(scope="session")
def real_model() -> Callable[[str], Path]:
    """Gives a real model, or a shape of random weights on a real vocabulary; skips the test where
    it cannot be had."""

    def find(name: str) -> Path:
        try:
            return shape_file(name) if name in SHAPES else models.real_model(name)
        except (models.Unavailable, SourceMissing) as error:
            pytest.skip(f"{name}: {error}")

    return find


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of one warm host for all tests of a module, to be given to `run`."""
    folder = tmp_path_factory.mktemp("host")
    names = ("CONFIG", "DATA", "STATE", "CACHE")
    environment = {f"XDG_{name}_HOME": str(folder / name.lower()) for name in names}
    stamp = folder / "state" / "localai" / "gpu-looked"
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    environment |= {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "LOCALAI_WARM": "1"}
    environment |= {
        "LOCALAI_THREADS": str(min(4, os.cpu_count() or 1)),
        "LOCALAI_KEEP_ALIVE": "10m",
    }
    yield environment
    run("stop", "--all", env=environment)
