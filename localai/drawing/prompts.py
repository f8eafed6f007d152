"""Prompts before they are drawn: one a line, words by chance, LoRAs named in the text."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from localai import settings
from localai.errors import BadInput
from localai.formats.text import nearest, shown
from localai.media.drawing import LoraUse
from localai.system.files import expanded, read_text

_WILDCARD: Final = re.compile(r"__([\w-][\w/-]*?)__")
_LORA: Final = re.compile(r"<lora:([^:<>]+)(?::([-+]?[0-9]*\.?[0-9]+))?>")
_DEEPEST: Final = 10  # wildcards within wildcards
_LONGEST: Final = 1 << 24  # bytes of a file of words
_MOST: Final = 100_000  # characters of a prompt
_SUFFIXES: Final = (".safetensors", ".gguf")


class LoraPrompt(NamedTuple):
    """A prompt without the LoRAs that its text names."""

    text: str
    loras: tuple[LoraUse, ...]


def lines(text: str) -> list[str]:
    """Return the prompts of a text, one a line; empty lines and `# notes` are none."""
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def has_wildcards(prompt: str) -> bool:
    """Whether a prompt has places for words by chance."""
    return _WILDCARD.search(prompt) is not None


def filled(prompt: str, seed: int) -> str:
    """Return a prompt with a line of `wildcards/NAME.txt` in the place of each `__NAME__`.

    The same seed takes the same lines.

    Raises
    ------
    BadInput
        There is no such file, it is empty, or the words go on naming each other.
    """
    chance = random.Random(seed)
    for _ in range(_DEEPEST):
        if not has_wildcards(prompt):
            return prompt
        prompt = _WILDCARD.sub(lambda match: chance.choice(_words(match[1])), prompt)
        if len(prompt) > _MOST:
            break
    raise BadInput("the wildcards of the prompt name each other without an end", "mend their files")


def _words(name: str) -> list[str]:
    path = wildcard_folder() / f"{name}.txt"
    if not path.is_file():
        known = sorted(each.stem for each in _files(wildcard_folder(), (".txt",)))
        hint = nearest(name, known) or f"write one word or more a line into {shown(path)}"
        raise BadInput(f"there is no wildcard file {name}.txt", hint)
    found = lines(read_text(path, _LONGEST))
    if not found:
        raise BadInput(f"{shown(path)} holds no words", "write one a line")
    return found


def wildcard_folder() -> Path:
    """Return where files of words lie; it may be missing."""
    return settings.load().folders.data / "wildcards"


def lora_folder() -> Path:
    """Return where LoRAs lie that have a name; it may be missing."""
    return settings.load().folders.data / "loras"


def without_loras(prompt: str) -> LoraPrompt:
    """Return a prompt without its `<lora:NAME:WEIGHT>`, and these.

    Raises
    ------
    BadInput
        There is no such LoRA: the library would leave it out without a word.
    """
    uses = tuple(
        lora(match[1], float(match[2]) if match[2] else 1.0) for match in _LORA.finditer(prompt)
    )
    text = " ".join(_LORA.sub(" ", prompt).split(" ")) if uses else prompt
    return LoraPrompt(re.sub(r" {2,}", " ", text).strip() if uses else prompt, uses)


def lora_from(text: str) -> LoraUse:
    """Return what `--lora NAME[:WEIGHT]` says.

    Raises
    ------
    BadInput
        There is no such LoRA, or its weight is no number.
    """
    name, colon, weight = text.rpartition(":")
    if not colon or os.path.exists(expanded(text)):
        return lora(text, 1.0)
    try:
        return lora(name, float(weight))
    except ValueError:
        what = f"--lora {shown(text)}: {shown(weight)} is no weight"
        raise BadInput(what, "--lora NAME:0.8") from None


def lora(name: str, weight: float) -> LoraUse:
    """Return a LoRA by its name in the folder for them, or by its path.

    Raises
    ------
    BadInput
        There is none; with a did-you-mean.
    """
    if not -100 <= weight <= 100:
        raise BadInput(f"the weight of a LoRA is {weight:g}", "0 to 1 is usual")
    for path in _places(name):
        if path.is_file():
            return LoraUse(path.stem, str(path.absolute()), weight)
    known = sorted(each.stem for each in _files(lora_folder(), _SUFFIXES))
    hint = nearest(name, known) or f"name a file, or put it into {shown(lora_folder())}"
    raise BadInput(f"there is no LoRA {shown(name)}", hint)


def _places(name: str) -> Iterator[Path]:
    plain = "/" not in name and name not in (".", "..")
    for suffix in ("", *_SUFFIXES) if plain else ():
        yield lora_folder() / f"{name}{suffix}"
    yield expanded(name)


def _files(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.suffix in suffixes]
    except OSError:
        return []
