"""A row to its request: columns into a prompt file, OpenAI's body, one seed a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from localai.batch.answers import RowJob
from localai.batch.rows import INPUT, BatchRow
from localai.errors import BadInput
from localai.formats.text import shown
from localai.generation import build
from localai.generation.build import GenerateOptions
from localai.generation.openai_body import is_batch_line, messages_of, request_of_body
from localai.generation.openai_client import THINK, passed_on
from localai.system.files import expanded, file_version
from localai.types import Constraint, TextRequest

if TYPE_CHECKING:
    from localai.characters.card import Character
    from localai.prompts.files import Prompt

_SEEDS = 2**32 - 1
_TEXTS = (INPUT, "prompt", "text", "question")  # columns that hold a row's text, the first first


class RowTemplate(NamedTuple):
    """What all rows of a batch have in common, read and checked once."""

    options: GenerateOptions
    prompt: Prompt | None
    card: Character | None
    constraint: Constraint | None

    @classmethod
    def read(cls, options: GenerateOptions) -> RowTemplate:
        """Return what was asked for, of all rows.

        Raises
        ------
        BadInput
            What was asked for contradicts itself, or a file cannot be read.
        """
        prompt = build.prompt_file(options)
        constraint = build.constraint_of(options, prompt)
        if constraint and options.stop:
            build.request(options, "", prompt and replace(prompt, body=""))  # refuses
        return cls(options, prompt, build.character(options), constraint)

    @property
    def model(self) -> str:
        """The model that the prompt file or the character names; "": none."""
        return (self.prompt and self.prompt.model) or (self.card and self.card.model) or ""

    @property
    def said(self) -> frozenset[str]:
        """The settings that somebody has set, as `openai_client.body_of` takes them."""
        think = (THINK,) if self.options.think == "off" else ()
        return frozenset((*build.sampling_said(self.options, self.prompt, self.card), *think))


class RowRequests:
    """Makes the requests of a batch.

    Parameters
    ----------
    template : RowTemplate
        What was asked for, of all rows.
    model : str
        What tells the model from others: another one's answers are other answers.
    remote : bool
        Another server answers: OpenAI's lines are its own affair.
    image, audio : str or None
        Columns that name a picture, and a sound.
    hear : callable or None
        What is said in a sound, by its file's name.
    """

    def __init__(
        self,
        template: RowTemplate,
        model: str,
        *,
        remote: bool = False,
        image: str | None = None,
        audio: str | None = None,
        hear: Callable[[str], str] | None = None,
    ) -> None:
        self._remote, self._image, self._audio, self._hear = remote, image, audio, hear
        options, self._prompt, self._card, self.constraint = template
        told = (*template, model)
        persona = build.persona(options.persona) if self._card else ""
        self.settings = _digest(repr((told, persona)))
        # A constraint is read and checked once, not once a row.
        self._options = options._replace(
            choices=None, regex=None, schema=None, grammar=None, json_object=False, variables={}
        )
        self._variables = options.variables
        self._seed = options.seed
        if self._prompt and self.constraint:
            self._prompt = replace(
                self._prompt, choices=(), schema=None, regex=None, grammar=None, stop=()
            )

    def key(self, row: BatchRow) -> int:
        """Return what tells a row with these settings from all others: 64 bits."""
        told = row.problem or json.dumps(row.columns, ensure_ascii=True, sort_keys=True)
        files = [row.columns.get(name) for name in (self._image, self._audio) if name]
        versions = repr(list(map(_version, files))) if files else ""
        return int(_digest(self.settings + told + versions)[:16], 16)

    def job(self, row: BatchRow, key: int) -> RowJob:
        """Return what to ask for a row, whose key is known.

        Raises
        ------
        BadInput
            The row cannot be read, or lacks a column.
        """
        if row.problem:
            raise BadInput(row.problem)
        image = _file_in(row, self._image) if self._image else None
        if self._audio:
            row = self._heard(row, _file_in(row, self._audio))
        return RowJob(row, key, self._request(row), () if image is None else (image,))

    def _heard(self, row: BatchRow, file: str) -> BatchRow:
        """Return a row with what is said in its sound, before its own text."""
        assert self._audio and self._hear
        said = self._hear(file)
        own = next((name for name in _TEXTS if name in row.columns and name != self._audio), None)
        text = build.joined(said, _text(row.columns[own]) if own else "")
        return row._replace(columns={**row.columns, self._audio: said, own or INPUT: text})

    def _request(self, row: BatchRow) -> TextRequest:
        columns = row.columns
        if is_batch_line(columns):
            self._refuse_beside(row)
            if self._remote:
                return passed_on(columns)
            base = build.request(self._options, "")
            request = request_of_body(columns["url"], columns["body"], base)
            constraint = request.constraint or self.constraint
        elif self._prompt is None and "messages" in columns:
            if self._options.raw:
                raise BadInput(f"row {row.id}: --raw continues a text, and this is a conversation")
            request = build.request(self._options, "", None, self._card)
            own = request.messages[: request.fixed]
            request = request._replace(messages=(*own, *messages_of(columns["messages"])))
            constraint = self.constraint
        else:
            text, variables = self._filled(row)
            options = self._options._replace(variables=variables)
            request = build.request(options, text, self._prompt, self._card)
            constraint = self.constraint
        if constraint:
            request = request._replace(constraint=constraint, stop=(), think=False)
        # What a row's prompt begins with is not kept on disk: the next row's is another.
        return request._replace(
            sampling=request.sampling._replace(seed=self._seed_of(row, request)),
            fixed_text=0,
            interactive=False,
        )

    def _refuse_beside(self, row: BatchRow) -> None:
        """Refuse what would change an OpenAI line, which says all of its prompt itself."""
        asked = {
            "-p": self._prompt,
            "-c": self._card,
            "-s": self._options.system,
            "--raw": self._options.raw,
        }
        if given := [name for name, value in asked.items() if value]:
            raise BadInput(
                f"row {row.id}: it is an OpenAI request, which says all of its prompt",
                f"leave out {' and '.join(given)}",
            )

    def _filled(self, row: BatchRow) -> tuple[str, Mapping[str, str]]:
        """Return a row's text, and the variables of the prompt file that it sets."""
        if self._prompt is None:
            if not (text := _text(_input(row))).strip():
                raise BadInput(f"row {row.id}: its text is empty")
            return text, self._variables
        names = [name for name in self._prompt.names() if name != INPUT]
        known = {*names, *self._prompt.variables}
        own = {name: _text(row.columns[name]) for name in row.columns if name in known}
        needed = INPUT in self._prompt.names()
        text = _text(_input(row)) if needed else ""
        return text, {**self._variables, **own}

    def _seed_of(self, row: BatchRow, request: TextRequest) -> int | None:
        """Return a row's seed: equal rows get other answers, in every run the same ones."""
        if request.sampling.temperature <= 0:
            return self._seed or 0  # chance has no part in it: equal rows are equal requests
        if self._seed is None:
            return request.sampling.seed
        return (self._seed + row.number) % _SEEDS


def _input(row: BatchRow) -> Any:
    """Return the column that is a row's text."""
    for name in _TEXTS:
        if name in row.columns:
            return row.columns[name]
    others = [name for name in row.columns if name not in ("id", "custom_id")]
    if len(others) == 1:
        return row.columns[others[0]]
    has = ", ".join(map(shown, others)) or "none"
    raise BadInput(
        f"row {row.id}: it has no column {INPUT!r}; it has: {has}",
        "name one of them input, or write a prompt file with {{column}} in it: -p NAME",
    )


def _file_in(row: BatchRow, column: str) -> str:
    """Return the file that a row's column names."""
    name = row.columns.get(column)
    if not isinstance(name, str) or not name or "\0" in name:
        raise BadInput(f"row {row.id}: its column {column!r} names no file")
    path = expanded(name)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise BadInput(f"row {row.id}: {shown(name)} is no file")
    return name


def _version(name: object) -> object:
    """Return what changes when a row's file is replaced."""
    path = expanded(name) if isinstance(name, str) and "\0" not in name else None
    return file_version(str(path)) if path and path.is_file() else None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
