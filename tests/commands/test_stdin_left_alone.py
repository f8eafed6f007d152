"""Whoever reads stdin in a loop keeps it: what a verb does not ask for it does not read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, command

LINES = b"one\ntwo\nthree\n" * 2000
SPOKEN = str(ROOT / "tests" / "speech" / "hello.flac")

OTHERS = [
    ("ask", "-m", "tiny", "-n", "2", "-I", "Hi"),
    ("ask", "-m", "tiny", "-I", "--show-prompt", "Hi"),
    ("ask", "-m", "tiny", "-I", "--json", "-n", "2", "Hi"),
    ("chat", "-m", "tiny", "--no-save", "-n", "2", "--script", "script.txt"),
    ("transcribe", "-m", "tiny", SPOKEN),
    ("transcribe", "-m", "tiny", "-F", "srt", "-o", "out/", SPOKEN),
    ("spirit", "-m", "tiny", "--silent", "--once", "Hi", "--count", "1"),
    ("batch", "-m", "tiny", "-n", "2", "script.txt"),
    ("warm", "tiny"),
    ("ps",),
    ("stop", "--all"),
    ("models",),
    ("models", "show", "tiny"),
    ("prompts",),
    ("prompts", "show", "translate"),
    ("characters", "check", "librarian"),
    ("sessions",),
    ("completion", "bash"),
    ("doctor",),
]


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_stdin_is_where_it_was(
    arguments: tuple[str, ...], warm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("script.txt").write_text("Hi\n")
    Path("lines").write_bytes(LINES)
    with open("lines", "rb", buffering=0) as stdin:
        done = subprocess.run(
            command(*arguments), stdin=stdin, capture_output=True, timeout=120,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        assert b"Traceback" not in done.stderr
        assert stdin.tell() == 0, "nothing of it was read"


def test_transcribe_in_a_loop_takes_every_file(warm: Path, tmp_path: Path) -> None:
    names = ("capital-of-france", "wolf", "open-the-door")
    files = [str(ROOT / "tests" / "speech" / f"{name}.flac") for name in names]
    call = " ".join(command("transcribe", "-m", "tiny"))
    done = subprocess.run(
        ["sh", "-c", f'while read -r file; do {call} "$file"; done'],
        input="\n".join([*files, ""]).encode(), capture_output=True, timeout=240,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == b"" and len(done.stdout.splitlines()) >= len(files), done
