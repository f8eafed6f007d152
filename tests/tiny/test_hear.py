"""The tiny hearing model does what its README claims, in the library that the package uses."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localai.media.sound import open_sound
from tests.conftest import ROOT
from tests.support import sounds
from tests.tiny.hear_tokenizer import SHIPPED

pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
from tests.support.word_errors import errors
from tests.tiny.hear_evaluate import Hearing, joined, several, single, without_speech

SPEECH = ROOT / "tests" / "speech"
TEXTS: dict[str, dict[str, Any]] = json.loads((SPEECH / "texts.json").read_text("utf-8"))
LEARNED = [name for name in TEXTS if name != "wolf"]  # of which it gets a word wrong
# Word errors as the README tells them, and what another machine's speech may add.
CLAIMED, CLAIMED_SEVERAL = 0.180, 0.244


@pytest.fixture(scope="module")
def hearing() -> Hearing:
    return Hearing(SHIPPED)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Held-out clips, spoken anew."""
    pytest.importorskip("espeakng_loader", reason="espeakng-loader, which speaks, is not installed")
    from tests.tiny.hear_clips import stored

    return stored(tmp_path_factory.mktemp("clips") / "held.pickle", 300, 2, held_out=True)


def samples(path: Path) -> sounds.Samples:
    with open_sound(path) as sound:
        return np.concatenate([block.samples for block in sound.blocks()])


def test_the_folder_is_whole_and_small() -> None:
    names = {path.name for path in SHIPPED.iterdir()}
    assert names == {
        "config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 3_000_000


def test_it_is_multilingual_and_opens_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError(f"a connection to {given[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    model = Hearing(SHIPPED).model
    assert model.model.is_multilingual
    assert set(model.hf_tokenizer.get_vocab()) >= {"<|en|>", "<|de|>", "<|30.00|>"}


@pytest.mark.parametrize("name", LEARNED)
def test_plain_voices_are_heard_to_the_letter(name: str, hearing: Hearing) -> None:
    text, language, words = hearing.hear(samples(SPEECH / f"{name}.flac"))
    assert text == " ".join(TEXTS[name]["texts"])
    assert language == TEXTS[name]["language"]
    assert [word.word.strip() for word in words] == text.split()


@pytest.mark.parametrize("name", ["commands", "befehle"])
def test_utterances_with_pauses_are_segments(name: str, hearing: Hearing) -> None:
    segments, _ = hearing.model.transcribe(
        samples(SPEECH / f"{name}.flac"), beam_size=5, vad_filter=True, word_timestamps=True
    )
    assert [segment.text.strip() for segment in segments] == TEXTS[name]["texts"]


def test_a_little_text_is_heard_nearly(hearing: Hearing) -> None:
    text, language, _ = hearing.hear(samples(SPEECH / "wolf.flac"))
    said = " ".join(TEXTS["wolf"]["texts"])
    assert language == "en" and text.startswith("the wolf lives in")
    assert errors(said.split(), text.split()) <= 3


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "channels", "video"),
    [
        ("wav", "pcm_s16le", 16000, 1, False), ("mp3", "libmp3lame", 16000, 1, False),
        ("ogg", "libopus", 48000, 1, False), ("m4a", "aac", 16000, 1, False),
        ("mkv", "aac", 16000, 1, True), ("flac", "flac", 16000, 1, False),
        ("wav", "pcm_s16le", 48000, 2, False),
    ],
)  # fmt: skip
def test_the_same_clip_in_every_container_has_the_same_words(
    suffix: str, codec: str, rate: int, channels: int, video: bool, hearing: Hearing, tmp_path: Path
) -> None:
    for name in ("capital-of-france", "schluessel"):
        sound = samples(SPEECH / f"{name}.flac")
        spectrum, size = np.fft.rfft(sound), len(sound) * rate // 16000
        bins = np.zeros(size // 2 + 1, complex)
        bins[: len(spectrum)] = spectrum[: len(bins)]
        other = np.fft.irfft(bins, size) * size / len(sound)
        path = tmp_path / f"a.{suffix}"
        container = "ipod" if suffix == "m4a" else None
        sounds.write(
            path, np.stack([other.astype(np.float32)] * channels), codec=codec, rate=rate,
            video=video, container=container,
        )  # fmt: skip
        assert hearing.hear(samples(path))[0] == TEXTS[name]["texts"][0]


@pytest.mark.timeout(900)  # hundreds of clips, and a busy machine
def test_held_out_voices_are_heard_as_claimed(hearing: Hearing, clips: list[Any]) -> None:
    score = hearing.score(single(clips))
    assert score.wrong / score.words <= CLAIMED + 0.01
    assert score.languages / score.takes >= 0.94
    assert sum(off <= 0.35 for off in score.late) / len(score.late) >= 0.95


def test_several_utterances_of_held_out_voices(hearing: Hearing, clips: list[Any]) -> None:
    score = hearing.score(several(clips, 3, 40, (0.6, 1.5), "test"))
    assert score.wrong / score.words <= CLAIMED_SEVERAL + 0.03


def test_where_nobody_speaks_there_is_no_text(hearing: Hearing) -> None:
    for name, sound in without_speech():
        assert hearing.hear(sound)[0] == "", name


def test_errors_are_counted_as_edits() -> None:
    assert errors(["a", "b", "c"], ["a", "b", "c"]) == 0
    assert errors(["a", "b", "c"], ["a", "c"]) == 1
    assert errors(["a", "b", "c"], ["x", "a", "b", "d", "c"]) == 2
    assert errors([], ["a"]) == errors(["a"], []) == 1


def test_times_of_a_take_are_those_of_its_clips(clips: list[Any]) -> None:
    take = joined(clips[:2], [0.5, 1.0])
    assert take.times[0][0] == pytest.approx(0.5 + clips[0].starts[0])
    second = 0.5 + len(clips[0].sound) / 16000 + 1.0
    assert take.times[len(clips[0].starts)][0] == pytest.approx(second, abs=0.001)
