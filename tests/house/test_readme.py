"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localai.cli import COMMANDS
from localai.errors import ExitCode
from tests.conftest import ROOT, run

README = (ROOT / "README.md").read_text()


def sessions() -> list[str]:
    """The console blocks of the README."""
    return re.findall(r"```console\n(.*?)```", README, re.S)


def steps(session: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with what it prints."""
    parts = re.split(r"^\$ ", session, flags=re.M)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


@pytest.fixture
def shell(warm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with `localai` on the PATH, as it is used: warm."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    script = bin_folder / "localai"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m localai "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    work = tmp_path / "work"
    work.mkdir()
    return work


@pytest.mark.parametrize("session", sessions())
def test_every_command_prints_what_the_readme_says(session: str, shell: Path) -> None:
    assert len(steps(session)) >= 10
    mark = "--end-of-command--"
    script = "".join(f"{command}\necho; echo {mark}\n" for command, _ in steps(session))
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=shell, timeout=300)
    printed = done.stdout.decode().split(f"\n{mark}\n")[:-1]
    assert done.stderr.decode() == ""
    for (command, expected), got in zip(steps(session), printed, strict=True):
        assert (command, got) == (command, expected)


def test_the_install_line_asks_what_the_readme_says(shell: Path) -> None:
    line = next(line for line in README.splitlines() if line.startswith("python3 -m venv"))
    command = line.split("&& .venv/bin/")[-1]
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=shell, timeout=120)
    assert done.stdout == b"The capital of France is Paris.\n"
    assert "`The capital of France is Paris.`" in README


def test_the_table_of_exit_codes_is_the_real_one() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", README.split("exit code")[1], re.M)}
    assert {code for code in ExitCode if code not in told} == set()


def test_the_map_names_rooms_that_exist() -> None:
    section = README.split("## Map")[1]
    cells = re.findall(r"^\| [0-9-]+ \| ([^|]+) \|", section, re.M)
    rooms = [room for cell in cells for room in re.findall(r"`([^`]+)`", cell)]
    assert len(rooms) > 8
    for room in rooms:
        assert (ROOT / "localai" / room).exists(), room


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_examples(name: str) -> None:
    shown = run(name, "--help")
    assert shown.code == 0
    assert "Examples" in shown.out
    assert f"localai {name}" in shown.out


def test_ci_calls_the_readmes_test_command() -> None:
    line = [line for line in README.splitlines() if line.startswith("python3 -m venv")][1]
    assert line.split(".venv/bin/python ")[-1] in (ROOT / ".ci" / "run").read_text()
    assert shutil.which("bash")
