"""Tests on real models: they run on demand (`-m real`), and say so where a model cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real import models


@pytest.fixture(scope="session")
def real_model() -> Callable[[str], Path]:
    """Gives a real model's file or folder; skips the test where it cannot be had."""

    def find(name: str) -> Path:
        try:
            return models.real_model(name)
        except models.Unavailable as error:
            pytest.skip(f"{name}: {error}")

    return find
