"""Frozen dataclasses to plain data and back, with every value checked.

What comes from another process is not believed: an unknown key, a missing one or a value of
another type is refused with its place.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from localai.errors import BadInput

Record = TypeVar("Record")


def pack(record: Any) -> dict[str, Any]:
    """Return a dataclass as plain data; fields that hold their default are left out."""
    data: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if value != default:
            data[field.name] = _pack(value)
    return data


def _pack(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return pack(value)
    if isinstance(value, tuple):
        return [_pack(item) for item in value]
    return value


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def unpack(kind: type[Record], data: Any, place: str = "") -> Record:
    """Return plain data as a `kind`.

    Raises
    ------
    BadInput
        A key or a value that `kind` does not have, with its place.
    """
    name = place or kind.__name__
    if not isinstance(data, dict):
        raise BadInput(f"{name} is not a mapping")
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    if unknown := sorted(map(str, set(data) - set(hints))):
        raise BadInput(f"{name} has no field {unknown[0]!r}")
    try:
        return kind(
            **{key: _unpack(hints[key], value, f"{name}.{key}") for key, value in data.items()}
        )
    except TypeError as error:
        raise BadInput(f"{name}: {error}") from None


def _unpack(kind: Any, value: Any, place: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _unpack_union(get_args(kind), value, place)
    if origin is Literal:
        fits = any(value is choice or value == choice for choice in get_args(kind))
    elif origin is tuple and isinstance(value, list):
        item = get_args(kind)[0]
        return tuple(_unpack(item, part, f"{place}[{at}]") for at, part in enumerate(value))
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return unpack(kind, value, place)
    elif origin is dict:
        fits = isinstance(value, dict) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        )
    elif kind is float and type(value) is int:
        return float(value)
    else:
        fits = type(value) is kind
    if not fits:
        raise BadInput(f"{place} cannot be {str(value)[:40]!r}")
    return value


def _unpack_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return _unpack(kind, value, place)
