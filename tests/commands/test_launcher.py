"""What happens before a line of ours runs: never 1, which is what `--test` says for "no"."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The launcher and the command that it runs, in a folder as pip lays them out."""
    scripts = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-scripts"]
    ((source, name),) = scripts.items()
    folder = tmp_path / "a b" / "bin"
    folder.mkdir(parents=True)
    launcher = folder / name
    launcher.write_bytes((ROOT / source).read_bytes())
    (other, entry), *_ = PROJECT["project"]["scripts"].items()
    module, function = entry.split(":")
    program = folder / other
    program.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'from {module} import {function}; {function}()' \"$@\"\n"
    )
    launcher.chmod(0o755)
    program.chmod(0o755)
    return launcher


def call(
    program: str | Path, *arguments: str, stdin: str = os.devnull, **env: str
) -> tuple[int, bytes, bytes]:
    number = os.open(stdin, os.O_RDONLY)
    try:
        done = subprocess.run(
            [str(program), *arguments], stdin=number, capture_output=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        )  # fmt: skip
    finally:
        os.close(number)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("folder", ["/", "/proc/self", "{here}", "{link}"])
def test_a_folder_as_stdin_is_no_no(installed: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    place = folder.format(here=tmp_path, link=tmp_path / "link")
    for arguments in (("ask", "--test", "Is this spam?"), ("ask", "-m", "tiny", "x")):
        code, out, err = call(installed, *arguments, stdin=place)
        assert (code, out) == (2, b"") and err.startswith(b"localai: stdin is a folder\n  next: ")


def test_all_else_is_handed_on(installed: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    link.symlink_to(installed)
    path = f"{installed.parent}{os.pathsep}{os.environ['PATH']}"
    for program, env in ((installed, {}), (link, {}), (installed.name, {"PATH": path})):
        code, out, _ = call(program, "--version", **env)
        assert code == 0 and out.startswith(b"localai ")
    question = tmp_path / "question"
    question.write_text("What is the capital of France?")
    code, out, _ = call(installed, "ask", "-m", "tiny", "--temp", "0", stdin=str(question))
    assert (code, out) == (0, b"The capital of France is Paris.\n")
    assert call(installed, "ask", "-m", "tiny", "--choices", "a b,c", "x y  z")[0] == 0
    assert call(installed, "nonsense", "")[0] == 2


@pytest.mark.parametrize(
    "broken",
    ["raise ImportError('not there')", "raise MemoryError", "syntax error", "import click_is_gone"],
)
def test_a_library_that_breaks_the_start_is_no_no(tmp_path: Path, broken: str) -> None:
    (tmp_path / "click.py").write_text(broken)
    places = f"{tmp_path}{os.pathsep}{ROOT}"
    code, out, err = call(sys.executable, "-m", "localai", "ask", "--test", "x", PYTHONPATH=places)
    assert (code, out) == (3, b"")
    assert err.startswith(b"localai: it cannot start: ") and b"Traceback" not in err
