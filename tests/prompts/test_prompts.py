"""Prompt files: read, rendered, refused with file and line, listed, written."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from localai import settings
from localai.commands.prompts import prompts as command
from localai.errors import BadInput, LocalaiError
from localai.prompts import files
from localai.terminal.console import Console
from tests.conftest import Ran, ask
from tests.conftest import run as localai

FULL = """\
---
description: Everything at once
system: Be brief.
temperature: 0.5
max_tokens: 10
stop: ["\\n", END]
choices: [yes, no, 1]
model: tiny
variables:
  tone: friendly
  year: 2024
  name:
example:
  input: in
  variables: {tone: cold}
  answer: out
---
In a {{tone}} tone for {{ name }}:

{{input}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("DATA", "CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)
    settings.load.cache_clear()
    folder = tmp_path / "data/localai/prompts"
    folder.mkdir(parents=True)
    yield folder
    settings.load.cache_clear()


def parsed(text: str) -> files.Prompt:
    return files.parse(text, Path("p.md"))


def body(text: str, more: str = "") -> files.Prompt:
    return parsed(f"---\ndescription: x\n{more}---\n{text}")


def refused(text: str) -> str:
    with pytest.raises(BadInput) as caught:
        parsed(text)
    return caught.value.what


def test_every_key_is_read() -> None:
    prompt = parsed(FULL)
    assert (prompt.name, prompt.system, prompt.temperature, prompt.max_tokens) == (
        "p",
        "Be brief.",
        0.5,
        10,
    )
    assert (prompt.stop, prompt.choices, prompt.model) == (
        ("\n", "END"),
        ("yes", "no", "1"),
        "tiny",
    )
    assert prompt.variables == {"tone": "friendly", "year": "2024", "name": None}
    assert prompt.example == files.Example("in", "out", {"tone": "cold"})
    assert prompt.names() == ["tone", "name", "input"]
    assert prompt.render("x\n", {"name": "Eva"}) == "In a friendly tone for Eva:\n\nx"
    assert json.loads(json.dumps(prompt.to_json()))["choices"] == ["yes", "no", "1"]


def test_schemas_are_text_or_json() -> None:
    assert body("", "schema: name, age int\n").schema == "name, age int"
    mapping = "schema:\n  type: object\n  properties: {on: {type: string, enum: [a, 1, 1.5, null, true]}}\n"
    assert body("", mapping).schema == {
        "type": "object",
        "properties": {"on": {"type": "string", "enum": ["a", 1, 1.5, None, True]}},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.md:1: there is no front matter"),
        ("hello {{input}}", "p.md:1: there is no front matter"),
        ("---\ndescription: x\n", "p.md:1: there is no front matter"),
        ("---\n---\nx", "p.md:1: `description` is missing"),
        ("---\ndescription:\n---\nx", "p.md:2: this should be one line of text"),
        ("---\ndescription: [x]\n---\n", "p.md:2: this should be a text"),
        ("---\ndescription: x\n\ntemprature: 1\n---\n", "p.md:4: unknown key `temprature`"),
        ("---\ndescription: x\ndescription: y\n---\n", "p.md:3: `description` is there twice"),
        (
            "---\ndescription: x\ntemperature: hot\n---\n",
            "p.md:3: this should be a number from 0.0 to 100.0",
        ),
        (
            "---\ndescription: x\ntemperature: .nan\n---\n",
            "p.md:3: this should be a number from 0.0 to 100.0",
        ),
        (
            "---\ndescription: x\ntemperature: 101\n---\n",
            "p.md:3: this should be a number from 0.0 to 100.0",
        ),
        (
            "---\ndescription: x\nmax_tokens: 0\n---\n",
            "p.md:3: this should be a whole number, 1 or more",
        ),
        (
            "---\ndescription: x\nstop: []\n---\n",
            "p.md:3: this should be a list of texts, none of them empty",
        ),
        ("---\ndescription: x\nstop: [{a: b}]\n---\n", "p.md:3: this should be a text"),
        ("---\ndescription: x\nvariables:\n  a: [1]\n---\n", "p.md:4: this should be a text"),
        (
            "---\ndescription: x\nvariables: {input: 1}\n---\n",
            "p.md:3: `input` cannot be a variable's name",
        ),
        ("---\ndescription: x\nexample: {input: a}\n---\n", "p.md:3: the example has no `answer`"),
        (
            "---\ndescription: x\nchoices: [a]\nregex: b\n---\n",
            "p.md:4: `choices` and `regex` exclude each other",
        ),
        ("---\ndescription: x\n\tregex: b\n---\n", "p.md:3: this is not YAML"),
        ("---\ndescription: x\nregex: 'a\n---\n", "p.md:3: this is not YAML"),
        ("---\ndescription: a\x07\n---\n", "p.md:2: a character that YAML forbids"),
        (
            '---\ndescription: "\\Uffffffff"\n---\n',
            "p.md:2: an impossible escape",
        ),
        ('---\ndescription: "\\ud800"\n---\n', "p.md:2: this should be a text of whole letters"),
        (
            "---\ndescription: !!python/name:os.system x\n---\n",
            "p.md:2: tags (`!x`) are not allowed",
        ),
        ("---\n- a\n---\n", "p.md:2: this should be a mapping"),
    ],
)
def test_damage_is_named_with_its_line(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_bombs_are_refused_quickly() -> None:
    begin = time.monotonic()
    layers = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert "aliases" in refused(f"---\na0: &a0 x\n{layers}---\n")
    assert "levels deep" in refused(f"---\nschema: {'[' * 50_000}\n---\n")
    assert "levels deep" in refused(f"---\nschema: {'{a: ' * 10_000}\n---\n")
    assert "longer than 64 kB" in refused(f"---\ndescription: {'x' * 70_000}\n---\n")
    assert time.monotonic() - begin < 20


def test_a_typo_in_a_key_gets_a_guess() -> None:
    with pytest.raises(BadInput) as caught:
        body("", "temprature: 1\n")
    assert caught.value.next_step == "did you mean `temperature`?"


def test_values_are_plain_text() -> None:
    prompt = body("{{a}} {{b}} {{input}} {{a}}", "variables: {b: '{{a}}'}\n")
    assert (
        prompt.render("{{b}}\\1", {"a": "{{input}} {{c}}"})
        == "{{input}} {{c}} {{a}} {{b}}\\1 {{input}} {{c}}"
    )


def test_what_is_no_place_stays() -> None:
    text = "{{}} {{ 1+1 }} { {a}} {{a b}} {{#if x}} ${{{input}}}"
    assert body(text).render("X") == "{{}} {{ 1+1 }} { {a}} {{a b}} {{#if x}} ${X}"
    assert body("\\{{name}} \\{{input}}").render("X") == "{{name}} {{input}}\n\nX"


def test_an_input_without_a_place_comes_last() -> None:
    assert body("Say hello.\n").render("\n  code\n") == "Say hello.\n\n  code"
    assert body("Say hello.\n").render("") == "Say hello."
    assert body("").render("only") == "only"


def test_missing_variables_are_named_with_their_line() -> None:
    prompt = body("first\n{{b}} {{a}}\n{{b}}", "variables:\n  a:\n")
    with pytest.raises(BadInput) as caught:
        prompt.render("")
    assert caught.value.what == "p.md:7: variables without values: b, a"
    assert caught.value.next_step == "--var b=... --var a=..."
    with pytest.raises(BadInput) as caught:
        body("{{langauge}}", "variables: {language: x}\n").render("")
    assert caught.value.next_step == "did you mean `language`?"


def test_unknown_variables_are_refused() -> None:
    prompt = body("{{language}}", "variables: {language: x}\n")
    with pytest.raises(BadInput) as caught:
        prompt.render("", {"langauge": "y"})
    assert caught.value.next_step == "did you mean `language`?"
    with pytest.raises(BadInput):
        prompt.render("", {"input": "y"})


def test_windows_files_read_the_same(home: Path) -> None:
    (home / "w.md").write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert files.load("w").body == parsed(FULL).body


def test_names_are_found_in_order(home: Path, tmp_path: Path) -> None:
    assert files.load("summarize").path == settings.shipped("prompts") / "summarize.md"
    (home / "summarize.md").write_text("---\ndescription: mine\n---\n")
    assert files.load("summarize").description == "mine"
    (tmp_path / "title").write_text("---\ndescription: not me\n---\n")
    (tmp_path / "other").write_text("---\ndescription: me\n---\n")
    assert files.load("title").path.parent == settings.shipped("prompts")
    assert files.load("other").description == "me"
    assert files.load("./title").description == "not me"


@pytest.mark.parametrize(
    "name", ["sumarize", "", ".", "..", "a\0b", "x" * 5000, "~", ".hidden", "-", "ä ö"]
)
def test_unknown_names_are_bad_input(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        files.load(name)
    assert "`localai prompts`" in caught.value.next_step
    if name == "sumarize":
        assert caught.value.next_step.startswith("did you mean `summarize`?")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/",
        "no/such.md",
        "no.md",
        "a/\0",
        "/dev/zero",
        "./fifo",
        "./folder.md",
        "./latin.md",
        "./big.md",
        "./loop.md",
    ],
)
def test_what_is_no_prompt_file_is_bad_input(name: str, tmp_path: Path) -> None:
    os.mkfifo("fifo")
    os.mkdir("folder.md")
    os.symlink("loop.md", "loop.md")
    Path("latin.md").write_bytes(b"---\ndescription: \xe4\n---\n")
    Path("big.md").write_bytes(b"x" * (files.FOLDER.limit + 1))
    with pytest.raises(BadInput) as caught:
        files.load(name)
    assert caught.value.code == 2


def test_names_never_leave_their_folder(home: Path) -> None:
    (home.parent / "secret.md").write_text("---\ndescription: x\n---\n")
    with pytest.raises(BadInput):
        files.FOLDER.add("../secret", ".md", b"x", force=True)
    with pytest.raises(BadInput):
        files.FOLDER.add(".x", ".md", b"x")


def test_the_shipped_prompts_are_whole() -> None:
    shipped = [row for row in files.listing() if row.origin == "shipped"]
    assert shipped, "no shipped prompts found"
    for row in shipped:
        prompt = files.load(row.name)
        assert not row.problem and len(prompt.description) < 100
        if prompt.example:
            assert prompt.example.input in prompt.render(
                prompt.example.input, prompt.example.variables
            )


def test_a_damaged_file_does_not_hide_the_others(home: Path) -> None:
    (home / "bad.md").write_text("---\nfoo: x\n---\n")
    (home / "a b.md").write_text("no name")
    rows = {row.name: row for row in files.listing()}
    assert "unknown key `foo`" in rows["bad"].problem and len(rows) > 10


def run(*args: str) -> tuple[int, str]:
    def call(*args: str) -> None:
        command.main(args=list(args), obj=Console.standard(), standalone_mode=False)

    runner = CliRunner()
    result = runner.invoke(click.Command("x", callback=lambda: call(*args)), [])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_command_lists(home: Path) -> None:
    code, out = run()
    assert code == 0 and out == run("list")[1]
    assert re.search(r"^summarize +\w", out, re.M)
    rows = json.loads(run("list", "--json")[1])
    assert rows == json.loads(run("--json")[1])
    assert {"name", "description", "path", "origin", "problem"} == set(rows[0])


def test_command_shows(home: Path) -> None:
    (home / "full.md").write_text(FULL)
    assert run("show", "full")[1] == FULL
    assert json.loads(run("show", "full", "--json")[1])["variables"]["tone"] == "friendly"
    assert run("path", "full")[1] == f"{home / 'full.md'}\n"


def test_command_writes(home: Path) -> None:
    home.rmdir()  # it need not be there
    assert run("new", "mine")[1] == f"{home / 'mine.md'}\n"
    assert files.load("mine").render("x").endswith("x")
    with pytest.raises(BadInput, match="exists"):
        run("new", "mine")
    assert run("new", "mine", "--from", "translate", "--force")[0] == 0
    assert (home / "mine.md").read_bytes() == (
        settings.shipped("prompts") / "translate.md"
    ).read_bytes()
    assert [path.name for path in home.iterdir()] == ["mine.md"]
    assert stat.S_IMODE((home / "mine.md").stat().st_mode) & 0o111 == 0


def test_command_says_when_it_cannot_write(home: Path) -> None:
    home.rmdir()
    home.write_text("in the way")
    with pytest.raises(LocalaiError, match="cannot be written"):
        run("new", "mine")


def test_the_skeleton_stays_right_when_its_comments_are_removed() -> None:
    text = files.SKELETON
    for key in (
        "system",
        "temperature",
        "max_tokens",
        "stop",
        "choices",
        "model",
        "variables",
        "  language",
    ):
        text = text.replace(f"# {key}:", f"{key}:")
    assert parsed(text).choices and parsed(text).variables == {"language": "English"}


# Fuzz

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    "description",
    "system",
    "temperature",
    "max_tokens",
    "stop",
    "choices",
    "schema",
    "regex",
    "model",
    "variables",
    "example",
    "x",
]


def survives(text: str) -> None:
    try:
        prompt = parsed(text)
    except BadInput as error:
        assert error.what.startswith("p.md:")
        return
    json.dumps(prompt.to_json(), allow_nan=False)
    assert prompt.description


@limits(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5), st.booleans())
def test_any_yaml_is_a_prompt_or_bad_input(data: dict[str, object], flow: bool) -> None:
    front = yaml.safe_dump(
        {"description": "d", **data}, default_flow_style=flow, allow_unicode=True
    )
    survives(f"---\n{front}---\n{{{{input}}}}")


@limits(deadline=None)
@given(st.text(st.sampled_from(list("ab:- []{}'\"\n\t#&*!|>%@`,?~\\U0.e_<=")), max_size=60))
def test_any_front_matter_is_a_prompt_or_bad_input(text: str) -> None:
    survives(f"---\ndescription: d\nschema: {text}\n---\n")
    survives(f"---\n{text}\n---\n")


@limits(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_prompt_or_bad_input(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, framed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.md"
    path.write_bytes(b"---\ndescription: " + data + b"\n---\n" + data if framed else data)
    try:
        files.load(str(path)).render("x")
    except BadInput as error:
        assert str(path) in error.what


@given(st.text(max_size=30), st.text(max_size=30), st.text("{} input\\", max_size=30))
def test_any_values_are_inserted_as_they_are(text: str, value: str, noise: str) -> None:
    prompt = body("<{{input}}|{{v}}|{{input}}>" + noise.replace("{{", "").replace("\\", ""))
    given_input = text.strip("\r\n")
    assert prompt.render(text, {"v": value}).startswith(f"<{given_input}|{value}|{given_input}>")


def test_a_schema_may_lie_beside_the_prompt_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    (folder / "five.json").write_text('{"const": 5}')
    (tmp_path / "outside.json").write_text('{"const": 6}')
    (tmp_path / "age").write_text('{"const": 7}')  # not a field, but a file of that name
    (folder / "leads.json").symlink_to(tmp_path / "outside.json")

    def asked(schema: str) -> Ran:
        path = folder / "p.md"
        path.write_text(f"---\ndescription: x\nschema: {schema}\n---\n{{{{input}}}}\n")
        return ask("-p", str(path), "hi")

    assert asked("five.json").out == asked("./five.json").out == "5\n"
    assert json.loads(asked("age").out).keys() == {"age"}
    for elsewhere in ("../outside.json", str(tmp_path / "outside.json"), "leads.json"):
        done = asked(elsewhere)
        assert done.code == 2 and "a prompt file may only name files" in done.err
    (tmp_path / "link.md").symlink_to(folder / "p.md")
    asked("five.json")
    assert ask("-p", "./link.md", "hi").out == "5\n"
    done = asked("none.json")
    assert done.code == 2 and "p.md: `schema`: there is no file" in done.err


GRAMMAR = 'root ::= "Paris" | "London"\n'


@pytest.mark.parametrize("form", ["in the file", "beside it", "lark"])
def test_a_grammar_of_a_prompt_file_is_kept(tmp_path: Path, form: str) -> None:
    (tmp_path / "city.gbnf").write_text(GRAMMAR)
    grammar = {
        "in the file": "|\n  " + GRAMMAR.strip(),
        "beside it": "city.gbnf",
        "lark": """'start: "Paris" | "London"'""",
    }[form]
    file = tmp_path / "p.md"
    file.write_text(f"---\ndescription: x\ngrammar: {grammar}\n---\n{{{{input}}}}\n")
    ran = ask("-p", str(file), "What is the capital of France?")
    assert (ran.out, ran.code) == ("Paris\n", 0), ran.err


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ("none.gbnf", "there is no file 'none.gbnf' beside it"),
        ("../up.gbnf", "only name files in its own folder"),
        ("/etc/passwd", "no rule of a lark grammar"),
        ("'root ::= \"a'", "(line 1, column 10)"),
    ],
)
def test_a_grammar_that_cannot_be_kept(tmp_path: Path, grammar: str, words: str) -> None:
    file = tmp_path / "p.md"
    file.write_text(f"---\ndescription: x\ngrammar: {grammar}\n---\n{{{{input}}}}\n")
    ran = ask("-p", str(file), "x")
    assert ran.code == 2 and words in ran.err and ran.out == ""


def test_a_grammar_excludes_the_other_forms(tmp_path: Path) -> None:
    text = "---\ndescription: x\nregex: a\ngrammar: 'root ::= \"a\"'\n---\n"
    with pytest.raises(BadInput, match="`regex` and `grammar` exclude each other"):
        files.parse(text, tmp_path / "p.md")


@pytest.mark.parametrize("kind, ending", [("prompts", ".md"), ("characters", ".yaml")])
def test_a_new_file_is_called_as_it_was_asked_for_with_its_ending_or_without(
    home: Path, kind: str, ending: str
) -> None:
    (path,) = localai(kind, "new", f"haiku{ending}").out.splitlines()
    assert Path(path).name == f"haiku{ending}"
    assert localai(kind, "show", "haiku").code == 0
    assert localai(kind, "new", "haiku").code == 2, "it is there"
