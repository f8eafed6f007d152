"""Words that look like something else: dashes, empty texts, escapes, the first line of scripts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from localai.chat.participants import Participants
from localai.generation.build import GenerateOptions, request
from localai.generation.conversation import Conversation, fit
from localai.prompts import files
from localai.types import Message
from tests.commands.test_ask import mark
from tests.conftest import ROOT, ask, run
from tests.support.own_template import with_template

pytestmark = pytest.mark.usefixtures("warm")


@pytest.mark.parametrize(
    "text", ["- item one", "- ", "-\tx", "-- select 1", "--- a/file", "-\n- two", "-\u00a0x"]
)
def test_what_begins_with_dashes_and_a_blank_is_a_prompt(text: str) -> None:
    assert mark(text) == mark("--", text)


def test_such_a_prompt_goes_with_options_on_both_sides_and_as_a_value() -> None:
    assert ask("-n", "40", "- Count", "to 9.", "-q").code == 0
    assert mark("-s", "- be brief", "x") == mark("--system=- be brief", "x")
    for wrong in ("-item", "--item one", "-Z x"):
        done = ask(wrong)
        assert done.code == 2 and "option" in done.err


# An empty system text.


def systems(**asked: object) -> list[Message]:
    prompt = asked.pop("prompt", None)
    options = GenerateOptions(**asked)  # type: ignore[arg-type]
    found = request(options, "Hi", prompt)  # type: ignore[arg-type]
    return [each for each in found.messages if each.role == "system"]


def prompt_file(folder: Path, front: str) -> Path:
    path = folder / "own.md"
    path.write_text(f"---\ndescription: x\n{front}\n---\nWho are you?\n")
    return path


def test_an_empty_system_text_is_one_and_none_is_none(tmp_path: Path) -> None:
    empty = [Message("system", "")]
    assert systems() == [] and systems(system="") == empty
    said = files.load(str(prompt_file(tmp_path, 'system: ""')))
    assert systems(prompt=said) == empty
    other = files.load(str(prompt_file(tmp_path, "system: You are Ada.")))
    assert systems(prompt=other, system="") == empty
    assert systems(prompt=other)[0].content == "You are Ada."


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, ()),
        ({"system": ""}, (Message("system", ""),)),
        ({"system": "You are Ada."}, (Message("system", "You are Ada."),)),
        ({"system": None}, ()),
    ],
)
def test_a_chat_has_the_empty_system_text_that_was_asked_for(
    values: dict[str, str], told: tuple[Message, ...]
) -> None:
    parts = Participants.of(values, "tiny", 4096).prompt_parts
    talk = Conversation(parts, (Message("user", "Hi"),))
    assert fit(talk, lambda _: 1, 4096, 100).messages == (*told, Message("user", "Hi"))


def test_a_template_s_own_system_text_does_not_come_instead(tmp_path: Path) -> None:
    own = (
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are Ada.<|im_end|>\n"
        "{% endif %}{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
        "<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
    )
    model = with_template(tmp_path / "own.gguf", own)
    for flags, ada in (((), True), (("-s", ""), False), (("-s", "You are Bob."), False)):
        done = run("ask", "-m", model, "--temp", "0", *flags, "Who are you?")
        assert ("Ada" in done.out) is ada, done


# Stop strings.


def test_escapes_are_read_in_stop_strings_too() -> None:
    # The words of the prompt without its constraint, with which no stop string goes.
    goat = files.load("bullet-points").render("The goat lives in the valley. It eats grass.")
    points = ask(goat).out
    assert points.count("\n") == 2
    for stop in (r"\n", r"\x0a", r"\u000a"):
        assert ask("-e", "--stop", stop, goat).out == points.split("\n")[0] + "\n"
        assert ask("--stop", stop, goat).out == points
    assert ask("-e", "--stop", r"\q", "x").code == 2


@pytest.mark.parametrize("verb", ["ask", "chat"])
@pytest.mark.parametrize("stop", [("--stop", ""), ("--stop=",), ("--stop", "a", "--stop", "")])
def test_an_empty_stop_string_is_refused(verb: str, stop: tuple[str, ...]) -> None:
    done = run(verb, "-m", "tiny", *stop)
    assert done.code == 2 and "'--stop': it is empty" in done.err


# Files that can be executed.


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "localai"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m localai "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LOCALAI_MODEL", "tiny")


@pytest.fixture
def executed(tmp_path: Path, on_path: None) -> Callable[..., str]:
    def execute(text: str, *arguments: str, stdin: str = "") -> str:
        path = tmp_path / "program"
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run(
            [path, *arguments], input=stdin.encode(), capture_output=True, timeout=120
        )
        assert done.returncode == 0, done
        return done.stdout.decode()

    return execute


def test_prompt_files_and_chat_scripts_can_be_programs(executed: Callable[..., str]) -> None:
    prompt = (
        "#!/usr/bin/env -S localai ask -p\n---\ndescription: A capital\ntemperature: 0\n---\n"
        "What is the capital of {{input}}?\n"
    )
    assert executed(prompt, "France") == executed(prompt, stdin="France\n")
    assert "Paris" in executed(prompt, "France")
    script = "#!/usr/bin/env -S localai chat --temp 0 --script\nWhat is 7 + 8?\n"
    assert executed(script).count("User: ") == 1 and "7 + 8 = 15." in executed(script)
    as_yaml = executed("#!/usr/bin/env -S localai chat --temp 0 --script\n- What is 7 + 8?\n")
    assert as_yaml.count("User: ") == 1


def test_a_script_from_stdin_may_begin_so_too() -> None:
    script = "#!/usr/bin/env -S localai chat --script\nWho are you?\n#! is a question\n"
    done = run("chat", "-m", "tiny", "--temp", "0", "--script", "-", stdin=script)
    assert done.code == 0 and done.out.count("User: ") == 2


def test_the_lines_of_an_executable_prompt_file_keep_their_numbers(tmp_path: Path) -> None:
    first = "#!/usr/bin/env -S localai ask -p\n"
    for rest, line in (
        ("---\ndescription: x\nnonsense: 1\n---\nx\n", 4),
        ("---\ndescription: x\n---\n\n{{name}}\n", 6),
        ("description: x\n", 2),
        ("---\ndescription: x\n", 2),
    ):
        path = tmp_path / "p.md"
        path.write_text(first + rest)
        done = ask("-p", str(path), "x")
        assert done.code == 2 and f"p.md:{line}:" in done.err, done
    path.write_text(first)
    assert ask("-p", str(path), "x").code == 2


# A chat in a pipe that cannot be kept.


@pytest.mark.parametrize("place", ["a file", "a dangling link", "no folder", "a full disk"])
def test_a_chat_that_cannot_be_kept_answers_anyway_and_warns(tmp_path: Path, place: str) -> None:
    data = tmp_path / "data"
    if place == "a file":
        data.write_text("")
    elif place == "a dangling link":
        data.symlink_to("/proc/nothing/here")
    elif place == "no folder":
        data = Path("/proc/self/none")
    else:
        (data / "localai").mkdir(parents=True)
        (data / "localai" / "sessions").symlink_to("/dev/full")
    env = {"XDG_DATA_HOME": str(data)}
    lines = "Who are you?\n! a note\nWhat is 7 + 8?\n"
    done = run("chat", "-m", "tiny", "--temp", "0", stdin=lines, env=env)
    assert (done.code, done.out) == (0, "I am Tiny.\n7 + 8 = 15.\n")
    assert done.err.count("warning: the session cannot be written") == 1
    named = run("chat", "-m", "tiny", "--session", "x", stdin="Hi\n", env=env)
    assert named.code == 1 and named.err.startswith("localai: the session cannot be written")
