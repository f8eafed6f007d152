"""JSON from strangers: bounded in size, depth and numbers, and free of half characters."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from localai.errors import BadInput
from localai.formats.text import decode

LIMIT = 8 * 2**20  # bytes
_DEPTH = 64  # levels of nesting
_BRACKETS = 200_000  # each list or mapping costs a hundred times its two letters in memory
_HALF = re.compile("[\ud800-\udfff]")


def load(data: bytes, source: str) -> Any:
    """Return the value of a JSON document.

    Raises
    ------
    BadInput
        It is no JSON, larger than 8 MB, too deep, or holds a NaN; with the file, and the line.
    """
    if len(data) > LIMIT:
        raise BadInput(f"{source}: the card is larger than {LIMIT // 2**20} MB")
    text = decode(data, source)
    if text.count("[") + text.count("{") > _BRACKETS:
        raise BadInput(f"{source}: the card holds more than {_BRACKETS} lists and mappings")
    try:
        # Line breaks within texts are forbidden, and yet written.
        value = json.loads(text, strict=False, parse_constant=_refuse, parse_float=_finite)
        return _whole(value, _DEPTH)
    except json.JSONDecodeError as error:
        raise BadInput(f"{source}:{error.lineno}: this is not JSON: {error.msg}") from None
    except RecursionError:
        raise BadInput(f"{source}: the JSON is nested more than {_DEPTH} levels deep") from None
    except ValueError as error:  # a number of thousands of digits, too
        reason = str(error) if "JSON" in str(error) else "a number that is too long"
        raise BadInput(f"{source}: {reason}") from None


def dump(value: Any) -> str:
    """Return a value as JSON for people and programs, with a newline at its end."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is no number in JSON: it is too large")
    return number


def _whole(value: Any, depth: int) -> Any:
    """Return the value with each half of a surrogate pair (cut emoji) as a replacement mark."""
    if not depth:
        raise RecursionError
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", key): _whole(item, depth - 1) for key, item in value.items()}
    return value
