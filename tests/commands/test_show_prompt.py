"""`ask --show-prompt`: what the model would get, and how many of its tokens each part has."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from localai.types import PARTS
from tests.conftest import ROOT, Ran, command, run

QUESTION = "What is the capital of France?"
CHATML = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"


def shown(*arguments: str, **more: Any) -> Ran:
    return run("ask", "-m", "tiny", "--show-prompt", *arguments, **more)


def prompt(*arguments: str, **more: Any) -> dict[str, Any]:
    """What `--json` tells; its parts are all of it."""
    done = shown("--json", *arguments, **more)
    assert done.code == 0 and not done.stderr, done.err
    found: dict[str, Any] = done.json
    assert list(found["tokens"]["parts"]) == list(PARTS)
    assert sum(found["tokens"]["parts"].values()) == found["tokens"]["total"]
    return found


def parts(*arguments: str, **more: Any) -> set[str]:
    return {name for name, count in prompt(*arguments, **more)["tokens"]["parts"].items() if count}


def test_text_and_table_go_to_stdout_and_nobody_is_asked(warmth: str) -> None:
    done = shown(QUESTION)
    assert (done.code, done.stderr) == (0, b"")
    text, table = done.out.split("\n\n\n")
    assert text + "\n" == CHATML
    rows = [line.split() for line in table.splitlines()]
    assert [row[0] for row in rows] == ["input", "template", "total"]
    assert int(rows[0][1]) + int(rows[1][1]) == int(rows[2][1])
    assert rows[2][2:] == ["of", "4096", "tokens,", "0%"]


def test_an_answer_to_it_has_as_many_tokens() -> None:
    for given in ((QUESTION,), ("-s", "You are Ada.", QUESTION), ("--raw", "Once upon a time")):
        answered = run("ask", "-m", "tiny", "--json", "-n", "2", *given).json
        assert prompt(*given)["tokens"]["total"] == answered["tokens"]["prompt"]


@pytest.mark.parametrize("end", ["", "\n", " \n\n"])
def test_stdin_files_and_arguments_are_one_input(end: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(f"The fox is red.{end}")
    with file.open() as stdin:
        done = subprocess.run(
            command("ask", "-m", "tiny", "--show-prompt", "--json", "Why?"),
            stdin=stdin, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    found = json.loads(done.stdout)
    assert f"The fox is red.{end.rstrip(chr(10))}\n\nWhy?<|im_end|>" in found["prompt"]
    assert found["tokens"]["parts"]["input"] > 4


def test_a_system_text_and_an_empty_one() -> None:
    assert parts("-s", "You are Ada.", QUESTION) == {"system", "input", "template"}
    assert prompt("-s", "You are Ada.", QUESTION)["prompt"].startswith(
        "<|im_start|>system\nYou are Ada.<|im_end|>"
    )
    empty = prompt("-s", "", QUESTION)
    assert empty["prompt"].startswith("<|im_start|>system\n<|im_end|>")
    assert empty["tokens"]["parts"]["system"] == 0


def test_a_prompt_files_words_are_told_from_the_input(tmp_path: Path) -> None:
    file = tmp_path / "twice.md"
    file.write_text(
        "---\ndescription: d\nsystem: Be kind.\nvariables: {tone: soft}\n---\n"
        "First: {{input}}\nAgain ({{tone}}): {{input}}\nDone."
    )
    found = prompt("-p", str(file), "The fox is red.")
    assert found["prompt"].count("The fox is red.") == 2 and "(soft)" in found["prompt"]
    once = prompt("-p", str(file), "x")["tokens"]["parts"]
    counts = found["tokens"]["parts"]
    assert counts["prompt"] > 4 < counts["input"] and counts["system"] > 0
    assert once["input"] < counts["input"] and abs(once["prompt"] - counts["prompt"]) <= 1
    for given in ("  blanks \n", "\tx"):
        whole = prompt("-p", str(file), given)["prompt"]
        assert whole.endswith("Done.<|im_end|>\n<|im_start|>assistant\n")
    behind = tmp_path / "behind.md"
    behind.write_text("---\ndescription: d\n---\nSum up:")
    assert parts("-p", str(behind), "The fox is red. ") == {"prompt", "input", "template"}


def test_raw_has_no_template() -> None:
    found = prompt("--raw", "Once upon a time")
    assert found["prompt"] == "Once upon a time"
    assert {name for name, count in found["tokens"]["parts"].items() if count} == {"input"}


CARD = (
    "name: Ada\nsystem: You are {{char}}.\ndescription: '{{char}} keeps a lighthouse.'\n"
    "first_message: Hello, {{user}}.\npost_history: Be brief, {{char}}.\n"
    "examples: |\n  <START>\n  {{user}}: Who are you?\n  {{char}}: I am Ada.\n"
    "note: {text: '{{char}} is tired.', depth: 2}\n"
    "lorebook:\n  entries:\n"
    "    - {keys: [storm], content: 'The storm of {{user}} took the boat.'}\n"
    "    - {keys: [], constant: true, content: 'The lamp burns oil.'}\n"
)


@pytest.fixture
def ada(tmp_path: Path) -> str:
    path = tmp_path / "ada.yaml"
    path.write_text(CARD)
    return str(path)


def test_every_part_of_a_card_is_told(ada: str, tmp_path: Path) -> None:
    persona = tmp_path / "me.txt"
    persona.write_text("My name is Tom. I sail.")
    found = prompt("-c", ada, "--persona", str(persona), "-s", "Answer in rhyme.", "What storm?")
    counts = found["tokens"]["parts"]
    assert {name for name, count in counts.items() if count} == {
        *("system", "persona", "card", "lore", "examples", "history", "input", "template"),
    }
    for text in (
        "You are Ada.", "Ada keeps a lighthouse.", "Hello, Tom.", "Be brief, Ada.", "I am Ada.",
        "Ada is tired.", "The storm of Tom took the boat.", "The lamp burns oil.", "I sail.",
        "Answer in rhyme.",
    ):  # fmt: skip
        assert text in found["prompt"], text
    assert "{{" not in found["prompt"]


def test_lore_that_is_called_for_is_counted_and_other_lore_is_not_there(ada: str) -> None:
    calm, storm = (prompt("-c", ada, question) for question in ("What now?", "What storm?"))
    assert "took the boat" in storm["prompt"] and "took the boat" not in calm["prompt"]
    assert "The lamp burns oil." in calm["prompt"]
    more = storm["tokens"]["parts"]["lore"] - calm["tokens"]["parts"]["lore"]
    assert more > 4 and calm["tokens"]["parts"]["lore"] > 0


MACROS = {
    "{{char}}": "Ada", "{{user}}": "User", "{{newline}}": "\n", "{{random:fox,fox}}": "fox",
    "{{reverse:abc}}": "cba", "{{// nothing}}": "",
}  # fmt: skip


@pytest.mark.parametrize("place", ["system", "description", "first_message", "post_history"])
def test_macros_are_filled_wherever_they_stand(place: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    given = "".join(f"[{macro}]" for macro in MACROS)
    path.write_text(json.dumps({"name": "Ada", place: given}))
    found = prompt("-c", str(path), "Hi {{char}}")
    assert "".join(f"[{value}]" for value in MACROS.values()) in found["prompt"]
    assert "Hi {{char}}" in found["prompt"], "what the user types is text"


@pytest.mark.parametrize("macro", ["time", "date", "weekday", "isotime", "isodate", "time_UTC+2"])
def test_macros_of_time_are_filled_in_one_question_too(macro: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(json.dumps({"name": "Ada", "description": f"now {{{{{macro}}}}} now"}))
    said = prompt("-c", str(path), "Hi")["prompt"]
    assert "{{" not in said and "now  now" not in said


def test_what_is_too_long_is_shown_all_the_same() -> None:
    words = "word " * 5000
    done = shown("--json", words)
    assert done.code == 7 and done.json["tokens"]["total"] > 4096
    assert json.loads(done.err)["error"]["code"] == "too_long"
    cut = prompt("--truncate", "tail", words)
    assert 0 < cut["tokens"]["total"] < 4096 and cut["tokens"]["parts"]["input"] > 3000


def test_what_was_said_decides_the_constraint_but_not_the_prompt() -> None:
    assert prompt("--choices", "a,b", QUESTION)["prompt"] == CHATML
    assert shown("--choices", "a,b", "--regex", "x", QUESTION).code == 2
    assert shown("--test", QUESTION).code == 2


def test_it_goes_where_o_says(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    done = shown(QUESTION, "-o", str(path))
    assert done.code == 0 and done.stdout == b""
    assert path.read_text().startswith(CHATML)


def test_a_terminal_obeys_nothing_of_it() -> None:
    master, slave = pty.openpty()
    done = subprocess.run(
        command("ask", "-m", "tiny", "--show-prompt", "a \x1b[31mred\x07 fox"),
        stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    said = os.read(master, 1 << 16)
    os.close(master)
    assert done.returncode == 0 and b"fox" in said
    assert b"\x1b" not in said and b"\x07" not in said


# Lorebooks as SillyTavern writes them, from the card's file to the model's prompt.

STORM, SEA = "storm", "sea"


def entry(**more: Any) -> dict[str, Any]:
    extensions = {"display_index": 0, **more.pop("extensions", {})}  # as that program writes it
    return {"keys": [STORM], "content": "THE SECRET", "enabled": True, "extensions": extensions,
            "insertion_order": 1, **more}  # fmt: skip


def selective(logic: int) -> dict[str, Any]:
    return entry(selective=True, secondary_keys=[SEA, "boat"], extensions={"selectiveLogic": logic})


@pytest.mark.parametrize(
    ("book", "question", "enters"),
    [
        (selective(0), "A storm at sea", True),  # any of the others
        (selective(0), "A storm", False),
        (selective(1), "A storm at sea", True),  # not all of them
        (selective(1), "A storm at sea, a boat", False),
        (selective(2), "A storm", True),  # not any
        (selective(2), "A storm at sea", False),
        (selective(3), "A storm at sea, a boat", True),  # all
        (selective(3), "A storm at sea", False),
        (entry(keys=["ship"], extensions={"match_whole_words": True}), "Our friendship", False),
        (entry(keys=["ship"], extensions={"match_whole_words": False}), "Our friendship", True),
        (entry(extensions={"case_sensitive": True}), "A Storm", False),
        (entry(extensions={"case_sensitive": False}), "A Storm", True),
        (entry(extensions={"probability": 0, "useProbability": True}), "A storm", False),
        (entry(extensions={"probability": 0, "useProbability": False}), "A storm", True),
        (entry(keys=["C++ (new)"], use_regex=True), "I write C++ (new) now", True),
        (entry(keys=["/st.rm/i"], use_regex=True), "A STURM", True),
        (entry(keys=["st.rm"], use_regex=True), "A sturm", False),
        (entry(keys=["cafe\u0301"]), "The caf\u00e9 is open", True),
        (entry(enabled=False), "A storm", False),
        (entry(extensions={"delay": 5}), "A storm", False),
    ],
)
def test_knowledge_enters_when_it_is_called_for(
    book: dict[str, Any], question: str, enters: bool, tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    data = {"name": "Ada", "description": "d", "character_book": {"entries": [book]}}
    card.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": data}))
    found = prompt("-c", str(card), question)
    assert ("THE SECRET" in found["prompt"]) == enters
    assert (found["tokens"]["parts"]["lore"] > 0) == enters
