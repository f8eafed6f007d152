"""Batches of rows each of which asks for a JSON schema of its own, and who keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema

from localai.batch.output import errors_file
from tests.conftest import run


def record(**properties: Any) -> dict[str, Any]:
    """An object with these properties, all of them and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TEXT = {"type": "string"}
NUMBER = {"type": "integer"}

# The common keywords, several of them in most: what a script would ask for.
SCHEMAS: tuple[dict[str, Any], ...] = (
    record(name=TEXT, born=NUMBER),
    record(people={"type": "array", "items": record(name=TEXT, town=TEXT), "minItems": 1}),
    record(kind={"enum": ["person", "place", "thing"]}, note={"type": "string", "maxLength": 60}),
    {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 5},
    record(when={"type": "string", "format": "date"}, at={"type": "string", "format": "time"}),
    record(id={"type": "string", "format": "uuid"}, address={"type": "string", "format": "ipv4"}),
    record(code={"type": "string", "pattern": "^[A-Z]{2}[0-9]{3}$"}, price={"type": "number"}),
    record(share={"type": "number", "minimum": 0, "maximum": 1}, count={"type": "integer", "minimum": 3}),
    record(answer={"anyOf": [TEXT, NUMBER, {"type": "null"}]}, sure={"type": "boolean"}),
    record(version={"const": 2}, data={"type": ["string", "null"]}),
    {"$defs": {"tree": record(value=NUMBER, below={"type": "array", "items": {"$ref": "#/$defs/tree"}})}, "$ref": "#/$defs/tree"},
    {"type": "object", "properties": {"grüße": TEXT, "数": NUMBER}, "required": ["grüße"], "additionalProperties": False},
    {"type": "object", "additionalProperties": NUMBER, "maxProperties": 4},
    record(place={"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "items": False, "minItems": 2}),
    record(title={"type": "string", "minLength": 5, "maxLength": 40}, tags={"type": "array", "items": {"enum": ["a", "b", "c"]}, "maxItems": 3}),
    {"anyOf": [record(circle={"type": "number"}), record(square={"type": "number"})]},
    record(step={"type": "integer", "multipleOf": 5, "minimum": 5, "maximum": 95}),
    record(deep=record(deeper=record(deepest={"type": "array", "items": record(x=NUMBER)}))),
    {"allOf": [record(a=TEXT, b=NUMBER)]},
    record(text=TEXT),
)  # fmt: skip


class Kept(NamedTuple):
    """What came of a batch."""

    values: list[Any]  # of each row, in order; None: the row failed
    errors: list[str]  # the codes of the errors of those that failed


def ask_for_schemas(
    model: Path,
    texts: Sequence[str],
    schemas: Sequence[dict[str, Any]],
    folder: Path,
    env: dict[str, str],
    *,
    most: int,
) -> Kept:
    """Ask each text with a schema in turn, in one batch; every answer is valid or failed honestly."""
    source, output = folder / "in.jsonl", folder / "out.jsonl"
    with source.open("w") as file:
        for at, text in enumerate(texts):
            form = {"name": "a", "schema": schemas[at % len(schemas)]}
            body = {
                "messages": [{"role": "user", "content": text}],
                "max_tokens": most,
                "response_format": {"type": "json_schema", "json_schema": form},
            }
            row = {"custom_id": str(at), "method": "POST", "url": "/v1/chat/completions"}
            file.write(json.dumps({**row, "body": body}) + "\n")
    flags = ("-m", str(model), "--seed", "1")
    done = run("batch", str(source), "-o", str(output), *flags, timeout=7000, env=env)
    assert done.code in (0, 6), done.err
    lines = output.read_text().splitlines()
    if (failed := errors_file(output)).exists():
        lines += failed.read_text().splitlines()
    found = {each["custom_id"]: each for each in map(json.loads, lines)}
    assert set(found) == {str(at) for at in range(len(texts))}
    values, errors = [], []
    for at in range(len(texts)):
        body = found[str(at)]["response"]["body"]
        if "error" in body:
            values.append(None)
            errors.append(body["error"]["code"])
            continue
        value = json.loads(body["choices"][0]["message"]["content"])
        # Formats as of this draft: a bare `FormatChecker` takes `time` for an older draft's.
        draft = jsonschema.Draft202012Validator
        draft(schemas[at % len(schemas)], format_checker=draft.FORMAT_CHECKER).validate(value)
        values.append(value)
    return Kept(values, errors)
