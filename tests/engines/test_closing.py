"""When an answer of a fixed form is completed for it: near its end, and not because a way was not found."""

from __future__ import annotations

from typing import Any

import pytest

from localai.engines.llama import closing


class Place:
    """Where an answer stands; a place after it is another one."""

    def __init__(self, name: str = "here") -> None:
        self.name = name

    def deep_copy(self) -> Place:
        return Place("after")

    def consume_tokens(self, tokens: list[int]) -> bool:
        return True


def asked(monkeypatch: pytest.MonkeyPatch, ways: dict[str, Any], left: int) -> list[int] | None:
    """What a first look says, where these are the ways to the end that are found."""
    monkeypatch.setattr(closing, "way_to_end", lambda place, tables, most: ways[place.name])
    place, tables = Place(), None
    return closing.BudgetWatch().instead(7, left, place, tables)  # type: ignore[arg-type]


@pytest.mark.parametrize("left", [2000, 300, 64, 30])
def test_a_way_that_is_not_found_ends_no_answer_that_has_tokens_left(
    monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    assert asked(monkeypatch, {"here": [1, 2], "after": None}, left) is None


@pytest.mark.parametrize("left", [2, 3, 10])
def test_near_its_end_the_way_that_is_known_is_taken(
    monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    assert asked(monkeypatch, {"here": [1, 2], "after": None}, left) == [1, 2]
    assert asked(monkeypatch, {"here": [1, 2], "after": [3]}, left) is None
    assert asked(monkeypatch, {"here": None, "after": None}, left) is None
