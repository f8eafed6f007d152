"""`localai transcribe` on Whisper base: real speech, real silence, real pipes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, command, run

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("warm")]

JFK = ROOT / "tests" / "real" / "sounds" / "jfk.flac"  # a speech of 1961, public domain
SAID = (
    "and so my fellow americans ask not what your country can do for you "
    "ask what you can do for your country"
)


def words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


@pytest.fixture
def whisper(real_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOCALAI_THREADS", "2")
    folder = str(real_model("whisper-base"))
    monkeypatch.setenv("LOCALAI_HEAR_MODEL", folder)
    return folder


def test_real_speech_word_for_word(whisper: str) -> None:
    done = run("transcribe", str(JFK))
    assert (done.code, words(done.out), done.err) == (0, SAID, "")
    assert done.out.endswith(".\n")


def test_through_stdin_and_through_a_named_pipe(whisper: str, tmp_path: Path) -> None:
    assert words(run("transcribe", "-", stdin=JFK.read_bytes()).out) == SAID
    import os

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = subprocess.Popen(
        [sys.executable, "-c", f"open({str(pipe)!r}, 'wb').write(open({str(JFK)!r}, 'rb').read())"]
    )
    try:
        assert words(run("transcribe", str(pipe)).out) == SAID
    finally:
        writer.kill()
        writer.wait()


def test_every_format_has_the_same_words_and_times_that_fit(whisper: str, tmp_path: Path) -> None:
    forms = ("txt", "srt", "vtt", "tsv", "json", "jsonl", "lrc", "md")
    flags = [flag for form in forms for flag in ("-F", form)]
    done = run("transcribe", str(JFK), *flags, "-o", f"{tmp_path}/")
    assert done.code == 0, done.err
    assert sorted(done.out.split()) == sorted(f"{tmp_path}/jfk.{form}" for form in forms)
    import re

    for form in ("txt", "srt", "vtt", "lrc"):
        text = (tmp_path / f"jfk.{form}").read_text()
        text = re.sub(
            r"\d+:\d+:\d+[.,]\d+ --> .*|\[\d+:\d+\.\d+\]|^\d+$|WEBVTT", " ", text, flags=re.M
        )
        assert words(text) == SAID, form


def test_silence_and_noise_have_no_text(whisper: str) -> None:
    noise = np.random.default_rng(1).normal(0, 300, 30 * 16000).astype("<i2").tobytes()
    for sound in (bytes(2 * 30 * 16000), noise):
        done = run("transcribe", "-", "--sample-rate", "16000", stdin=sound)
        assert (done.code, done.out) == (0, "")
        assert "no speech was found" in done.err


def test_the_text_goes_on_into_another_command(whisper: str) -> None:
    line = (
        " ".join(command("transcribe", str(JFK)))
        + " | "
        + " ".join(command("ask", "-m", "tiny", "--temp", "0", "Repeat:"))
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0 and done.stdout.strip()
