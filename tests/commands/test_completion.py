"""The completion scripts, in the shells themselves."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from localai.cli import cli
from localai.commands import completion, prompts
from localai.terminal.completions import (
    CompletionCommand,
    CompletionOption,
    CompletionValues,
    bash,
    zsh,
)
from localai.terminal.completions_fish import fish
from localai.terminal.console import Console
from tests.conftest import run


class Model(click.types.StringParamType):
    name = "model"
    completion = ("tiny", "owner/repo:q4")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option("1")
def table() -> None:
    pass


@table.command()
@click.argument("text", nargs=-1)
@click.option("-m", "--model", metavar="MODEL")
@click.option("--other", type=Model(), help="It's \"the\" $model's name. Really.")
@click.option("-p", "--prompt", "prompt_file", help="A prompt.")
@click.option("-c", "--character")
@click.option("-o", "--output", metavar="FILE")
@click.option("--folder", type=click.Path(file_okay=False))
@click.option("--think/--no-think")
@click.option("--format", type=click.Choice(["auto", "json"]))
@click.option("-q", "--quiet", is_flag=True)
@click.option("--hidden", hidden=True)
@click.option("--seed", type=int)
def ask(**_: object) -> None:
    """Ask a question."""


@table.command("describe-image")
@click.argument("files", type=click.Path(), nargs=-1)
def describe(**_: object) -> None:
    """Describe a picture."""


@table.command(hidden=True)
def secret() -> None:
    """Not shown."""


table.add_command(prompts.prompts)
table.add_command(completion.completion)

CASES: dict[str, list[str]] = {
    "": ["ask", "completion", "describe-image", "prompts"],
    "a": ["ask"],
    "ask ": [],
    "ask --f": ["--folder", "--format"],
    "ask --no": ["--no-think"],
    "ask --other ": ["owner/repo:q4", "tiny"],
    "ask -m t": ["tiny"],
    "ask -m b.": ["b.png"],
    "ask --h": ["--help"],
    "ask --format ": ["auto", "json"],
    "ask -q --format j": ["json"],
    "ask hello -p s": ["short", "summary"],
    "ask -p prompts -m t": ["tiny"],  # a value that is called like a command
    "ask -c ": ["$(touch pwned)", "eva"],
    "ask --seed ": [],
    "ask --folder sub": ["subfolder"],
    "ask -o a": ["a file.txt"],
    "describe-image b.p": ["b.png"],
    "describe-image a b.p": ["b.png"],
    "prompts ": ["list", "new", "path", "show"],
    "prompts show s": ["short", "summary"],
    "prompts new x --from su": ["summary"],
    "completion ": ["bash", "fish", "zsh"],
    "completion bash ": [],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with files, prompts and characters whose names are traps."""
    for name in (
        "a file.txt",
        "b.png",
        "p/short.md",
        "p/summary.md",
        "p/no.txt",
        "c/eva.yaml",
        "c/$(touch pwned).json",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "subfolder").mkdir()
    folders = {
        "prompt": [str(tmp_path / "p"), str(tmp_path / "it's missing")],
        "character": [str(tmp_path / "c")],
        "session": [str(tmp_path / "s")],
    }
    monkeypatch.setattr(completion, "_folders", lambda: folders)
    return tmp_path


def script(shell: str) -> str:
    result = CliRunner().invoke(
        click.Command(
            "x",
            callback=lambda: table.main(
                ["completion", shell], obj=Console.standard(), standalone_mode=False
            ),
        )
    )
    assert result.exit_code == 0, result.exception
    return result.stdout


def shell(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"no {name} on this system")
    return found


def ran(program: list[str], place: Path) -> list[str]:
    # No Python may be needed at a Tab: the path holds nothing.
    done = subprocess.run(
        program,
        cwd=place,
        env={"PATH": "/nonexistent", "HOME": str(place)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert not (place / "pwned").exists()
    return done.stdout.splitlines()


BASH = """
source ./script
while IFS= read -r line; do
    read -ra COMP_WORDS <<< "localai $line"
    case "$line" in *' '|'') COMP_WORDS+=('') ;; esac
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _localai
    printf '%s:' "${COMPREPLY[@]}"; echo
done < ./lines
"""

ZSH = """
compdef() { :; }
compadd() { shift; found+=("$@"); }
compset() { :; }
_files() { local f; for f in *(N); do [[ $1 != -/ || -d $f ]] && found+=("$f"); done; }
source ./script
while IFS= read -r line; do
    found=()
    words=(localai ${(z)line})
    case "$line" in *' '|'') words+=('') ;; esac
    CURRENT=$#words
    _localai
    cur=$words[CURRENT]
    for word in "${found[@]}"; do [[ $word == "$cur"* ]] && printf '%s\\t' "$word"; done; echo
done < ./lines
"""


def test_bash_completes(place: Path) -> None:
    (place / "script").write_text(script("bash"))
    (place / "lines").write_text("".join(f"{line}\n" for line in CASES))
    rows = ran([shell("bash"), "--norc", "-c", BASH.replace("'%s:'", r"'%s\t'")], place)
    assert {
        line: sorted(filter(None, row.split("\t"))) for line, row in zip(CASES, rows, strict=True)
    } == {**CASES, "ask -c ": [r"\$\(touch\ pwned\)", "eva"]}, "a name is one word of the shell"


def test_bash_completes_behind_an_equals_sign(place: Path) -> None:
    (place / "script").write_text(script("bash"))
    call = "source ./script; COMP_WORDS=(localai ask --format = {}); COMP_CWORD={}; _localai; echo ${{COMPREPLY[*]}}"
    assert ran([shell("bash"), "--norc", "-c", call.format("j", 4)], place) == ["json"]
    assert ran([shell("bash"), "--norc", "-c", call.format("", 3)], place) == ["auto json"]


@pytest.mark.parametrize("verb", ["ask", "chat"])
@pytest.mark.parametrize("option", ["-c", "--character"])
def test_the_shipped_characters_and_ones_own_are_completed(
    verb: str, option: str, home: Path, tmp_path: Path
) -> None:
    own = home / "data" / "localai" / "characters"
    own.mkdir(parents=True)
    (own / "librarians-cat.yaml").write_text("name: Tib\n")
    (tmp_path / "script").write_text(run("completion", "bash").out)
    call = (
        f"source ./script; COMP_WORDS=(localai {verb} {option} libr); COMP_CWORD=3; _localai; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = ran([shell("bash"), "--norc", "-c", call], tmp_path)
    assert sorted(word.strip() for word in done) == ["librarian", "librarians-cat"]


@pytest.mark.parametrize("words", ["chat --session", "sessions show", "sessions remove mine"])
def test_the_names_of_sessions_are_completed(words: str, home: Path, tmp_path: Path) -> None:
    own = home / "data" / "localai" / "sessions"
    own.mkdir(parents=True)
    for name in ("ada.jsonl", "ada again.jsonl", "bob.jsonl", "adam.txt"):
        (own / name).touch()
    (tmp_path / "script").write_text(run("completion", "bash").out)
    call = (
        f"source ./script; COMP_WORDS=(localai {words} ad); "
        f"COMP_CWORD={len(words.split()) + 1}; _localai; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = ran([shell("bash"), "--norc", "-c", call], tmp_path)
    assert sorted(word.strip() for word in done) == ["ada", "ada\\ again"]


def test_every_command_that_takes_a_character_says_so_alike() -> None:
    context = click.Context(cli)
    takes = {
        name: (*parameter.opts, parameter.metavar)
        for name in cli.list_commands(context)
        if (verb := cli.get_command(context, name))
        for parameter in verb.params
        if isinstance(parameter, click.Option) and "--character" in parameter.opts
    }
    assert set(takes) >= {"ask", "chat"}
    assert set(takes.values()) == {("-c", "--character", "NAME")}


def test_bash_takes_a_dash_behind_two_dashes_as_text(place: Path) -> None:
    (place / "script").write_text(script("bash"))
    call = "source ./script; COMP_WORDS=(localai ask -- -); COMP_CWORD=3; _localai; echo ${#COMPREPLY[@]}"
    assert ran([shell("bash"), "--norc", "-c", call], place) == ["0"]


def test_zsh_completes(place: Path) -> None:
    (place / "script").write_text(script("zsh"))
    (place / "lines").write_text("".join(f"{line}\n" for line in CASES))
    rows = ran([shell("zsh"), "-f", "-c", ZSH], place)
    assert {
        line: sorted(filter(None, row.split("\t"))) for line, row in zip(CASES, rows, strict=True)
    } == CASES


def test_fish_completes(place: Path) -> None:
    (place / "script").write_text(script("fish"))
    calls = "".join(f"echo '>>'\ncomplete -C {shlex.quote('localai ' + line)}\n" for line in CASES)
    out = "\n".join(ran([shell("fish"), "--no-config", "-c", f"source ./script\n{calls}"], place))
    parts = [[row.split("\t")[0] for row in part.splitlines()] for part in out.split(">>")[1:]]
    # fish also offers what merely contains the word, and a folder with its slash.
    found = {
        line: sorted(
            name.rstrip("/") for name in part if name and name.startswith(line.split(" ")[-1])
        )
        for line, part in zip(CASES, parts, strict=True)
    }
    assert found == CASES


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_scripts_are_valid_and_start_no_program(name: str, place: Path) -> None:
    (place / "script").write_text(script(name))
    assert ran([shell(name), "-n", "./script"], place) == []
    assert (
        ran(
            [shell(name), "-c", ". ./script" if name != "zsh" else "compdef() { :; }; . ./script"],
            place,
        )
        == []
    )
    assert (
        "python" not in script(name)
        and "secret" not in script(name)
        and "--hidden" not in script(name)
    )


def test_an_empty_table_is_no_failure(place: Path) -> None:
    root = CompletionCommand(
        (), (), (CompletionOption(("-x",), "it's", CompletionValues("words", ("a'b",))),), (), False
    )
    for make, name in ((bash, "bash"), (zsh, "zsh"), (fish, "fish")):
        (place / "script").write_text(make([root], {}))
        assert ran([shell(name), "-n", "./script"], place) == []


def test_help_shows_examples() -> None:
    for args in (["completion", "--help"], ["prompts", "--help"], ["prompts", "new", "--help"]):
        out = run(*args).out
        assert "Examples:\n" in out and out.count("  localai ") >= 2


def test_the_light_path_imports_nothing_heavy() -> None:
    code = "import json, sys, localai.commands.prompts, localai.commands.completion; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            cwd=Path(__file__).parents[2],
            check=True,
        ).stdout
    )
    heavy = {
        "rich",
        "yaml",
        "numpy",
        "prompt_toolkit",
        "pygments",
        "llama_cpp",
        "difflib",
        "platformdirs",
    }
    assert not heavy & set(loaded)


def test_zsh_completes_in_a_real_terminal(place: Path) -> None:
    """The completion system sets options of its own, which the stubs above do not."""
    program = shell("zsh")
    (place / "script").write_text(script("zsh"))
    fd, slave = pty.openpty()
    process = subprocess.Popen(
        [program, "-f", "-i", "+m"],
        cwd=place,
        env={"TERM": "dumb", "HOME": str(place), "PS1": "> "},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        os.write(fd, b"autoload -Uz compinit; compinit -u -D; source ./script; echo rea''dy\n")
        if b"not found" in until(fd, b"ready\r\n"):
            pytest.skip("this zsh came without its completion system")
        for typed, found in ((b"pro\tshow su\t", b"show summary"), (b"ask -m b.\t", b"b.png")):
            os.write(fd, b"\x15localai " + typed)
            until(fd, found)
    finally:
        process.kill()
        process.wait()
        os.close(fd)


def until(fd: int, words: bytes) -> bytes:
    """Return what the terminal shows until it shows `words`."""
    out = b""
    while words not in out:
        ready, _, _ = select.select([fd], [], [], 60)
        assert ready, f"waited in vain for {words!r} after {out!r}"
        out += os.read(fd, 4096)
    return out


@pytest.mark.parametrize("words", ["warm", "stop", "bench", "models show", "models default"])
def test_a_model_is_completed_where_a_model_may_stand(words: str) -> None:
    context = completion._context(cli, None)
    command: click.Command = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        command = command.get_command(context, word)  # type: ignore[assignment]
    (argument,) = [each for each in command.params if isinstance(each, click.Argument)]
    assert completion._values(argument) == CompletionValues("model", ("tiny",))
