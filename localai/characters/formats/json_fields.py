"""The fields of a card in JSON, read as leniently as other programs do; the rest is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localai.errors import BadInput
from localai.types import number_of


class Fields:
    """A mapping of a card; each key that is read is taken away, `rest` is what remains.

    Parameters
    ----------
    data : mapping
        JSON data.
    source : str
        Names the file in errors.
    where : str
        Names the mapping in errors: `data.`.
    """

    def __init__(self, data: Mapping[str, Any], source: str, where: str = "") -> None:
        self.rest = dict(data)
        self.source = source
        self._where = where

    def text(self, key: str) -> str:
        """Return a text; nothing is an empty one, and a number is its digits."""
        return self._text(key, self.rest.pop(key, None))

    def line(self, key: str) -> str:
        """Return a text without line breaks or spaces around it: a name."""
        return " ".join(self.text(key).split())

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; a single text is a list of one, empty ones are none."""
        value = self.rest.pop(key, None)
        items = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(text for item in items if (text := self._text(key, item)))

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Return a whole number within bounds; its text will do, nothing is the default."""
        value = self.rest.pop(key, None)
        if value is None or value == "":
            return default
        number = number_of(value, whole=False)
        if number is None:
            raise self.wrong(key, "a number")
        return int(min(max(number, low), high))

    def flag(self, key: str, default: bool) -> bool:
        """Return a yes or no; nothing, and what is neither, is the default."""
        value = self.rest.pop(key, None)
        if isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower())
        return bool(value) if isinstance(value, (bool, int)) else default

    def mapping(self, key: str) -> Fields:
        """Return the fields of a mapping within; nothing is an empty one."""
        value = self.rest.pop(key, None)
        if value is None or value == [] or value == "":  # as some programs write nothing
            value = {}
        if not isinstance(value, dict):
            raise self.wrong(key, "a mapping")
        return Fields(value, self.source, f"{self._where}{key}.")

    def mappings(self, key: str) -> Iterator[Fields]:
        """Return the fields of each mapping in a list, or of each in a mapping."""
        value = self.rest.pop(key, None) or []
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, "a list of mappings")
        for at, item in enumerate(value):
            yield Fields(item, self.source, f"{self._where}{key}[{at}].")

    def wrong(self, key: str, what: str) -> BadInput:
        """Return the error that a field should be something else."""
        return BadInput(f"{self.source}: `{self._where}{key}` should be {what}")

    def _text(self, key: str, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value.replace("\r\n", "\n")
