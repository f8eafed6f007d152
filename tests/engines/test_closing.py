"""When an answer of a fixed form is completed for it: near its end, and not because a way was not found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from localai.engines.llama import closing
from localai.engines.llama.structured_output import MatcherFactory, TokenMatcher
from localai.generation import constraints
from tests.conftest import InProcess


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


@pytest.mark.parametrize("fields", [2, 6, 12])
def test_a_list_is_closed_before_an_item_for_which_there_are_too_few_tokens(
    tiny: InProcess, fields: int
) -> None:
    """One token opens an item: then nothing but the whole of it can be closed."""
    vocab = tiny.engine._model.vocab
    names = [f"property_number_{at}" for at in range(fields)]
    texts = {name: {"type": "string"} for name in names}
    item = {"type": "object", "properties": texts, "required": names, "additionalProperties": False}
    factory = MatcherFactory(vocab.pointer)
    wanted = json.dumps([{name: "some words of it" for name in names}] * 40)
    shortest = len(vocab.tokenize(json.dumps(dict.fromkeys(names, ""))))
    for most in range(shortest // 2, 6 * shortest, shortest // 3):
        matcher = factory.matcher(constraints.from_schema({"type": "array", "items": item}))
        text, left = "", most
        while True:
            token = vocab.tokenize_inside(wanted[len(text) :][:60])[0]
            if (way := matcher.instead(token, left)) is not None:
                assert len(way) <= left
                matcher.accept_many(way)
                break
            for each in (token, *_forced(matcher, token)):
                text += vocab.piece(each).decode()
                left -= 1
            assert left > 0, f"{most} tokens are used up, and the list is open"
        assert matcher.complete


def _forced(matcher: TokenMatcher, token: int) -> list[int]:
    matcher.accept(token)
    forced = matcher.forced()
    matcher.accept_many(forced)
    return forced
