"""What tools write into JSON schemas besides the standard's words: kept where it can be kept.

Pydantic, OpenAPI generators, zod and others add remarks, formats of their own, and unions with a
tag. A remark binds nobody and is left out; a format becomes bounds or a pattern; the cases of a
tagged union exclude each other.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from localai.generation.exclusive_cases import Resolve, exclude_each_other

JsonObject: TypeAlias = dict[str, Any]

SHOWN_NOTES: Final = ("title", "description")
NOTES: Final = (
    *SHOWN_NOTES, "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly",
    # The standard calls these annotations: no validator looks at what they say.
    "contentEncoding", "contentMediaType", "contentSchema",
    # OpenAPI, and editors.
    "discriminator", "example", "externalDocs", "xml",
    "markdownDescription", "enumDescriptions", "enumNames", "propertyOrdering",
)  # fmt: skip
# Words that say nothing with these values.
IDLE: Final[dict[str, object]] = {
    "uniqueItems": False, "nullable": False, "minProperties": 0,
    "unevaluatedProperties": True, "unevaluatedItems": True,
}  # fmt: skip

# Formats that every value of the type has.
FREE_FORMATS: Final = (
    "int64", "int", "float", "double", "decimal", "number",
    "password", "path", "file-path", "directory-path", "binary", "textarea", "markdown", "html",
)  # fmt: skip
_RANGES: Final = {
    "int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1),
    "uint8": (0, 2**8 - 1), "uint16": (0, 2**16 - 1), "uint32": (0, 2**32 - 1),
    "uint64": (0, None), "uint": (0, None),
}  # fmt: skip
_HEX: Final = "[0-9a-fA-F]"
_PATTERNS: Final = {
    "byte": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    "base64url": "^[A-Za-z0-9_-]*={0,2}$",
    "color": f"^#(?:{_HEX}{{3}}|{_HEX}{{6}})$",
    **{
        f"uuid{number}": f"^{_HEX}{{8}}-{_HEX}{{4}}-{number}{_HEX}{{3}}-[89abAB]{_HEX}{{3}}"
        f"-{_HEX}{{12}}$"
        for number in (1, 3, 4, 5, 7)
    },
}
TOOL_FORMATS: Final = (*FREE_FORMATS, *_RANGES, *_PATTERNS)

_NAMED: Final = ("properties", "patternProperties", "$defs", "definitions")  # name to schema
_DATA: Final = ("enum", "const")  # keywords whose value is no schema


def is_note(key: str, value: object) -> bool:
    """Whether a keyword with this value binds nobody."""
    return key in NOTES or key.startswith("x-") or (key in IDLE and IDLE[key] == value)


def without_notes(part: Any) -> Any:
    """Return a schema without what binds nobody but its titles and descriptions."""
    if isinstance(part, list):
        return [without_notes(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    found = {}
    for key, value in part.items():
        if key in SHOWN_NOTES or key in _DATA:
            found[key] = value
        elif key in _NAMED and isinstance(value, dict):
            found[key] = {name: without_notes(inner) for name, inner in value.items()}
        elif not is_note(key, value):
            found[key] = without_notes(value)
    if tag := _tag(part):
        found["required"] = list(dict.fromkeys([*part.get("required", ()), tag]))
    return found


def _tag(part: JsonObject) -> str:
    """Return the property that tells the cases of a union apart, or an empty text.

    It has to be there, says OpenAPI. Pydantic leaves it out of `required` where it has a default.
    """
    given = part.get("discriminator")
    tag = given.get("propertyName") if isinstance(given, dict) else None
    listed = isinstance(part.get("required", []), list) and ("oneOf" in part or "anyOf" in part)
    return tag if isinstance(tag, str) and listed else ""


def standard(part: Any, resolve: Resolve) -> Any:
    """Return a schema that was checked, in words that the engine keeps.

    Parameters
    ----------
    part : dict, bool or other JSON
        Without notes.
    resolve : callable
        A local reference to the schema that it means.
    """
    if isinstance(part, list):
        return [standard(inner, resolve) for inner in part]
    if not isinstance(part, dict):
        return part
    found = {key: _inner(key, value, resolve) for key, value in part.items()}
    if "oneOf" in part and "anyOf" not in part and exclude_each_other(part, resolve):
        found["anyOf"] = found.pop("oneOf")
    return _with_format(found)


def _inner(key: str, value: Any, resolve: Resolve) -> Any:
    if key in _DATA or key in SHOWN_NOTES:
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: standard(inner, resolve) for name, inner in value.items()}
    return standard(value, resolve)


def _with_format(part: JsonObject) -> JsonObject:
    """Return a schema with bounds or a pattern in the place of a tool's format."""
    name = part.get("format")
    if not isinstance(name, str) or name not in TOOL_FORMATS:
        return part
    found = {key: value for key, value in part.items() if key != "format"}
    low, high = _RANGES.get(name, (None, None))
    if low is not None:
        found["minimum"] = max(low, found.get("minimum", low))
    if high is not None:
        found["maximum"] = min(high, found.get("maximum", high))
    if name in _PATTERNS:
        found["allOf"] = [*found.get("allOf", []), {"pattern": _PATTERNS[name]}]
    return found
