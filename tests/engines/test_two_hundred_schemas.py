"""Two hundred schemas over the common keywords, and a writer that knows no end.

The model's logits are random, so it opens whatever can be opened. Each answer has few tokens, and
is to be valid all the same by an independent validator; a schema that is not kept is refused by
the name of its keyword.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema
import numpy as np
import pytest

from localai.engines.llama.structured_output import MatcherFactory
from localai.errors import BadConstraint
from localai.generation import constraints
from localai.types import Constraint
from tests.engines.test_structured_output import Vocabulary, load, write_vocabulary

LEAVES: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "minLength": 3, "maxLength": 9},
    {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
    {"type": "string", "pattern": "^(cat|dog)s?$"},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "time"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uuid"},
    {"type": "string", "format": "ipv4"},
    {"type": "string", "enum": ["straße", "naïve", "日本", "😀"]},
    {"enum": ["red", 1, None, True, {"a": [1]}]},
    {"const": "fixed"},
    {"const": {"deep": [1, {"x": None}]}},
    {"type": "integer"},
    {"type": "integer", "minimum": -5, "maximum": 12},
    {"type": "integer", "exclusiveMinimum": 99, "exclusiveMaximum": 201},
    {"type": "integer", "multipleOf": 5},
    {"type": "number"},
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "boolean"},
    {"type": "null"},
    {"type": ["string", "null"]},
    {"type": ["integer", "boolean"]},
    {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 4}]},
    {"anyOf": [{"const": "a"}, {"type": "array", "items": {"type": "null"}, "maxItems": 2}]},
    {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 30}]},
    {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
    {"type": "object"},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"type": "object", "properties": {"ä ö": {"type": "string"}}, "required": ["ä ö"], "additionalProperties": False},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 3},
]  # fmt: skip
TREES: list[dict[str, Any]] = [
    {
        "$defs": {"node": {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["name", "children"], "additionalProperties": False}},
        "$ref": "#/$defs/node",
    },
    {
        "$defs": {"list": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"head": {"type": "integer"}, "tail": {"$ref": "#/$defs/list"}}, "required": ["head", "tail"], "additionalProperties": False}]}},
        "type": "object", "properties": {"all": {"$ref": "#/$defs/list"}}, "required": ["all"], "additionalProperties": False,
    },
    {"type": "object", "properties": {"self": {"$ref": "#"}, "n": {"type": "integer"}}, "additionalProperties": False},
    {"definitions": {"id": {"type": "string", "pattern": "^[a-f0-9]{8}$"}}, "type": "array", "items": {"$ref": "#/definitions/id"}, "minItems": 1},
    {"type": "array", "items": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "object", "properties": {"k": {"type": "array", "items": {"type": "string"}}}, "required": ["k"]}]}},
]  # fmt: skip
REFUSED: dict[str, dict[str, Any]] = {
    "not": {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
    "uniqueItems": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
    "contains": {"type": "array", "contains": {"const": 1}},
    "if": {"if": {"type": "string"}, "then": {"minLength": 2}},
    "dependentRequired": {"type": "object", "dependentRequired": {"a": ["b"]}},
    "minProperties": {"type": "object", "minProperties": 1},
    "propertyNames": {"type": "object", "propertyNames": {"pattern": "^a"}},
    "$ref": {"$ref": "https://example.org/schema.json"},
}
FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
BUDGET = 150  # tokens; most writers would use thousands


def an_object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def schemas() -> list[dict[str, Any]]:
    """Two hundred: each leaf alone, in an object, optional, in a list, and pairs of them."""
    found = [*LEAVES, *TREES]
    found += [an_object(value=leaf) for leaf in LEAVES]
    found += [
        {"type": "object", "properties": {"maybe": leaf, "n": {"type": "integer"}}}
        for leaf in LEAVES
    ]
    found += [{"type": "array", "items": leaf, "maxItems": 5} for leaf in LEAVES]
    pairs = itertools.combinations(LEAVES, 2)
    found += [
        an_object(first=a, second={"type": "array", "items": b})
        for a, b in itertools.islice(pairs, 0, 600, 11)
    ]
    return found[:200]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    path = tmp_path_factory.mktemp("vocabulary") / "small.gguf"
    write_vocabulary(path)
    return load(path)


def write(
    matchers: MatcherFactory,
    constraint: Constraint,
    ends: list[int],
    size: int,
    seed: int,
    budget: int,
) -> list[int] | None:
    """Return what random logits say in so many tokens, as the scheduler asks; None: not complete."""
    matcher, rng, said = matchers.matcher(constraint), np.random.default_rng(seed), []
    while len(said) < budget:
        forced = matcher.forced()[: budget - len(said)]
        matcher.accept_many(forced)
        said += forced
        if matcher.finished:
            return said
        if len(said) >= budget:
            break
        logits = rng.standard_normal(size).astype(np.float32)
        matcher.mask(logits)
        token = int(logits.argmax())
        if token in ends:
            return said
        rest = matcher.instead(token, budget - len(said))
        if rest is not None:
            matcher.accept_many(rest)
            said += rest
            assert matcher.complete and len(said) <= budget
            return said
        matcher.accept(token)
        said.append(token)
    return said if matcher.complete else None


def test_there_are_two_hundred_different_ones() -> None:
    assert len({json.dumps(each) for each in schemas()}) == 200


def test_every_answer_is_valid_within_its_tokens(small: Vocabulary) -> None:
    unfinished: list[dict[str, Any]] = []
    refused: list[str] = []
    for number, schema in enumerate(schemas()):
        try:
            constraint = constraints.from_schema(schema)
        except BadConstraint as error:
            refused.append(error.what)
            continue
        for seed in (number, 1000 + number):
            said = write(small.matchers, constraint, small.ends, len(small.pieces), seed, BUDGET)
            if said is None:
                unfinished.append(schema)
                continue
            value = json.loads(small.text(said))
            jsonschema.validate(value, schema, format_checker=FORMATS)
    assert len(unfinished) <= 1, unfinished
    assert not refused


@pytest.mark.parametrize("keyword", list(REFUSED))
def test_what_cannot_be_kept_is_refused_by_its_keyword(small: Vocabulary, keyword: str) -> None:
    with pytest.raises(BadConstraint) as refusal:
        small.matchers.matcher(constraints.from_schema(REFUSED[keyword]))
    assert keyword in f"{refusal.value.what} {refusal.value.next_step}"


@pytest.mark.parametrize("budget", [12, 25, 40, 80])
def test_a_way_to_the_end_is_never_missed_by_a_token(small: Vocabulary, budget: int) -> None:
    row = an_object(name={"type": "string"}, tags={"type": "array", "items": {"type": "string"}})
    many = constraints.from_schema({"type": "array", "items": row})
    finished = 0
    for seed in range(60):
        said = write(small.matchers, many, small.ends, len(small.pieces), seed, budget)
        if said is not None:
            finished += 1
            jsonschema.validate(json.loads(small.text(said)), {"type": "array", "items": row})
    assert finished == 60


def test_what_is_complete_stays_so(small: Vocabulary) -> None:
    longer = constraints.from_regex("a(bcdefghij)?")
    for seed in range(20):
        said = write(small.matchers, longer, small.ends, len(small.pieces), seed, 4)
        assert said is not None and small.text(said) == "a"


def test_what_no_budget_can_hold_is_not_closed(small: Vocabulary) -> None:
    long = constraints.from_regex("[ab]{60}")
    assert write(small.matchers, long, small.ends, len(small.pieces), 1, 20) is None
    assert small.matchers.matcher(long).way_to_end(20) == []
    assert small.matchers.matcher(long).way_to_end(60)


def test_a_way_to_the_end_is_short(small: Vocabulary) -> None:
    for schema, most in (({"type": "object"}, 2), ({"type": "array"}, 2), ({"type": "integer"}, 1)):
        assert len(small.matchers.matcher(constraints.from_schema(schema)).way_to_end(50)) <= most
    numbers = small.matchers.matcher(constraints.from_regex("[0-9]+[a-z]x*!"))
    way = numbers.way_to_end(50)
    assert way and len(way) < 10  # no circle is gone for ever
