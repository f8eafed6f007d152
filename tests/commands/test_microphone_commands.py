"""`--mic`, `ask --audio` and `/record`: what is said becomes a text, or the question."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from localai.media.sound import open_sound
from tests.conftest import ROOT, Ran, run
from tests.support.terminal_run import TerminalRun

SPEECH = ROOT / "tests" / "speech"
QUESTION = str(SPEECH / "capital-of-france.flac")
ASKED = "what is the capital of france"
PARIS = "The capital of France is Paris."
FAKE = ROOT / "tests" / "support" / "fake_sound"  # a miniaudio that says a file

pytestmark = pytest.mark.usefixtures("warm")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A question as a microphone gives it, after half a second of nothing."""
    with open_sound(QUESTION) as sound:
        whole = np.concatenate([block.samples for block in sound.blocks()])
    file = tmp_path_factory.mktemp("said") / "question.raw"
    file.write_bytes(b"\1\0" * 8000 + (whole * 32767).astype("<i2").tobytes())
    return str(file)


def environment(said: str) -> dict[str, str]:
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{FAKE}", "FAKE_MICROPHONE": said}


def speak(said: str, *arguments: str, stdin: str | bytes = b"") -> Ran:
    return run(*arguments, stdin=stdin, env=environment(said))


def test_what_is_said_is_written_down(spoken: str, tmp_path: Path) -> None:
    done = speak(spoken, "transcribe", "-m", "tiny", "--mic")
    assert (done.code, done.out) == (0, f"{ASKED}\n")
    assert done.err == "listening: silence ends it\n"
    forms = ("-F", "srt", "-F", "json", "-o", f"{tmp_path}/note")
    done = speak(spoken, "transcribe", "-m", "tiny", "--mic-device", "built", *forms)
    assert done.out.splitlines() == [f"{tmp_path}/note.srt", f"{tmp_path}/note.json"]
    assert ASKED in (tmp_path / "note.srt").read_text()


def test_without_a_microphone_one_sentence_and_exit_3(spoken: str) -> None:
    for said, arguments, what in (
        ("none", ("--mic",), "there is no microphone"),
        ("zeros", ("--mic",), "nothing but zeros"),
        (spoken, ("--mic-device", "usb"), "USB Talk, USB Sing"),
        (spoken, ("--mic-device", "studio"), "no microphone called `studio`"),
    ):
        for verb in ("transcribe", "ask"):
            done = speak(said, verb, "-m", "tiny", *arguments)
            assert (done.code, done.out) == (3, ""), (arguments, done.err)
            assert what in done.err and "next:" in done.err
    # Whatever sound devices this machine has or has not: no traceback.
    done = run("transcribe", "-m", "tiny", "--mic", env={"FAKE_MICROPHONE": ""}, timeout=90)
    assert "Traceback" not in done.err and done.code in (0, 3)


def test_files_and_the_microphone_are_not_mixed(spoken: str) -> None:
    for arguments in ((QUESTION,), ("--clip", "1-2"), ("--resume",), ("--channels", "split")):
        done = speak(spoken, "transcribe", "-m", "tiny", "--mic", *arguments)
        assert done.code == 2 and "is about files" in done.err, done.err
    done = speak(spoken, "ask", "-m", "tiny", "--mic", "--audio", QUESTION)
    assert done.code == 2 and "use one of them" in done.err
    done = speak(spoken, "ask", "-m", "tiny", "--mic", "-p", "no-such-prompt")
    assert done.code == 2 and "listening" not in done.err


def test_a_spoken_question_is_shown_and_answered(spoken: str) -> None:
    done = speak(spoken, "ask", "-m", "tiny", "--temp", "0", "--mic")
    assert (done.code, done.out) == (0, f"{PARIS}\n")
    assert done.err == f"listening: silence ends it\n> {ASKED}\n"


def test_a_sound_is_the_question_or_what_it_is_about() -> None:
    greedy = ("ask", "-m", "tiny", "--temp", "0")
    done = run(*greedy, "--audio", QUESTION)
    assert (done.code, done.out, done.err) == (0, f"{PARIS}\n", f"> {ASKED}\n")
    data = Path(QUESTION).read_bytes()
    assert run(*greedy, "--audio", "-", stdin=data).out == f"{PARIS}\n"
    with_prompt = run(*greedy, "--audio", QUESTION, "--show-prompt", "Translate it:")
    assert f"{ASKED}\n\nTranslate it:" in with_prompt.out
    behind = run(*greedy, "--audio", QUESTION, "--show-prompt", stdin="Notes.")
    assert f"Notes.\n\n{ASKED}" in behind.out
    quiet = run(*greedy, "-q", "--audio", QUESTION)
    assert (quiet.out, quiet.err) == (f"{PARIS}\n", "")


def test_a_sound_without_words_is_no_question(tmp_path: Path) -> None:
    import wave

    file = tmp_path / "silent.wav"
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(96000))
    done = run("ask", "-m", "tiny", "--audio", str(file))
    assert (done.code, done.out) == (2, "") and "nothing was said in silent.wav" in done.err
    gone = run("ask", "-m", "tiny", "--audio", str(tmp_path / "nowhere.wav"))
    assert gone.code == 2 and "nowhere.wav cannot be read" in gone.err


def test_in_a_chat_a_question_may_be_said(spoken: str) -> None:
    line = "/record\n/record built\n/quit\n"
    done = speak(spoken, "chat", "-m", "tiny", "--temp", "0", "--no-save", stdin=line)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [PARIS, PARIS]
    assert done.err.count(f"> {ASKED}") == 2


@pytest.mark.parametrize("columns", [40, 120])
def test_a_meter_shows_that_it_is_heard_and_enter_ends_it(spoken: str, columns: int) -> None:
    arguments = ("transcribe", "-m", "tiny", "--mic", "--silence", "0")
    with TerminalRun(*arguments, columns=columns, env=environment(spoken)) as shown:
        shown.until("[##")
        assert "Enter ends it" in shown.screen.display[0], "whole, however narrow it is"
        time.sleep(3)  # so long is the question
        shown.press("\n")
        shown.read()
        assert shown.process.returncode == 0
        assert shown.lines == [ASKED], "the meter is erased, and Enter leaves no line"


def test_ctrl_c_ends_listening_at_once(spoken: str) -> None:
    arguments = ("transcribe", "-m", "tiny", "--mic", "--silence", "0")
    with TerminalRun(*arguments, env=environment(spoken)) as shown:
        shown.until("[##")
        shown.process.send_signal(signal.SIGINT)
        began = time.monotonic()
        shown.read()
        assert shown.process.returncode == 130 and time.monotonic() - began < 5
    assert run("transcribe", "-m", "tiny", QUESTION).out == f"{ASKED}\n", "the worker is free"


def test_a_killed_client_leaves_the_worker_free(spoken: str) -> None:
    environ = {**os.environ, **environment(spoken)}
    from tests.conftest import command

    process = subprocess.Popen(
        command("transcribe", "-m", "tiny", "--mic", "--silence", "0"),
        stderr=subprocess.PIPE,
        env=environ,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == b"listening: Ctrl-C ends it\n" or process.poll() is None
    time.sleep(2)
    process.kill()
    process.wait()
    process.stderr.close()
    assert run("transcribe", "-m", "tiny", QUESTION).out == f"{ASKED}\n"
