"""`localai speak`, and `--speak`: voices of all kinds, with and without a sound device."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import wave
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from localai.catalog.voices import PIPER, VoiceModels
from localai.engines import speak
from localai.engines.base import Call
from localai.engines.speak_espeak import Espeak
from localai.engines.speak_piper import PiperVoice, read_config
from localai.errors import BadModel, EngineMissing, LocalaiError, UnknownModel
from localai.media.speech import SpeakRequest
from localai.types import Event, FileReady, ModelSpec
from tests.conftest import ROOT, command, run
from tests.support import piper_voice

TEXT = "Open the door. The wolf is in the forest!"


def samples(data: bytes) -> tuple[np.ndarray[Any, Any], int]:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        assert file.getnframes() * 2 == len(data) - 44  # the header tells the length
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for programs of the system that are played by scripts, and nothing else."""
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    path.chmod(0o755)


def test_a_text_becomes_a_wav_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    done = run("speak", "-o", str(path), TEXT)
    assert (done.code, done.out, done.err) == (0, "", "")
    sound, rate = samples(path.read_bytes())
    assert rate == 22_050 and 1 < len(sound) / rate < 8 and np.abs(sound).max() > 2000
    again = run("speak", "-o", str(path), TEXT)
    assert again.code == 2 and "--force" in again.err
    assert run("speak", "-o", str(path), "--force", "Shorter.").code == 0
    assert len(samples(path.read_bytes())[0]) < len(sound)
    assert [each.name for each in tmp_path.iterdir()] == ["out.wav"]


def test_figures_of_what_was_spoken(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    done = run("speak", "--json", "--stats", "-o", str(path), TEXT)
    sound, rate = samples(path.read_bytes())
    told = json.loads(done.out)
    assert told["file"] == str(path) and told["sentences"] == 2 and told["voice"] == "espeak"
    assert abs(told["seconds"] - len(sound) / rate) < 0.001
    assert f"{told['seconds']:.1f} s of speech; 2 sentences" in done.err
    both = run("speak", "--json", "-o", "-", TEXT)
    assert both.code == 2 and "stdout" in both.err


def test_stdin_to_stdout_through_pipes_and_back_to_words() -> None:
    """The tiny hearing model knows espeak-ng's voice: what was said is heard."""
    done = run("speak", "-l", "en-us", "-o", "-", stdin="open the door\n")
    heard = run("transcribe", "-m", "tiny", "-", stdin=done.stdout)
    assert heard.out.strip() == "open the door"


def test_markdown_and_code_are_not_read_out(tmp_path: Path) -> None:
    plain = run("speak", "-o", "-", "The answer is Paris. Good.")
    marked = run(
        "speak", "-o", "-", stdin="# The answer is **Paris**.\n```\nimport x\n```\n- `Good`.\n"
    )
    assert abs(len(plain.stdout) - len(marked.stdout)) < len(plain.stdout) * 0.1
    assert run("speak", "-o", "-", stdin="```\nonly = code\n```\n").code == 2


def test_speed_timbre_and_language_are_heard() -> None:
    def seconds(*arguments: str) -> float:
        return len(run("speak", "-o", "-", *arguments, TEXT).stdout) / 44_100

    usual = seconds()
    assert seconds("--speed", "2") < 0.7 * usual < usual < 1.4 * usual < seconds("--speed", "0.5")
    whisper = samples(run("speak", "-m", "espeak:whisper", "-o", "-", TEXT).stdout)[0]
    plain = samples(run("speak", "-o", "-", TEXT).stdout)[0]
    assert not np.array_equal(whisper[:10_000], plain[:10_000])
    assert run("speak", "-l", "de", "-o", "-", "Die Tür ist zu.").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "nothing to speak"),
        ((" ", "..."), 2, "nothing to speak"),
        (("-m", "nobody", "x"), 3, "no voice is called nobody"),
        (("-m", "espaek", "x"), 3, "espeak"),
        (("-m", "espeak:nobody", "-o", "-", "x"), 2, "no voice"),
        (("-l", "xx-nobody", "-o", "-", "x"), 2, "no voice"),
        (("-l", "en\x1b[2J", "-o", "-", "x"), 2, "no voice"),
        (("-m", "./nothing.onnx", "x"), 3, "nothing.onnx"),
        (("-m", "en_US-joe-medium", "--offline", "x"), 3, "--offline"),
        (("--speed", "9", "x"), 2, "3.0"),
        (("-o", "/nowhere/x.wav", "x"), 2, "/nowhere"),
        (("-o", "/tmp", "x"), 2, "folder"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], code: int, told: str) -> None:
    done = run("speak", *arguments)
    assert told in done.err and done.code == code, done.err
    assert "Traceback" not in done.err and "\x1b" not in done.err and done.out == ""


def test_without_a_device_it_says_so_and_offers_a_file(programs: Path) -> None:
    done = run("speak", TEXT, env={"PATH": str(programs)})
    if done.code == 0:
        pytest.skip("there is a sound device here")
    assert done.code == 3 and "no sound device" in done.err and "file" in done.err
    assert done.err.count("\n") == 2  # and no word of the libraries below


def test_a_player_of_the_system_gets_the_samples(programs: Path, tmp_path: Path) -> None:
    played = tmp_path / "played"
    program(programs, "aplay", f'echo "$@" > {tmp_path}/options; cat > {played}')
    done = run("speak", "Open the door.", env={"PATH": str(programs)})
    if not played.exists():
        pytest.skip("there is a sound device here")
    assert done.code == 0 and done.err == ""
    assert (tmp_path / "options").read_text().split()[-3:] == ["-r", "22050", "-"]
    file = samples(run("speak", "-o", "-", "Open the door.").stdout)[0]
    heard = np.frombuffer(played.read_bytes(), "<i2")
    assert np.abs(heard[-len(file) :].astype(int) - file).max() <= 2


def test_an_answer_is_spoken_while_it_comes(programs: Path, tmp_path: Path) -> None:
    played = tmp_path / "played"
    program(programs, "aplay", f"cat > {played}")
    question = ("-m", "tiny", "--temp", "0", "What is the capital of France?")
    done = run("ask", "--speak", *question, env={"PATH": str(programs)})
    assert (done.code, done.out) == (0, "The capital of France is Paris.\n")
    if not played.exists():
        pytest.skip("there is a sound device here")
    assert done.err == "" and len(played.read_bytes()) > 44_100
    chat = run("chat", "-m", "tiny", "--temp", "0", "--no-save", "--speak", stdin="What is the capital of Peru?\n",
               env={"PATH": str(programs)})  # fmt: skip
    assert chat.code == 0 and "Lima" in chat.out and len(played.read_bytes()) > 44_100


def test_without_a_device_or_a_voice_the_answer_still_comes(programs: Path) -> None:
    question = ("ask", "-m", "tiny", "--temp", "0", "--speak", "What is the capital of France?")
    done = run(*question, env={"PATH": str(programs)})
    assert (done.code, done.out) == (0, "The capital of France is Paris.\n")
    assert (
        done.err == ""
        or done.err.count("warning: nothing is spoken: ") == done.err.count("\n") == 1
    )
    done = run(*question, "--voice", "say", env={"PATH": str(programs)})
    assert (done.code, done.out) == (0, "The capital of France is Paris.\n")
    assert done.err.count("\n") == 1 and "say is not installed" in done.err


def test_the_systems_own_voices(programs: Path, tmp_path: Path) -> None:
    """Each program is asked in its own way; what it cannot do is said."""
    env = {"PATH": str(programs)}
    wav = tmp_path / "ready.wav"
    wav.write_bytes(run("speak", "-o", "-", "Open the door.").stdout)
    program(programs, "say", f'echo "$@" > {tmp_path}/said; cat >> {tmp_path}/said; cp {wav} "$2"')
    done = run("speak", "-m", "say:Anna", "-o", "-", "Hello there.", env=env)
    assert done.stdout == wav.read_bytes()
    said = (tmp_path / "said").read_text()
    assert "-v Anna" in said and said.endswith("Hello there.")
    program(
        programs, "espeak-ng", f'echo "$@" > {tmp_path}/said; cat >> {tmp_path}/said; cp {wav} "$2"'
    )
    done = run("speak", "-m", "espeak-ng", "-l", "de", "-o", "-", "--", "-n Hallo.", env=env)
    assert done.stdout == wav.read_bytes() and "-v de" in (tmp_path / "said").read_text()
    program(programs, "spd-say", f'echo "$@" > {tmp_path}/said')
    done = run("speak", "-m", "spd-say", "--", "-x Hello.", env=env)
    assert done.code == 0 and (tmp_path / "said").read_text().endswith("-- -x Hello.\n")
    done = run("speak", "-m", "spd-say", "-o", "-", "Hello.", env=env)
    assert done.code == 2 and "spd-say" in done.err
    program(programs, "say", "echo 'no such voice' >&2; exit 3")
    done = run("speak", "-m", "say:X", "-o", "-", "Hello.", env=env)
    assert done.code == 1 and "no such voice" in done.err


def test_which_voice_is_taken_unasked(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = VoiceModels()
    assert models.offered() == "espeak"
    monkeypatch.setattr("localai.catalog.voices.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(EngineMissing, match="no voice"):
        models.offered()
    program(programs, "spd-say", "")
    assert models.offered() == "spd-say"
    program(programs, "say", "")
    assert models.offered() == "say"
    monkeypatch.setenv("LOCALAI_MODEL", "tiny")
    assert models.resolve("tiny") == models.resolve("say")._replace(
        name=models.resolve("tiny").name
    )


def test_known_piper_voices_have_a_place_on_the_hub() -> None:
    for name in PIPER:
        reference = VoiceModels().resolve(name)
        assert reference.repo == "rhasspy/piper-voices"  # type: ignore[union-attr]
        assert str(reference.wanted).endswith(f"/{name}.onnx")  # type: ignore[union-attr]
        offer = VoiceModels().about(reference)  # type: ignore[arg-type]
        assert offer is not None and offer.bytes > 50_000_000 and offer.licence


# Piper voices, with one that is made by hand.


def test_a_piper_voice_speaks_letter_by_letter(tmp_path: Path) -> None:
    path = piper_voice.write(tmp_path)
    for name in (str(path), str(tmp_path)):
        done = run("speak", "-m", name, "-o", "-", "Open the door, now.")
        assert (done.code, done.err) == (0, "")
        sound, rate = samples(done.stdout)
        assert rate == piper_voice.RATE and len(sound) % piper_voice.LENGTH == 0
        assert len(sound) // piper_voice.LENGTH > 2 * len("opnthedornow")  # a pad behind each
    missing = run("speak", "-m", str(path.with_name("other.onnx")), "-o", "-", "x")
    assert missing.code == 3
    path.with_name(f"{path.name}.json").unlink()
    assert "beside it" in run("speak", "-m", str(path), "-o", "-", "x").err


@pytest.mark.parametrize("kind", ["piper", "espeak"])
def test_a_voice_cuts_nothing_off(kind: str, tmp_path: Path) -> None:
    """Some thousand letters without a comma: a hundred times as many words take as many times."""
    from localai.catalog.voices import espeak

    model = piper_voice.write(tmp_path)
    about = model.with_name(f"{model.name}.json")
    voice = PiperVoice(model, about, espeak()) if kind == "piper" else Espeak(espeak())
    lengths = []
    for count in (10, 20, 2000):
        path = tmp_path / f"{count}.wav"
        text = "open the door " * count
        voice.speak(SpeakRequest(text, str(tmp_path)), path, lambda: False)
        lengths.append(len(samples(path.read_bytes())[0]))
    voice.close()
    assert lengths[2] > 0.9 * (lengths[1] - lengths[0]) * 199


def test_bad_voices_by_the_hundred(tmp_path: Path) -> None:
    """Whatever is changed in a voice's files: it loads, or is refused in a sentence."""
    from localai.catalog.voices import espeak

    path = piper_voice.write(tmp_path)
    about = path.with_name(f"{path.name}.json")
    model, text = path.read_bytes(), about.read_bytes()
    chance = random.Random(3)
    refused = 0
    for _ in range(300):
        data = bytearray(text)
        at = chance.randrange(len(data))
        data[at : at + chance.randint(0, 40)] = bytes(
            chance.choices(b'{}[]":,0ax\xff', k=chance.randint(0, 3))
        )
        about.write_bytes(data)
        try:
            read_config(about)
        except BadModel as error:
            refused += 1
            assert error.what
    assert refused > 50
    for change in ({"phoneme_id_map": {}}, {"audio": {}}, {"audio": {"sample_rate": 1}}, {"espeak": None},
                   {"phoneme_id_map": []}, {"phoneme_type": "text"}, {"num_speakers": "many"}):  # fmt: skip
        about.write_text(json.dumps(piper_voice.config(**change)))
        with pytest.raises(BadModel):
            read_config(about)
    about.write_bytes(text)
    for _ in range(100):
        broken = bytearray(model)
        broken[chance.randrange(2000)] ^= 1 << chance.randrange(8)
        path.write_bytes(broken[: chance.choice((len(broken), chance.randrange(len(broken))))])
        try:
            voice = PiperVoice(path, about, espeak())
        except LocalaiError as error:
            assert "\x1b" not in error.what
        else:
            voice.close()


def test_speakers_of_a_voice(tmp_path: Path) -> None:
    path = piper_voice.write(tmp_path, num_speakers=3, speaker_id_map={"anna": 0, "bert": 1})

    def said(voice: str) -> bytes:
        done = run("speak", "-m", voice, "-o", "-", "Open the door.")
        assert done.code == 0, done.err
        return bytes(done.stdout)

    anna, bert = said(f"{path}:anna"), said(f"{path}:bert")
    assert anna != bert and said(str(path)) == said(f"{path}:0") == anna
    assert said(f"{path}:1") == bert and said(f"{path}:2") not in (anna, bert)
    for unknown in ("carl", "3", "-1"):
        done = run("speak", "-m", f"{path}:{unknown}", "-o", "-", "Open the door.")
        assert done.code == 2 and unknown in done.err and "anna" in done.err


def test_a_colon_in_a_path_is_no_speaker(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    path = piper_voice.write(tmp_path / "a:b")
    for name in (str(path), str(path.parent)):
        assert run("speak", "-m", name, "-o", "-", "Hello.").code == 0


def test_a_voice_whose_process_dies_is_told_and_the_next_sentence_fares_better(
    tmp_path: Path,
) -> None:
    import signal

    from localai.catalog.voices import espeak

    voice = Espeak(espeak())
    request = SpeakRequest("Hello.", str(tmp_path))
    voice.speak(request, tmp_path / "a.wav", lambda: False)
    assert voice._process is not None
    os.kill(voice._process.pid, signal.SIGSTOP)
    os.kill(voice._process.pid, signal.SIGKILL)
    voice._process.wait()
    voice.speak(request, tmp_path / "b.wav", lambda: False)
    assert (tmp_path / "b.wav").stat().st_size > 1000
    voice.close()


def test_voices_that_are_not_there() -> None:
    for name in (
        "nobody",
        "",
        ":",
        "espeak-xx",
        "x" * 300,
        "a/b/c",
        "\x1b[2J",
        "..",
        "~nobody/x.onnx",
    ):
        with pytest.raises(UnknownModel):
            VoiceModels().resolve(name)


def test_a_reader_who_leaves_ends_it() -> None:
    line = (
        f"yes 'Open the door.' | head -2000 | {' '.join(command('speak', '-o', '-'))} | head -c 0"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stderr == b""


def test_a_file_that_was_told_of_is_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be reading it: the engine, whose request ends then, has no part in it any more."""

    class Writes:
        def speak(self, request: SpeakRequest, path: Path, cancelled: object) -> None:
            path.write_bytes(b"RIFF")

        def close(self) -> None:
            """Do nothing."""

    monkeypatch.setattr(speak, "_voice", lambda spec: Writes())
    engine = speak.SpeakEngine(ModelSpec("speak", ("any",)), lambda events: None)
    try:
        call = Call("1", "", SpeakRequest("hello", str(tmp_path)))
        events = cast(Generator[Event], engine.run(call, lambda: False))
        assert isinstance(told := next(events), FileReady)
        events.close()
        assert Path(told.path).read_bytes() == b"RIFF"
        assert not list(engine.run(call, lambda: True)), "nobody wants the second"
        assert [str(each) for each in tmp_path.iterdir()] == [told.path]
    finally:
        engine.close()
