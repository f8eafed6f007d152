"""Records to plain data and back, with every value checked.

A record is a named tuple, or a frozen dataclass where no one-liner waits for its import. What comes
from another process is not believed: an unknown key, a missing one or a value of another type is
refused with its place.
"""

from __future__ import annotations

import functools
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from localai.errors import BadInput

Record = TypeVar("Record")


def to_plain(record: Any) -> dict[str, Any]:
    """Return a record as plain data; fields that hold their default are left out."""
    data: dict[str, Any] = {}
    usuals = _defaults(type(record))  # type: ignore[arg-type]  # a class is hashable
    for name, usual in usuals.items():
        value = getattr(record, name)
        if value != usual:
            data[name] = _pack(value)
    return data


@functools.cache
def _defaults(kind: type[Any]) -> dict[str, Any]:
    """Return a record's fields, each with its default; `...` is none."""
    if hasattr(kind, "_field_defaults"):
        return {name: kind._field_defaults.get(name, ...) for name in kind._fields}
    from dataclasses import MISSING, fields

    return {
        field.name: field.default_factory()
        if field.default_factory is not MISSING
        else (... if field.default is MISSING else field.default)
        for field in fields(kind)
    }


def _is_record(kind: Any) -> bool:
    return hasattr(kind, "_field_defaults") or hasattr(kind, "__dataclass_fields__")


def _pack(value: Any) -> Any:
    if _is_record(value):
        return to_plain(value)
    if isinstance(value, tuple):
        return [_pack(item) for item in value]
    return value


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def from_plain(kind: type[Record], data: Any, place: str = "") -> Record:
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
    elif isinstance(kind, type) and _is_record(kind):
        return from_plain(kind, value, place)
    elif origin is dict and isinstance(value, dict):
        of_keys, of_values = get_args(kind)
        return {
            _unpack(of_keys, key, place): _unpack(of_values, part, f"{place}.{key}")
            for key, part in value.items()
        }
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
    kinds = tuple(kind for kind in kinds if kind is not type(None))
    kind = next((kind for kind in kinds[:-1] if type(value) is kind), kinds[-1])
    return _unpack(kind, value, place)
