r"""Prompt files: YAML front matter, then a text with `{{input}}` and `{{name}}`.

    ---
    description: Translate a text
    variables:
      language: German
    ---
    Translate the text below into {{language}}.

    {{input}}

A prompt is looked for in the user's folder, then among the shipped ones. Every error names file
and line. `\{{name}}` is the text `{{name}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from localai.errors import BadInput
from localai.formats.text import decode, nearest
from localai.prompts.front_matter import KEYS, front_matter
from localai.resources import ResourceFolder

FOLDER = ResourceFolder("prompt", (".md",), "a prompt file", 2**20)
_PLACE = re.compile(r"(\\?)\{\{[ \t]*([^\W\d][\w-]*)[ \t]*\}\}")

SKELETON = """\
---
# One line for `localai prompts`.
description: What this prompt is for
# The rest is optional: remove the # in front of what you need.
# system: You are brief and exact.
# temperature: 0.2
# max_tokens: 300
# stop: ["\\n\\n"]
# One of these makes the answer keep a form:
# choices: [positive, negative, neutral]
# schema: name, age int, city
# regex: "[a-z-]+"
# grammar: answer.gbnf
# model: tiny
# Names in the text below that `--var name=value` may set, with what they are otherwise:
# variables:
#   language: English
---
Say in one sentence what the text below is about.

{{input}}
"""


@dataclass(frozen=True)
class Example:
    """What a prompt makes of an input; shown to people and run by tests."""

    input: str
    answer: str
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Prompt:
    """A prompt file that was read; None and empty: the file says nothing of it."""

    name: str
    path: Path
    description: str
    body: str
    body_line: int  # the line of the file that the body begins on
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()  # at most one of choices, schema, regex, grammar is given
    schema: str | Mapping[str, Any] | None = None
    regex: str | None = None
    grammar: str | None = None
    model: str | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)  # None: must be given
    example: Example | None = None

    def render(self, input: str, variables: Mapping[str, str] | None = None) -> str:
        """Return the body with `input` and the variables' values in their places.

        Values are plain text: what looks like a place in them stays as it is. A body without
        `{{input}}` gets the input as its last paragraph.

        Raises
        ------
        BadInput
            A variable has no value, or one was given that the prompt does not know.
        """
        given = dict(variables or {})
        self._refuse_unknown(given)
        defaults = {name: text for name, text in self.variables.items() if text is not None}
        values = {**defaults, **given, "input": input.strip("\r\n")}
        self._refuse_missing(values)

        def value(match: re.Match[str]) -> str:
            return match[0][1:] if match[1] else values[match[2]]

        text = _PLACE.sub(value, self.body).strip()
        if "input" not in self.names() and values["input"]:
            text = f"{text}\n\n{values['input']}"
        return text.strip()

    def names(self) -> list[str]:
        """Return the names in the body, `input` among them, each once and in order."""
        return list(dict.fromkeys(match[2] for match in _places(self.body)))

    def to_json(self) -> dict[str, Any]:
        """Return the prompt as plain data, without what the file does not say."""
        data = {**asdict(self), "path": str(self.path)}
        return {key: value for key, value in data.items() if value not in (None, (), {})}

    def _refuse_unknown(self, given: Mapping[str, str]) -> None:
        known = [name for name in (*self.variables, *self.names()) if name != "input"]
        for name in given:
            if name == "input":
                raise BadInput(
                    f"{self.path}: `input` is no variable", "give the input on stdin or as argument"
                )
            if name not in known:
                hint = nearest(name, known) or f"it knows: {', '.join(known) or 'none'}"
                raise BadInput(f"{self.path}: this prompt has no variable `{name}`", hint)

    def _refuse_missing(self, values: Mapping[str, str]) -> None:
        missing = [match for match in _places(self.body) if match[2] not in values]
        if not missing:
            return
        names = list(dict.fromkeys(match[2] for match in missing))
        line = self.body_line + self.body.count("\n", 0, missing[0].start())
        what = "a variable without a value" if len(names) == 1 else "variables without values"
        hint = nearest(names[0], [name for name in values if name not in self.names()])
        raise BadInput(
            f"{self.path}:{line}: {what}: {', '.join(names)}",
            hint or " ".join(f"--var {name}=..." for name in names),
        )


@dataclass(frozen=True)
class PromptSummary:
    """A line of `localai prompts`."""

    name: str
    description: str  # empty if the file is damaged
    path: Path
    origin: str  # "user" or "shipped"
    problem: str = ""  # why the file cannot be used


def load(name_or_path: str) -> Prompt:
    """Return the prompt of that name or file.

    A path holds a `/` or ends in `.md`; other texts are names, and where no prompt has that name
    a file in the working folder will do.

    Raises
    ------
    BadInput
        There is none, or the file is damaged: with file and, where it is known, line.
    """
    path = FOLDER.find(name_or_path)
    return parse(read(path), path)


def listing() -> list[PromptSummary]:
    """Return all prompts by name; the user's stand before shipped ones of the same name."""
    return [_listed(path, origin) for path, origin in FOLDER.files()]


def read(path: Path) -> str:
    """Return a prompt file's text; BadInput if it is no regular UTF-8 file of at most 1 MB."""
    return decode(FOLDER.read(path), str(path)).replace("\r\n", "\n")


def parse(text: str, path: Path) -> Prompt:
    """Return the prompt that a file's text describes; BadInput, with its line, if it is damaged."""
    front = front_matter(text, str(path))
    values = {key: KEYS[key](node) for key, node in front.nodes.items()}
    if not values.get("description"):
        hint = "say in one line what the prompt is for"
        raise BadInput(f"{path}:1: `description` is missing", hint)
    forms = [key for key in ("choices", "schema", "regex", "grammar") if key in values]
    if len(forms) > 1:
        raise front.nodes[forms[1]].error(f"`{forms[0]}` and `{forms[1]}` exclude each other")
    if "example" in values:
        values["example"] = Example(**values["example"])
    return Prompt(name=path.stem, path=path, body=front.body, body_line=front.body_line, **values)


def _places(body: str) -> Iterator[re.Match[str]]:
    return (match for match in _PLACE.finditer(body) if not match[1])


def _listed(path: Path, origin: str) -> PromptSummary:
    try:
        return PromptSummary(path.stem, parse(read(path), path).description, path, origin)
    except BadInput as error:
        return PromptSummary(path.stem, "", path, origin, error.what)
