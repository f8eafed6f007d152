"""A hundred answers of a fixed form by a model that was taught to write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tests.conftest import run

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SCHEMAS = [
    {"type": "object", "properties": {"name": {"type": "string"}, "born": {"type": "integer"}}, "required": ["name", "born"], "additionalProperties": False},
    {"type": "object", "properties": {"people": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "town": {"type": "string"}}, "required": ["name", "town"]}}}, "required": ["people"]},
    {"type": "object", "properties": {"kind": {"enum": ["person", "place", "thing"]}, "note": {"type": "string", "maxLength": 60}}, "required": ["kind", "note"]},
    {"type": "array", "items": {"type": "string"}, "minItems": 2},
]  # fmt: skip
PEOPLE = ("Ada Lovelace", "Isaac Newton", "Marie Curie", "Alan Turing", "Emmy Noether")


def test_a_hundred_answers_keep_their_schema(
    real_model: Callable[[str], Path], host: dict[str, str], tmp_path: Path
) -> None:
    model = real_model("qwen2.5-coder-0.5b")
    rows = []
    for at in range(100):
        text = f"{PEOPLE[at % 5]} was born in {1700 + at} in the town of Place{at}. Answer in JSON."
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMAS[at % 4]}}
        body = {
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 40,
            "response_format": form,
        }
        rows.append({"custom_id": str(at), "method": "POST", "url": "/v1/chat/completions", "body": body})  # fmt: skip
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(
        "batch",
        str(source),
        "-o",
        str(output),
        "-m",
        str(model),
        "--seed",
        "1",
        timeout=850,
        env=host,
    )
    assert done.code == 0, done.err
    found = [json.loads(line) for line in output.read_text().splitlines()]
    assert [each["custom_id"] for each in found] == [row["custom_id"] for row in rows]
    named = 0
    for at, each in enumerate(found):
        value = json.loads(each["response"]["body"]["choices"][0]["message"]["content"])
        jsonschema.validate(value, SCHEMAS[at % 4])
        named += at % 4 == 0 and PEOPLE[at % 5].split()[-1] in value["name"]
    assert named >= 20  # of 25: the form leaves the sense alone
