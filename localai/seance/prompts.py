"""The prompts of a seance, by language: what a base model continues. Read and checked at start.

    en:
      name: English
      question: |-
        ...
        Q: {{question}}
        A:
      monologue: |-
        ...
        {{said}}

The shipped ones lie in `prompts/spirit/`, one language a file; `--prompts FILE` stands before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from localai import settings
from localai.errors import BadInput
from localai.formats import yaml_tree
from localai.formats.text import decode, nearest, shown
from localai.formats.yaml_tree import Node
from localai.system.files import read_regular

_KEYS = ("name", "question", "monologue", "persona", "examples", "words")
_CODE = re.compile(r"[a-z]{2,3}")
_LIMIT = 64 * 1024  # bytes of a file
_LONGEST = 4000  # characters of a prompt: it is read by small models with small contexts
_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class SpiritPrompts(NamedTuple):
    """What is said to the model in one language."""

    code: str
    name: str  # in English, for people
    question: str  # holds {{question}} once, and ends where the answer begins
    monologue: str  # ends with {{said}}
    persona: str = ""  # introduces a character: holds {{name}}
    examples: tuple[str, ...] = ()  # the same sentences in every language: for translating
    words: frozenset[str] = frozenset()  # by which a typed question is known

    def asked(self, question: str) -> str:
        """Return the text whose continuation answers a question."""
        return self.question.replace("{{question}}", question)

    def going_on(self, said: Iterable[str]) -> str:
        """Return the text whose continuation goes on with what was said."""
        return self.monologue.replace("{{said}}", " ".join(said))


def load(file: str | None = None) -> Mapping[str, SpiritPrompts]:
    """Return the prompts by language code: the shipped ones, and before them those of a file.

    Raises
    ------
    BadInput
        A file cannot be read, or is not as it should be; with file and line.
    """
    found: dict[str, SpiritPrompts] = {}
    for path in sorted(settings.shipped("prompts").joinpath("spirit").glob("*.yaml")):
        found |= read(path)
    return found | read(Path(file)) if file is not None else found


def read(path: Path) -> dict[str, SpiritPrompts]:
    """Return the prompts of one file, by language code. Raises as `load` does."""
    what, hint = "a file of spirit prompts", "localai spirit --help"
    text = decode(read_regular(path, _LIMIT, what, hint), shown(path))
    tree = yaml_tree.load(text, shown(path))
    languages = tree.children()
    if not languages:
        raise tree.wrong("languages, each with a question and a monologue (`en: ...`)")
    return {code: _prompts(code, node) for code, node in languages.items()}


def _prompts(code: str, node: Node) -> SpiritPrompts:
    if not _CODE.fullmatch(code):
        raise node.error(f"{shown(code)[:40]!r} is no code of a language", "write en, de, fr, ...")
    fields = node.children(_KEYS)
    for key in ("question", "monologue"):
        if key not in fields:
            raise node.error(f"`{code}` has no `{key}`", "what the model is to continue")
    question, monologue = _template(fields["question"], "question"), fields["monologue"]
    going_on = _template(monologue, "said")
    if not going_on.endswith("{{said}}"):
        raise monologue.error("a monologue ends with {{said}}: there the voice goes on")
    persona = fields.get("persona")
    return SpiritPrompts(
        code,
        _text(fields["name"]) if "name" in fields else code,
        question,
        going_on,
        _template(persona, "name") if persona else "",
        _texts(fields.get("examples")),
        frozenset(word.lower() for word in _texts(fields.get("words"))),
    )


def _template(node: Node, place: str) -> str:
    """Return a text that holds one place, and no other."""
    text = _PLACE.sub(lambda match: f"{{{{{match[1]}}}}}", _text(node))
    for name in _PLACE.findall(text):
        if name != place:
            raise node.error(f"there is nothing called {{{{{name}}}}} here", f"use {{{{{place}}}}}")
    if text.count(f"{{{{{place}}}}}") != 1:
        raise node.error(f"{{{{{place}}}}} must stand here once")
    return text


def _text(node: Node) -> str:
    text = node.text.strip()
    if node.kind in ("list", "map", "null") or not text:
        raise node.wrong("a text")
    if len(text) > _LONGEST:
        raise node.error(f"this text has more than {_LONGEST} characters", "shorten it")
    if bad := next((c for c in text if not c.isprintable() and c not in "\n\t"), ""):
        raise node.error(f"the text holds a character that nobody sees: {bad!a}")
    return text


def _texts(node: Node | None) -> tuple[str, ...]:
    if node is None:
        return ()
    if node.kind != "list":
        raise node.wrong("a list of texts")
    return tuple(_text(item) for item in node.items)


def chosen(prompts: Mapping[str, SpiritPrompts], languages: str | None) -> tuple[str, ...]:
    """Return the codes of the languages that were asked for, by code or name; None: of all.

    Raises
    ------
    BadInput
        One has no prompts.
    """
    if languages is None:
        return tuple(prompts)
    names = {each.name.lower(): code for code, each in prompts.items()}
    found = []
    for word in filter(None, map(str.strip, languages.lower().split(","))):
        code = word if word in prompts else names.get(word)
        if code is None:
            known = ", ".join(f"{c} ({p.name})" for c, p in prompts.items())
            hint = nearest(word, names) or f"there are {known}; --prompts FILE adds others"
            raise BadInput(f"there are no spirit prompts in {shown(word)[:40]}", hint)
        found.append(code)
    if not found:
        raise BadInput("no language was named", "--languages en,de")
    return tuple(dict.fromkeys(found))


def language_of(question: str, languages: Iterable[SpiritPrompts], usual: str) -> str:
    """Return the code of the language that a typed question is in, as far as its words tell.

    Parameters
    ----------
    languages : iterable of SpiritPrompts
        Those that it may be in.
    usual : str
        What it is where they do not tell.
    """
    words = re.findall(r"[^\W\d_]+", question.lower())
    counts = {each.code: sum(word in each.words for word in words) for each in languages}
    best = max(counts.values(), default=0)
    told = [code for code, count in counts.items() if count == best and count]
    return usual if usual in told or not told else told[0]
