"""What a constraint costs a token: the same model, free and bound to a JSON schema.

    python -m tests.bench.constrained [MODEL.gguf | 135m ...] [--repetitions 7]

Both sides answer the same prompt in the same worker, taking turns. `one string` leaves the model
its choice nearly everywhere, so it measures the check alone; `record` has fields that force tokens
(which cost less than free ones) and ends that forbid the likeliest (which cost more).
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from localai.generation import constraints
from localai.types import Constraint, Message, Sampling, TextRequest
from tests.bench.arguments import files, parser
from tests.bench.ours import Answer, Ours
from tests.bench.table import RATIOS, compared, show

BUDGET = "<= 1.05"
_SHORT = {"type": "string", "maxLength": 40}
_RECORD = {
    "type": "object",
    "properties": {
        "title": _SHORT,
        "author": _SHORT,
        "year": {"type": "integer", "minimum": 1000, "maximum": 2030},
        "read": {"type": "boolean"},
        "subjects": {"type": "array", "items": _SHORT, "minItems": 4, "maxItems": 4},
        "summary": {"type": "string", "maxLength": 240},
    },
    "required": ["title", "author", "year", "read", "subjects", "summary"],
    "additionalProperties": False,
}
_STRING = {
    "type": "object",
    "properties": {"text": {"type": "string", "maxLength": 600}},
    "required": ["text"],
    "additionalProperties": False,
}
SCHEMAS = {"one string": _STRING, "record": _RECORD}


def request(constraint: Constraint | None, most: int, temperature: float) -> TextRequest:
    """Return a request; the same seed each time."""
    return TextRequest(
        messages=(Message("user", "Tell me of a book, in JSON."),),
        sampling=Sampling(temperature=temperature, seed=7),
        max_tokens=most,
        constraint=constraint,
    )


def milliseconds(answer: Answer) -> float:
    """Return the time of an answer's token, after the first."""
    return 1000 / answer.decode_speed


def measure(model: Path, threads: int, count: int) -> list[list[object]]:
    """Return the rows of one model."""
    rows = []
    with Ours(model, threads) as engine:
        for (name, schema), temperature in product(SCHEMAS.items(), (0.0, 0.8)):
            constraint = constraints.from_schema(schema)
            bound = request(constraint, 400, temperature)
            first = engine.answer(bound)
            json.loads(first.text)
            length = first.usage.answer_tokens
            free = request(None, length, temperature)
            engine.answer(free)
            times: list[tuple[float, float]] = []
            for _ in range(count):
                times.append(
                    (milliseconds(engine.answer(bound)), milliseconds(engine.answer(free)))
                )
            ours, theirs = zip(*times, strict=True)
            span = f"{name}, temperature {temperature}, {length} tokens"
            rows.append([model.stem, *compared(span, ours, theirs, BUDGET)])
    return rows


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__, ["135m"], threads=1, repetitions=7)
    options = arguments.parse_args()
    rows = []
    for model in files(options):
        rows += measure(model, options.threads, options.repetitions)
    title = (
        f"constrained decoding, {options.threads} threads, {options.repetitions} repetitions, "
        "taking turns; medians in ms a token"
    )
    heads = ("model", "schema and span", "constrained", "free", *RATIOS)
    show(title, heads, rows)


if __name__ == "__main__":
    main()
