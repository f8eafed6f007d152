"""Damaged, silent and empty sounds: text or one clear sentence, and a host that goes on."""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localai.catalog.names import TINY_HEAR
from localai.engines.base import Call
from localai.media.segments import Segment, tidy
from localai.media.sound import open_sound
from localai.media.transcription import SoundSource, TranscriptionRequest
from localai.types import LAST, Failed, Finished, ModelSpec
from tests.conftest import ROOT, run
from tests.support import sounds

SPEECH = ROOT / "tests" / "speech"
QUESTION = SPEECH / "capital-of-france.flac"
ASKED = "what is the capital of france"
CODECS = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "m4a": "aac", "mkv": "aac"}


def question() -> sounds.Samples:
    with open_sound(QUESTION) as sound:
        return np.concatenate([block.samples for block in sound.blocks()])


def damaged(whole: bytes, number: int, r: random.Random) -> bytes:
    """A file with a piece cut off, cut out or overwritten, or single bits turned over."""
    data = bytearray(whole)
    at = r.randrange(len(data))
    match number % 5:
        case 0:
            del data[at:]
        case 1:
            for _ in range(r.choice([1, 5, 50])):
                data[r.randrange(len(data))] ^= 1 << r.randrange(8)
        case 2:
            del data[at : at + r.randrange(1, 3000)]
        case 3:
            data[at : at + 500] = r.randbytes(min(500, len(data) - at))
        case _:
            data = data[at:] + data[:at]
    return bytes(data)


def odd() -> Iterator[bytes]:
    """Sounds with nothing to hear in them, and files that are none."""
    r = np.random.default_rng(1)
    yield from (b"", b"\0", b"RIFF", b"OggS", b"fLaC", b"ID3\4", bytes(4096), b"text\n" * 99)
    yield sounds.wav(np.zeros(0, np.float32))
    yield sounds.wav(np.zeros(1, np.float32))
    yield sounds.wav(np.zeros(5 * sounds.RATE, np.float32))
    yield sounds.wav(r.normal(0, 0.01, 3 * sounds.RATE).astype(np.float32))
    yield sounds.wav(sounds.tone(2.0))
    yield sounds.wav(np.sign(sounds.tone(2.0)))  # as loud as can be


@pytest.fixture(scope="module")
def hear() -> Iterator[Callable[[Path], tuple[str, Any]]]:
    """The hearing engine with the tiny model, in this process: a file to its text and its end."""
    from localai.engines.whisper import WhisperEngine

    events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    spec = ModelSpec("hear", (str(TINY_HEAR),), options={"threads": 1})
    engine = WhisperEngine(spec, lambda found: [events.put(each) for each in found])

    def heard(path: Path) -> tuple[str, Any]:
        request = TranscriptionRequest(SoundSource(str(path), name=path.name), beam_size=1)
        engine.submit(Call(path.name, "", request))
        text = ""
        while True:
            name, event = events.get(timeout=60)
            assert name == path.name
            if isinstance(event, Segment):
                clean = tidy(event)
                text += clean.text if clean else ""
            elif isinstance(event, LAST):
                return text, event

    yield heard
    engine.close()


@pytest.mark.parametrize("kind", list(CODECS))
def test_damaged_files_by_the_hundred(
    kind: str, hear: Callable[[Path], tuple[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / f"whole.{kind}"
    sounds.write(file, question()[: 2 * sounds.RATE], codec=CODECS[kind])
    whole, r, texts = file.read_bytes(), random.Random(kind), 0
    for number in range(25):
        broken = tmp_path / f"{number}.{kind}"
        broken.write_bytes(damaged(whole, number, r))
        text, end = hear(broken)
        assert len(text) < 500
        if isinstance(end, Failed):
            assert end.error == "BadInput" and broken.name in end.what, end
        else:
            assert isinstance(end, Finished)
            texts += "capital" in text
    assert texts > 3, "what is left of it is heard"


def test_sounds_without_speech(hear: Callable[[Path], tuple[str, Any]], tmp_path: Path) -> None:
    for number, data in enumerate(odd()):
        file = tmp_path / f"{number}.wav"
        file.write_bytes(data)
        text, end = hear(file)
        assert text == "", number
        if isinstance(end, Failed):
            assert end.error == "BadInput" and file.name in end.what, end


@pytest.mark.usefixtures("warm")
def test_a_folder_of_rubbish_through_the_command(tmp_path: Path) -> None:
    files, r = [], random.Random(7)
    whole = QUESTION.read_bytes()
    for number, data in enumerate([*odd(), *(damaged(whole, n, r) for n in range(12)), whole]):
        files.append(tmp_path / f"{number:02}.bin")
        files[-1].write_bytes(data)
    done = run("transcribe", "-m", "tiny", *map(str, files), "-o", f"{tmp_path}/out/")
    assert done.code == 6 and "Traceback" not in done.err
    written = {Path(line).stem for line in done.out.splitlines()}
    for file in files:
        told = [line for line in done.err.splitlines() if file.name in line]
        assert (file.stem in written) or told, f"{file} came to nothing, and nobody said so"
    assert (tmp_path / "out" / f"{files[-1].stem}.txt").read_text() == f"{ASKED}\n"
    assert run("transcribe", "-m", "tiny", str(QUESTION)).out == f"{ASKED}\n"
