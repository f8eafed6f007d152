"""Schemas as Pydantic, OpenAPI and others write them: remarks are ignored, the rest is kept."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from localai.errors import BadConstraint
from localai.generation import constraints
from localai.generation.exclusive_cases import exclude_each_other
from localai.generation.regex_syntax import problem
from localai.generation.tool_schemas import FREE_FORMATS


def schema_of(schema: Any) -> Any:
    return json.loads(constraints.from_schema(schema).source)


def refusal(schema: Any) -> BadConstraint:
    with pytest.raises(BadConstraint) as caught:
        constraints.from_schema(schema)
    return caught.value


def case(tag: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"kind": {"const": tag}, "n": {"type": "integer"}},
        "required": ["kind"],
        **more,
    }


@pytest.mark.parametrize(
    "note",
    [
        {"x-guidance": {"lenient": True}},
        {"x-order": 1},
        {"title": "A", "default": 2**70, "examples": [2**70], "example": {"uniqueItems": True}},
        {"contentMediaType": "text/plain", "contentEncoding": "utf-8"},
        {"discriminator": {"propertyName": "kind"}},
        {"externalDocs": {"url": "x"}, "xml": {"name": "y"}},
        {"uniqueItems": False, "nullable": False, "minProperties": 0},
    ],
    ids=str,
)
def test_remarks_are_ignored(note: dict[str, Any]) -> None:
    plain = schema_of({"properties": {"a": {"type": "array"}}})
    noted = schema_of({"properties": {"a": {"type": "array", **note}}, **note})
    for part in (noted, noted["properties"]["a"]):
        part.pop("title", None)
    assert noted == plain


def test_a_property_may_be_called_as_a_remark_is() -> None:
    named = {"x-a": {"type": "string"}, "default": {"type": "null"}, "discriminator": {}}
    assert schema_of({"properties": named})["properties"] == named
    assert schema_of({"const": {"default": 1, "x-a": 2}}) == {"const": {"default": 1, "x-a": 2}}


@pytest.mark.parametrize("word", FREE_FORMATS)
def test_formats_that_ask_for_nothing(word: str) -> None:
    assert schema_of({"type": "string", "format": word}) == {"type": "string"}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("int32", [0, -(2**31)], [2**31, -(2**31) - 1]),
        ("uint8", [0, 255], [-1, 256]),
        ("uint64", [0, 10**15], [-1]),
        ("byte", ["", "TWE=", "TWFu"], ["TW", "TWF", "ä==="]),
        ("uuid4", ["6fa459ea-ee8a-4ca4-894e-db77e160355e"], ["6fa459ea-ee8a-3ca4-894e-db77e160355e"]),
    ],
)  # fmt: skip
def test_formats_of_tools_that_are_kept(name: str, good: list[Any], bad: list[Any]) -> None:
    made = schema_of(
        {"type": "string" if name[0] in "bu" and good[0] != 0 else "integer", "format": name}
    )
    validator = jsonschema.Draft202012Validator(made)
    assert all(validator.is_valid(value) for value in good)
    assert not any(validator.is_valid(value) for value in bad)


def test_a_format_makes_no_bound_wider() -> None:
    assert schema_of({"format": "int32", "minimum": 1, "maximum": 2**40}) == {
        "minimum": 1,
        "maximum": 2**31 - 1,
    }


@pytest.mark.parametrize(
    "cases",
    [
        [case("a"), case("b")],
        [case(1), case(2), case(3)],
        [case(True), case(None)],
        [{**case("a"), "properties": {"kind": {"enum": ["a", "c"]}}}, case("b")],
        [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
        [{"oneOf": [case("a"), case("b")]}, {"anyOf": [case("c"), case("d")]}],
        [{"allOf": [case("a"), {"required": ["n"]}]}, case("b")],
        [{"type": "string"}, {"type": "integer"}, {"type": "null"}],
        [{"const": 1}, {"const": 2}],
        [{"type": "integer"}, {"const": 1.5}],
        [  # models that allow no other fields
            {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False},
            {"type": "object", "properties": {"b": {}}, "required": ["b"], "additionalProperties": False},
        ],
        [  # the tag lies deeper
            {"type": "object", "properties": {"p": case("a")}, "required": ["p"]},
            {"type": "object", "properties": {"p": case("b")}, "required": ["p"]},
        ],
    ],
)  # fmt: skip
def test_cases_that_exclude_each_other_are_kept(cases: list[Any]) -> None:
    made = schema_of({"oneOf": cases, "$defs": {"A": case("a"), "B": case("b")}})
    assert "oneOf" not in made and len(made["anyOf"]) == len(cases)


@pytest.mark.parametrize(
    "cases",
    [
        [case("a"), case("a")],
        [case("a"), {"type": "object"}],
        [{**case("a"), "required": []}, {**case("b"), "required": []}],
        [{"properties": {"kind": {"const": "a"}}}, {"properties": {"kind": {"const": "b"}}}],
        [{"type": "integer"}, {"type": "number"}],
        [{"const": 1}, {"const": 1.0}],
        [{"type": "string"}, {"type": "string", "maxLength": 3}],
        [{}, {"type": "null"}],
        [True, case("a")],
    ],
)
def test_cases_that_may_overlap_are_left(cases: list[Any]) -> None:
    assert not exclude_each_other({"oneOf": cases}, lambda _: {})


def test_references_that_double_the_work_end() -> None:
    tower = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    schema = {"$defs": {**tower, "d40": case("a")}, "oneOf": [{"$ref": "#/$defs/d0"}, case("b")]}
    assert "oneOf" in schema_of(schema)


def test_pydantic_leaves_a_tag_with_a_default_out_of_required() -> None:
    tagged = {"kind": {"const": "a", "default": "a", "type": "string"}}
    other = {"kind": {"const": "b", "default": "b", "type": "string"}}
    cases = [{"type": "object", "properties": each} for each in (tagged, other)]
    made = schema_of({"discriminator": {"propertyName": "kind"}, "oneOf": cases})
    assert made["required"] == ["kind"] and "anyOf" in made
    assert "oneOf" in schema_of({"oneOf": cases}), "nothing says that the tag has to be there"


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a": {"items": {"maximum": 2**63 - 1}}}}, "#/properties/a/items/maximum"),
        ({"anyOf": [{"const": [1, 2**60]}]}, "#/anyOf/0/const/1"),
        ({"$defs": {"a/b": {"format": "regex"}}}, "#/$defs/a~1b/format"),
        ({"properties": {"a": {"pattern": "a(?=b)"}}}, "#/properties/a/pattern"),
        ({"patternProperties": {"^(?!x)": {}}}, "#/patternProperties/^(?!x)"),
        ({"items": {"pattern": "(a"}}, "#/items/pattern"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(schema: Any, place: str) -> None:
    assert place in refusal(schema).what


@pytest.mark.parametrize(
    ("pattern", "column", "nearest"),
    [
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", 2, r"^[+-]?0*\d*\.?\d*$"),  # Pydantic's decimal
        (r"(?=.*\d)(?=.*[a-z])[a-z\d]{8,}", 1, r"[a-z\d]{8,}"),
        (r"[a-z]+(?<!-)x", 7, "[a-z]+x"),
        (r"(?:a(?=b)*)+c", 5, "(?:a)+c"),
        (r"\bfoo\B", 1, "foo"),
        (r"(\w)-\1", 6, r"(\w)-(?:\w)"),
        (r"(?P<q>'|x)a(?P=q)", 12, "(?P<q>'|x)a(?:'|x)"),
        (r"(?>ab)c", 1, "(?:ab)c"),
        (r"ab(?#why)c", 3, "abc"),
        (r"ab\Z", 3, r"ab\z"),
    ],
)
def test_the_nearest_pattern_that_works(pattern: str, column: int, nearest: str) -> None:
    found = problem(pattern)
    assert found is not None and f"column {column} " in found.what
    assert found.next_step == f"The nearest that works: {nearest}"
    assert problem(nearest) is None
    assert nearest in refusal({"pattern": pattern}).next_step
    with pytest.raises(BadConstraint) as caught:
        constraints.from_regex(pattern)
    assert caught.value.next_step == found.next_step


@pytest.mark.parametrize("pattern", [r"(?!x)", r"^(?=a)$", r"(?(1)a|b)", r"((a)\1)"])
def test_where_nothing_is_near(pattern: str) -> None:
    found = problem(pattern)
    assert found is not None and "nearest" not in found.next_step


@pytest.mark.parametrize(
    "pattern", [r"[(?=]", r"\(?=a", r"[\b]", r"\\b", r"[]\1]", r"(?i)a", r"[[:alpha:](?!]+", r"\x41"]
)  # fmt: skip
def test_what_only_looks_like_it(pattern: str) -> None:
    assert problem(pattern) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('root ::= "yes" | "no"', "gbnf"),
        ('root ::= a\na ::= "x"', "gbnf"),
        ('start: "yes" | "no"', "lark"),
        ('start: A\nA: "x"', "lark"),
        ('?start: /[a-z]+/ "x"', "lark"),
    ],
)
def test_a_grammar_may_be_typed(text: str, kind: str) -> None:
    assert constraints.from_grammar(text) == constraints.Constraint(kind, text)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["none.gbnf", "my::=.gbnf", "none.lark", "/no/where", "x", "a b"])
def test_a_path_is_no_grammar(name: str) -> None:
    with pytest.raises(Exception, match="No such file"):
        constraints.from_grammar(name)
