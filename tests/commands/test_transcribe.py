"""`localai transcribe` with the tiny hearing model: what is said, in which form, and what goes wrong."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localai.commands import transcribe
from localai.errors import WorkerDied
from localai.media.sound import open_sound
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from localai.transcription.session import TranscribeOptions
from tests.conftest import ROOT, command, run

SPEECH = ROOT / "tests" / "speech"
TEXTS: dict[str, Any] = json.loads((SPEECH / "texts.json").read_text("utf-8"))
# Of a single short word the tiny model tells a time that is taken for an invention.
KNOWN = [name for name in TEXTS if name not in ("wolf", "hello")]
QUESTION = str(SPEECH / "capital-of-france.flac")
ASKED = "what is the capital of france"
FORMS = ("txt", "srt", "vtt", "tsv", "json", "jsonl", "lrc", "md")


def hear(*arguments: str, **more: Any) -> Any:
    return run("transcribe", "-m", "tiny", *arguments, **more)


def samples(name: str) -> bytes:
    """A spoken file as bare 16-bit samples at 16 kHz."""
    with open_sound(SPEECH / f"{name}.flac") as sound:
        whole = np.concatenate([block.samples for block in sound.blocks()])
    return (whole * 32767).astype("<i2").tobytes()


@pytest.mark.usefixtures("warm")
def test_the_spoken_files_are_written_down() -> None:
    for name in KNOWN:
        done = hear(str(SPEECH / f"{name}.flac"))
        assert (done.code, done.err) == (0, "")
        assert done.out.split() == " ".join(TEXTS[name]["texts"]).split(), name
        assert done.out.endswith("\n") and not done.out.endswith("\n\n")


def test_a_spoken_question_is_answered() -> None:
    listen, answer = command("transcribe", "-m", "tiny", QUESTION), command("ask", "-m", "tiny")
    line = f"{' '.join(listen)} | {' '.join(answer)} --temp 0"
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, timeout=120)
    assert done.stdout == b"The capital of France is Paris.\n", done.stderr


@pytest.mark.usefixtures("warm")
def test_what_was_said_is_summarized() -> None:
    talk = str(SPEECH / "wolf.flac")
    listen = command("transcribe", "-m", "tiny", talk)
    answer = command("ask", "-m", "tiny", "-p", "summarize", "--temp", "0")
    line = f"set -o pipefail; {' '.join(listen)} | {' '.join(answer)}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=_environment(), timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"The text is about the wolf"), "that is what was spoken of"


def test_a_sound_that_another_command_hears_is_heard_as_well(home: Path) -> None:
    """Only to go on with the other's journal is refused: that one is still being written."""
    assert hear(QUESTION).out == f"{ASKED}\n"
    (journal,) = (home / "state" / "localai" / "transcripts").iterdir()
    written = journal.read_bytes()
    with journal.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        done = hear(QUESTION)
        assert (done.out, done.err, done.code) == (f"{ASKED}\n", "", 0)
        refused = hear("--resume", QUESTION)
        assert (refused.out, refused.code) == ("", 2)
        assert "another command transcribes the same file" in refused.err
    assert [*journal.parent.iterdir()] == [journal] and journal.read_bytes() == written
    assert hear("--resume", QUESTION).out == f"{ASKED}\n"


@pytest.mark.usefixtures("warm")
def test_every_way_in_gives_the_same_words(tmp_path: Path) -> None:
    data = Path(QUESTION).read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = "import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read())"
    with subprocess.Popen([sys.executable, "-c", code, QUESTION, str(pipe)]):
        assert hear(str(pipe)).out == f"{ASKED}\n"
    assert hear("-", stdin=data).out == f"{ASKED}\n"
    assert hear(stdin=data).out == f"{ASKED}\n", "stdin is heard where no file is named"
    bare = samples("capital-of-france")
    assert hear("-", "--sample-rate", "16000", stdin=bare).out == f"{ASKED}\n"
    # A path that is this process's alone, and a folder, which is nobody's sound.
    line = f"{' '.join(command('transcribe', '-m', 'tiny'))} <(cat {QUESTION})"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, env=_environment(), timeout=120
    )
    assert done.stdout == f"{ASKED}\n".encode(), done.stderr
    assert hear(str(tmp_path)).code == 2
    odd = tmp_path / "-o 'na\u00efve' %d.flac"
    odd.write_bytes(data)
    assert hear("--", str(odd)).out == f"{ASKED}\n"


@pytest.mark.usefixtures("warm")
def test_formats_hold_the_same_words_and_times_of_the_sound(tmp_path: Path) -> None:
    certain = ("--temp", "0")  # else what it doubts is heard again by chance
    flags = [*certain, *(flag for form in FORMS for flag in ("-F", form))]
    done = hear(str(SPEECH / "commands.flac"), *flags, "-o", f"{tmp_path}/out/")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [f"{tmp_path}/out/commands.{form}" for form in FORMS]
    said = " ".join(TEXTS["commands"]["texts"]).split()
    for form in ("txt", "srt", "vtt", "lrc"):
        text = (tmp_path / "out" / f"commands.{form}").read_text()
        text = re.sub(r"[\d:.,]+ --> [\d:.,]+|^\d+$|WEBVTT|\[[\d:.]+\]", "", text, flags=re.M)
        assert text.split() == said, form
    told = json.loads((tmp_path / "out" / "commands.json").read_text())
    assert told["language"] == "en" and told["model"] == "tiny"
    starts = [segment["start"] for segment in told["segments"]]
    assert starts == sorted(starts) and 0 <= starts[0] < starts[-1] < told["duration"]
    # One format alone goes to stdout, too.
    assert (
        hear(str(SPEECH / "commands.flac"), *certain, "-F", "srt").out
        == (tmp_path / "out" / "commands.srt").read_text()
    )


@pytest.mark.usefixtures("warm")
def test_many_files_one_load_failures_alone(tmp_path: Path) -> None:
    for name in ("open-the-door", "tuer"):
        (tmp_path / f"{name}.flac").write_bytes((SPEECH / f"{name}.flac").read_bytes())
    (tmp_path / "bad.flac").write_bytes(b"fLaC" + bytes(100))
    files = [str(tmp_path / f"{name}.flac") for name in ("open-the-door", "bad", "tuer")]
    done = hear(*files)
    assert done.code == 6
    assert done.out.splitlines() == [
        str(tmp_path / "open-the-door.txt"),
        str(tmp_path / "tuer.txt"),
    ]
    assert "bad.flac" in done.err and "1 of 3 files" in done.err
    assert (tmp_path / "tuer.txt").read_text("utf-8") == "öffne die tür\n"
    (tmp_path / "open-the-door.txt").write_text("mine")
    again = hear(*files[:1], files[2])
    assert again.code == 6 and "exists already" in again.err
    assert (tmp_path / "open-the-door.txt").read_text() == "mine"
    skipped = hear(files[0], files[2], "--skip-existing")
    assert (skipped.code, skipped.out) == (0, "")
    assert hear(files[0], files[2], "--force").code == 0
    assert (tmp_path / "open-the-door.txt").read_text() == "open the door\n"


def test_a_model_that_cannot_be_loaded_is_told_once_and_no_file_is_tried(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(ROOT / "localai" / "tiny" / "tiny-hear", model)
    (model / "model.bin").write_bytes(b"no model")
    files = [str(SPEECH / f"{name}.flac") for name in ("hello", "tuer", "wolf")]
    for several in (files[:1], files):
        done = run("transcribe", "-m", str(model), "-o", f"{tmp_path}/out/", *several)
        assert (done.code, done.out) == (3, "") and "warning" not in done.err, done.err


def test_what_a_cut_file_left_open_is_ended_before_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that dies in the middle of a line."""
    out, err = io.BytesIO(), io.BytesIO()
    console = Console(Stream(None), Stream(out), Stream(err))
    monkeypatch.setattr(transcribe, "spec_for", lambda *_, **__: None)
    monkeypatch.setattr(transcribe, "engine_for", lambda *_: contextlib.nullcontext())

    def work(console: Console, given: object, engine: object, spec: object, name: str,
             *_: object, **__: object) -> None:  # fmt: skip
        console.write(f"{name} begins")
        if name == "a.wav":
            raise WorkerDied("the engine's process ended")
        console.end()

    assert transcribe._each(console, {}, ("a.wav", "b.wav"), work, TranscribeOptions()) == 1
    assert out.getvalue() == b"a.wav begins\nb.wav begins\n"
    assert b"a.wav: the engine's process ended" in err.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"no sound at all", ""),
        (b"RIFF\x24\0\0\0WAVEfmt ", ""),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), ""),
        (b"OggS" + bytes(200), ""),
    ],
)
def test_what_is_no_sound_is_told(data: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "x.wav"
    file.write_bytes(data)
    done = hear(str(file))
    assert (done.code, done.out) == (2, "")
    assert "x.wav" in done.err and what in done.err and "Traceback" not in done.err


def test_wrong_usage_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    sound = str(SPEECH / "hello.flac")
    for arguments, code in (
        ((str(tmp_path / "nowhere.wav"),), 2),
        ((sound, "-F", "srt", "-F", "vtt", "-o", "-"), 2),
        ((sound, "-F", "srt", "--batch"), 2),
        ((sound, "-l", "en", "--languages", "en,de"), 2),
        ((sound, "--clip", "2:00-1:00"), 2),
        ((sound, "-m", str(tmp_path)), 3),
        ((sound, "-m", "no-such-size"), 3),
    ):
        done = hear(*arguments)
        assert (done.code, done.out) == (code, ""), (arguments, done.err)
        assert done.err.startswith("localai: ") and "next:" in done.err, arguments


def test_silence_is_no_failure() -> None:
    done = hear("-", "--sample-rate", "16000", stdin=bytes(2 * 16000 * 5))
    assert (done.code, done.out) == (0, "")
    assert "no speech was found" in done.err


@pytest.mark.usefixtures("warm")
def test_a_cut_run_goes_on_and_ends_as_an_uncut_one(tmp_path: Path) -> None:
    sound = tmp_path / "long.wav"
    pause = bytes(2 * 16000)
    bare = (samples("commands") + pause) * 24  # some minutes: several pieces
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bare)
    whole = hear(str(sound)).out
    flags = ["transcribe", "-m", "tiny", str(sound), "--resume"]
    process = subprocess.Popen(command(*flags), stdout=subprocess.PIPE, env=_environment())
    assert process.stdout is not None
    begun = process.stdout.read(900)  # more than the first piece, which is a minute
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert whole.startswith(begun.decode()) and len(begun) < len(whole)
    rest = hear(str(sound), "--resume")
    assert (rest.code, rest.out) == (0, whole)
    began = time.monotonic()
    assert hear(str(sound), "--resume").out == whole, "it is known by now"
    told = hear(str(sound), "--resume", "-F", "json").json
    assert told["language"] == "en" and told["duration"] == pytest.approx(len(bare) / 32000)
    clip = (str(sound), "--clip", "0-8")
    assert hear(*clip).out == hear(*clip, "--resume").out != whole
    assert time.monotonic() - began < 20


@pytest.mark.usefixtures("warm")
def test_ctrl_c_ends_one_and_leaves_the_other_whole(tmp_path: Path) -> None:
    hear(str(SPEECH / "tuer.flac"))  # the model is loaded
    bare = (samples("commands") + bytes(2 * 16000)) * 40
    cancelled = subprocess.Popen(
        command("transcribe", "-m", "tiny", "-", "--sample-rate", "16000"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert cancelled.stdin is not None and cancelled.stdout is not None
    writer = threading.Thread(target=_feed, args=(cancelled.stdin, bare), daemon=True)
    writer.start()
    assert cancelled.stdout.read(4)
    other = subprocess.Popen(
        command("transcribe", "-m", "tiny", QUESTION), stdout=subprocess.PIPE, env=_environment()
    )
    cancelled.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert cancelled.wait(30) == 130
    assert time.monotonic() - began < 2, "the client leaves at once"
    out, _ = other.communicate(timeout=60)
    assert out == f"{ASKED}\n".encode()
    writer.join(10)
    cancelled.stdout.close()
    assert cancelled.stderr is not None
    cancelled.stderr.close()


def _feed(pipe: Any, data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:
        pipe.write(data)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
