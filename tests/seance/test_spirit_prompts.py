"""The prompts of seances: the shipped ones, and bad ones by the hundred."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from localai.errors import BadInput
from localai.seance import opening, prompts
from tests.conftest import run

GOOD = """\
en:
  name: English
  question: |-
    A voice answers.
    Q: {{question}}
    A:
  monologue: |-
    A voice goes on.
    {{said}}
"""


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "spirit.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_shipped_ones_are_whole_and_alike() -> None:
    found = prompts.load()
    assert set(found) == {"en", "de", "fr"}
    for each in found.values():
        assert each.question.splitlines()[-1].endswith(":")
        assert each.persona and len(each.examples) == 3 and len(each.words) > 20
        assert prompts.language_of(each.examples[0], found.values(), "xx") == each.code


def test_they_are_no_prompt_files() -> None:
    assert "spirit" not in run("prompts").out.split()


def test_a_file_stands_before_the_shipped_ones_and_adds_to_them(tmp_path: Path) -> None:
    found = prompts.load(str(written(tmp_path, GOOD + GOOD.replace("en:", "es:", 1))))
    assert found["en"].asked("Who?") == "A voice answers.\nQ: Who?\nA:"
    assert found["es"].going_on(["One.", "Two."]) == "A voice goes on.\nOne. Two."
    assert "Stimme" in found["de"].question


def test_typed_languages_are_told_by_their_words() -> None:
    found = prompts.load()
    for text, code in (
        ("Who are you?", "en"),
        ("Wer bist du?", "de"),
        ("Où es-tu ?", "fr"),
        ("Is the house cold?", "en"),
        ("Hast du Angst?", "de"),
        ("Xyzzy!", "de"),
        ("", "de"),
    ):
        assert prompts.language_of(text, found.values(), "de") == code, text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("en", ("en",)),
        ("German, en", ("de", "en")),
        ("FRENCH,fr,french", ("fr",)),
        (None, ("de", "en", "fr")),
    ],
)
def test_languages_go_by_code_and_by_name(asked: str | None, found: tuple[str, ...]) -> None:
    assert prompts.chosen(prompts.load(), asked) == found


@pytest.mark.parametrize("asked", ["xx", "englisch", "en,klingon", "", ",", "\x1b[2J", "x" * 9999])
def test_a_language_without_prompts_is_refused(asked: str) -> None:
    with pytest.raises(BadInput) as refused:
        prompts.chosen(prompts.load(), asked)
    assert refused.value.next_step and "\x1b" not in refused.value.what
    assert len(refused.value.what) < 200


BAD = {
    "empty": "",
    "a list": "- en\n",
    "a text": "en\n",
    "no language": "{}\n",
    "a language that is a text": "en: hello\n",
    "a code that is none": GOOD.replace("en:", "english:", 1),
    "no question": GOOD.replace("question:", "questions:"),
    "no monologue": GOOD.replace("  monologue: |-\n    A voice goes on.\n    {{said}}\n", ""),
    "an unknown key": GOOD + "  temperature: 1.1\n",
    "no place": GOOD.replace("{{question}}", "question"),
    "two places": GOOD.replace("{{question}}", "{{question}} {{question}}"),
    "another place": GOOD.replace("{{question}}", "{{input}}"),
    "the monologue's place is not at its end": GOOD.replace("{{said}}", "{{said}} and on"),
    "a number": GOOD.replace("name: English", "name: {a: 1}"),
    "no text": GOOD.replace("name: English", "name:"),
    "a list of lists": GOOD + "  words: [[a]]\n",
    "words that are a text": GOOD + "  words: the\n",
    "twice": GOOD + GOOD,
    "a tag": GOOD.replace("name: English", "name: !!python/object:os.system English"),
    "an anchor": GOOD.replace("name: English", "name: &a English"),
    "too long": GOOD.replace("A voice answers.", "A voice answers. " * 1000),
    "not YAML": GOOD.replace("question: |-", "question: ["),
    "escape codes": GOOD.replace("name: English", 'name: "\\x1b[2J"'),
    "binary": b"\x00\x01\x02",
    "not UTF-8": b"en: \xff\xfe",
    "too large": "# " + "x" * 70_000,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_file_and_line(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, BAD[name])
    with pytest.raises(BadInput) as refused:
        prompts.load(str(path))
    assert "spirit.yaml" in refused.value.what and "\x1b" not in refused.value.what


def test_bad_files_by_the_hundred(tmp_path: Path) -> None:
    """Whatever is changed in a file: it is read, or refused in a sentence."""
    chance = random.Random(1)
    refused = 0
    for _ in range(400):
        data = bytearray(GOOD.encode())
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.choice(b"{}[]:-|>&*!%@`'\"#\n\t \x00\xff\x1bax0")
            else:
                del data[at : at + chance.randint(1, 30)]
        try:
            found = prompts.load(str(written(tmp_path, bytes(data))))
        except BadInput as error:
            refused += 1
            assert error.what and "\x1b" not in error.what
        else:
            assert all("{{question}}" in each.question for each in found.values())
    assert refused > 100


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.yaml", tmp_path, Path("/dev/null"), Path("a\0b")):
        with pytest.raises(BadInput):
            prompts.load(str(path))


def test_wishes_that_contradict_each_other() -> None:
    wishes = opening.SeanceWishes()
    for bad in (
        {"seed": 1, "seed_image": "x.png"},
        {"language": "de", "languages": "en"},
        {"max_tokens": 2000, "context": 2048},
        {"character": "nobody-of-that-name"},
        {"seed_image": "/dev/null"},
        {"prompts": "nowhere.yaml"},
    ):
        with pytest.raises(BadInput):
            opening.plan(wishes._replace(**bad))  # type: ignore[arg-type]
