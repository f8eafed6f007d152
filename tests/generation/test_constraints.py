"""What the user typed becomes a constraint, or one clear refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import BadInput, ExitCode, from_wire
from localai.generation import constraints
from localai.generation.json_schema import ENFORCED, FORMATS
from localai.generation.tool_schemas import NOTES, TOOL_FORMATS


def refusal(make: Any, *args: Any) -> BadInput:
    with pytest.raises(BadInput) as caught:
        make(*args)
    error = caught.value
    assert error.code == ExitCode.USAGE
    assert error.next_step, "every refusal says what to do next"
    assert "\n" not in error.what
    assert isinstance(from_wire(error.to_wire()), type(error))
    return error


def schema_of(schema: Any) -> Any:
    made = constraints.from_schema(schema)
    assert made.kind == "json_schema"
    return json.loads(made.source)


# -- choices


@pytest.mark.parametrize("given", ["yes,no", " yes , no ", ["yes", "no"], ("yes ", " no")])
def test_choices(given: Any) -> None:
    made = constraints.from_choices(given)
    assert made.kind == "choices"
    assert json.loads(made.source) == ["yes", "no"]


@pytest.mark.parametrize("given", ["", " ", "a,,b", [], [""], "a,"])
def test_empty_choices(given: Any) -> None:
    assert "empty" in refusal(constraints.from_choices, given).what


def test_duplicate_choice_is_named() -> None:
    assert "'red'" in refusal(constraints.from_choices, "red, blue, red").what


def test_yaml_truth_values_are_explained() -> None:
    error = refusal(constraints.from_choices, [True, False])
    assert "True" in error.what and "Quote" in error.next_step


def test_bytes_that_are_not_utf8() -> None:
    assert "UTF-8" in refusal(constraints.from_choices, "a\udcff,b").what


# -- regex


@pytest.mark.parametrize(
    "pattern", [r"\d{4}-\d\d", r"\p{L}+", r"[[:alpha:]]+", r"(?<year>\d+)", r"\x{41}", "a|b"]
)
def test_regex(pattern: str) -> None:
    assert constraints.from_regex(pattern) == constraints.Constraint("regex", pattern)


@pytest.mark.parametrize("pattern", ["", "(a", "a)", "[a", "*a", "a{2,1}", "a" * 10_001])
def test_bad_regex(pattern: str) -> None:
    assert "regex" in refusal(constraints.from_regex, pattern).what


# -- schemas


def test_concise_language() -> None:
    schema = schema_of("name, age int, tags list, price float, ok bool: with a description")
    assert schema["properties"] == {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "price": {"type": "number"},
        "ok": {"type": "boolean", "description": "with a description"},
    }
    assert schema["required"] == ["name", "age", "tags", "price", "ok"]
    assert schema["additionalProperties"] is False


def test_concise_language_by_lines() -> None:
    schema = schema_of("name: first, then last\nage int: in years\n")
    assert list(schema["properties"]) == ["name", "age"]
    assert schema["properties"]["name"]["description"] == "first, then last"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("age integer", "int"),
        ("age itn", "int"),
        ("ok boolean", "bool"),
        ("x flaot", "float"),
        ("x string", "str"),
    ],
)
def test_unknown_type_gets_a_suggestion(text: str, words: str) -> None:
    assert f"Did you mean {words}?" in refusal(constraints.from_schema, text).next_step


@pytest.mark.parametrize("text", ["", ",", "a int b", "a, a", "a b c: d", "[1]", "a;b", '"a"'])
def test_bad_fields(text: str) -> None:
    refusal(constraints.from_schema, text)


def test_inline_json_keeps_the_order() -> None:
    schema = schema_of('{"properties": {"z": {}, "a": {}}, "$schema": "x", "$id": "y"}')
    assert list(schema["properties"]) == ["z", "a"]
    assert "$schema" not in schema and "$id" not in schema


def test_a_mapping_from_yaml() -> None:
    assert schema_of({"type": "null"}) == {"type": "null"}
    refusal(constraints.from_schema, {"const": {1, 2}})
    refusal(constraints.from_schema, {"const": float("nan")})
    circle: dict[str, Any] = {}
    circle["items"] = circle
    refusal(constraints.from_schema, circle)


@pytest.mark.parametrize("typed", ["speed int: in km/h", "answer: yes/no", "a, b: and/or"])
def test_a_description_is_no_path(typed: str) -> None:
    assert constraints.from_typed_schema(typed) == constraints.from_schema(typed)


def test_schema_file(tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    file.write_text('{"type": "object"}', encoding="utf-8-sig")
    assert json.loads(constraints.from_typed_schema(str(file)).source) == {"type": "object"}
    file.write_text('{"type": \n  "object",}')
    assert "line 2, column 12" in refusal(constraints.from_typed_schema, str(file)).what
    file.write_text("[1]")
    assert "not a JSON object" in refusal(constraints.from_typed_schema, str(file)).what
    file.write_bytes(b'{"title": "\xff"}')
    assert "UTF-8" in refusal(constraints.from_typed_schema, str(file)).what
    file.write_bytes(b" " * 1_000_001)
    assert "larger" in refusal(constraints.from_typed_schema, str(file)).what
    assert "none.json" in refusal(constraints.from_typed_schema, str(tmp_path / "none.json")).what
    assert "cannot be read" in refusal(constraints.from_typed_schema, "\0.json").what


def test_inline_json_that_is_broken() -> None:
    assert "line 1, column 2" in refusal(constraints.from_schema, "{").what
    assert "NaN" in refusal(constraints.from_schema, '{"const": NaN}').what
    refusal(constraints.from_schema, '{"const": %s}' % ("9" * 5000))
    assert "deep" in refusal(constraints.from_schema, '{"a":' * 100_000).what
    assert "UTF-8" in refusal(constraints.from_schema, '{"const": "\\ud800"}').what


def test_depth_and_size_are_bounded() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"items": deep}
    assert "deep" in refusal(constraints.from_schema, deep).what
    wide = {"properties": {f"p{n}": {} for n in range(1_001)}}
    assert "parts" in refusal(constraints.from_schema, wide).what
    refs = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(300)} | {"d300": {}}
    assert "chain" in refusal(constraints.from_schema, {"$defs": refs}).what


UNSUPPORTED: dict[str, Any] = {
    "uniqueItems": True,
    "contains": {},
    "minContains": 1,
    "maxContains": 1,
    "unevaluatedItems": False,
    "unevaluatedProperties": False,
    "additionalItems": False,
    "minProperties": 1,
    "propertyNames": {},
    "dependentRequired": {},
    "dependentSchemas": {},
    "dependencies": {},
    "if": {},
    "then": {},
    "else": {},
    "not": {},
    "$anchor": "a",
    "$dynamicRef": "#a",
    "$dynamicAnchor": "a",
    "$recursiveRef": "#",
    "$vocabulary": {},
    "nullable": True,
    "frobnicate": 1,
}


@pytest.mark.parametrize("keyword", UNSUPPORTED)
def test_unsupported_keyword_is_named_with_its_place(keyword: str) -> None:
    inner = {"type": "array", keyword: UNSUPPORTED[keyword]}
    error = refusal(constraints.from_schema, {"properties": {"a/b": {"items": inner}}})
    assert repr(keyword) in error.what
    assert f"#/properties/a~1b/items/{keyword}" in error.what
    refusal(constraints.from_schema, {keyword: UNSUPPORTED[keyword]})
    # The same word as the name of a property, or inside data, is no keyword.
    schema_of({"properties": {keyword: {}}, "default": {keyword: 1}, "enum": [{keyword: 2}]})


def test_every_word_of_the_standard_is_decided() -> None:
    assert not set(UNSUPPORTED) & (set(ENFORCED) | set(NOTES))
    assert refusal(constraints.from_schema, {"minimun": 1}).next_step == "Did you mean minimum?"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strnig"},
        {"type": []},
        {"enum": []},
        {"anyOf": []},
        {"anyOf": {}},
        {"items": [{}]},
        {"items": 1},
        {"properties": []},
        {"properties": {"a": 1}},
        {"required": "a"},
        {"required": True},
        {"minLength": "2"},
        {"minLength": -1},
        {"maxItems": 1.5},
        {"maxItems": True},
        {"minimum": "1"},
        {"minimum": 1e300},
        {"minimum": 2**60},
        {"const": 2**60},
        {"minimum": 0, "exclusiveMinimum": True},
        {"multipleOf": 0},
        {"multipleOf": -2},
        {"multipleOf": 12345678},
        {"multipleOf": 1e-30},
        {"multipleOf": 1e300},
        {"pattern": 1},
        {"items": {"$id": "x"}},
        *({"format": word} for word in ("unknown", "uri-reference", "regex", "uuid9", 1)),
    ],
    ids=str,
)
def test_values_that_are_wrong(schema: dict[str, Any]) -> None:
    refusal(constraints.from_schema, schema)


@pytest.mark.parametrize("word", [*FORMATS, *TOOL_FORMATS])
def test_formats(word: str) -> None:
    schema_of({"type": "string", "format": word})


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"$ref": "https://example.org/a.json"}, "https://example.org/a.json"),
        ({"$ref": "other.json#/$defs/a"}, "other.json"),
        ({"$ref": "#name"}, "#name"),
        ({"$ref": 1}, "fetched"),
        ({"$ref": "#/$defs/none"}, "nothing"),
        ({"$ref": "#/anyOf/7", "anyOf": [{}]}, "nothing"),
        ({"$ref": "#"}, "itself"),
        ({"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "itself"),
        ({"$ref": "#/default", "default": {"uniqueItems": True}}, "$defs"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
            "itself",
        ),
    ],
)
def test_references_that_cannot_be_followed(schema: dict[str, Any], word: str) -> None:
    error = refusal(constraints.from_schema, schema)
    assert "$ref" in error.what and word in f"{error.what} {error.next_step}"


def test_references_that_can() -> None:
    schema_of({"$defs": {"a~b/c d": {"items": {"$ref": "#"}}}, "$ref": "#/$defs/a~0b~1c%20d"})
    schema_of({"properties": {"next": {"$ref": "#"}}})


# -- grammars


def test_grammar_files(tmp_path: Path) -> None:
    for name, text, kind in [
        ("a.lark", 'start: "a"', "lark"),
        ("a.gbnf", 'root ::= "a"', "gbnf"),
        ("a.LARK", 'start: "::="', "lark"),
        ("a.txt", 'root ::= "a"', "gbnf"),
        ("b.txt", '// text\nstart: "a"', "lark"),
    ]:
        file = tmp_path / name
        file.write_text(text)
        assert constraints.from_grammar(str(file)) == constraints.Constraint(kind, text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b"\xff", b"nothing", b"a ::= b\n" * 1_001, b" " * 1_000_001])
def test_bad_grammar_files(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "a.gbnf"
    file.write_bytes(text)
    assert "a.gbnf" in refusal(constraints.from_grammar, str(file)).what


def test_missing_grammar_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(constraints.from_grammar, str(tmp_path / "none.lark")).what
    refusal(constraints.from_grammar, str(tmp_path))


# -- whatever is typed


@given(st.text())
def test_any_text_is_a_constraint_or_a_refusal(text: str) -> None:
    for make in (constraints.from_choices, constraints.from_regex, constraints.from_schema):
        try:
            made = make(text)
        except BadInput:
            continue
        assert made.source.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ENFORCED, *NOTES, *UNSUPPORTED]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*ENFORCED, *UNSUPPORTED]), JSON, max_size=5))
def test_any_json_is_a_schema_or_a_refusal(schema: dict[str, Any]) -> None:
    try:
        made = constraints.from_schema(schema)
    except BadInput:
        return
    assert made.kind == "json_schema"
