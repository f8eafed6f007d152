"""Whisper base on forty sentences with numbers and names, spoken by a Piper voice, and on German.

Word errors are counted by `whisper_normalizer`, as OpenAI counts them; the same sounds are given to
the library itself, as anybody would call it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run
from tests.support.spoken_sentences import GERMAN, SENTENCES, joe, robot, speak
from tests.support.word_errors import errors

pytest.importorskip("espeakng_loader", reason="espeak-ng says how words are pronounced")
pytestmark = [pytest.mark.real, pytest.mark.usefixtures("warm")]


@pytest.fixture
def whisper(real_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LOCALAI_THREADS", "2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # read when the library is first loaded
    folder = str(real_model("whisper-base"))
    monkeypatch.setenv("LOCALAI_HEAR_MODEL", folder)
    return folder


@pytest.mark.timeout(900)
def test_forty_sentences_with_numbers_and_names(
    whisper: str, real_model: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("whisper_normalizer", reason="whisper-normalizer counts the word errors")
    from whisper_normalizer.english import EnglishTextNormalizer

    normal: Any = EnglishTextNormalizer()
    files = speak(tmp_path, joe(real_model("piper-joe")), SENTENCES)
    done = run("transcribe", *files, "-o", f"{tmp_path}/out/", timeout=600)
    assert (done.code, done.err) == (0, "")
    heard = [Path(line).read_text() for line in done.out.splitlines()]

    from faster_whisper import WhisperModel

    library = WhisperModel(
        whisper, device="cpu", compute_type="auto", cpu_threads=2, local_files_only=True
    )
    called = ["".join(each.text for each in library.transcribe(file)[0]) for file in files]

    total = sum(len(normal(said).split()) for said in SENTENCES)

    def rate(texts: Sequence[str]) -> float:
        pairs = zip(SENTENCES, texts, strict=True)
        return sum(errors(normal(a).split(), normal(b).split()) for a, b in pairs) / total

    ours, theirs = rate(heard), rate(called)
    print(f"word errors: {ours:.2%} of {total}; the library called directly: {theirs:.2%}")
    wrong = [
        pair for pair in zip(SENTENCES, heard, strict=True) if normal(pair[0]) != normal(pair[1])
    ]
    print(*wrong, sep="\n")
    assert ours <= 0.08
    assert ours <= theirs + 1 / total, "no worse than the library, but for a word"


def test_german_sentences_are_told_from_english_ones(
    whisper: str, real_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """The German voice is espeak-ng's, a robot: of one in six the model itself thinks it English."""
    assert all(len(text.split()) >= 6 for text in GERMAN)
    english = speak(tmp_path, joe(real_model("piper-joe")), SENTENCES[:6])
    german = speak(tmp_path, robot(), GERMAN, "de")
    done = run("transcribe", "--detect-language", "--languages", "en,de", *english, *german)
    told = dict(line.rsplit(": ", 1) for line in done.out.splitlines())
    assert [told[file] for file in english] == ["en"] * len(english)
    assert [told[file] for file in german].count("de") >= len(german) - 1
