"""The microphone: what there is to hear it with, and what comes out of the pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import miniaudio
import numpy as np
import pytest

from localai.engines.listening import Listener
from localai.errors import Unavailable
from localai.media.microphone import Capture, Microphone
from localai.media.sound import open_sound
from tests.conftest import ROOT

QUESTION = ROOT / "tests" / "speech" / "capital-of-france.flac"


class Said:
    """A source that gives these pieces at once, and nothing more."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces
        self.closed = False

    def start(self, take: Callable[[bytes], None]) -> None:
        for piece in self._pieces:
            take(piece)

    def close(self) -> None:
        self.closed = True


def question() -> bytes:
    with open_sound(QUESTION) as sound:
        whole = np.concatenate([block.samples for block in sound.blocks()])
    return (whole * 32767).astype("<i2").tobytes()


def read(recording: Capture) -> bytes:
    found = b""
    while data := os.read(recording.reader, 65536):
        found += data
    return found


def test_what_is_captured_comes_out_of_the_pipe_even_if_it_is_read_late() -> None:
    pieces = [bytes([at, 1]) * 800 for at in range(200)]  # more than a pipe holds
    source = Said(*pieces)
    with Capture(source) as recording:
        recording.wait()
        recording.stop()
        assert source.closed
        assert read(recording) == b"".join(pieces)
        assert 0 < recording.level < 0.02
    recording = Capture(Said(*pieces))
    recording.__exit__()  # nobody reads it: nothing hangs


def test_zeros_and_silence_mean_that_there_is_no_microphone() -> None:
    with Capture(Said(bytes(64000))) as recording, pytest.raises(Unavailable, match="zeros"):
        recording.wait()
    with Capture(Said(bytes(32000), b"\1\0")) as recording:
        recording.wait()
    began = time.monotonic()
    with Capture(Said()) as recording, pytest.raises(Unavailable, match="no sound"):
        recording.wait()
    assert 2 < time.monotonic() - began < 20


def test_the_null_device_of_miniaudio_is_no_microphone() -> None:
    """A real device's thread, whose zeros come in real time."""
    source = Microphone(backends=[miniaudio.Backend.NULL])
    with Capture(source) as recording, pytest.raises(Unavailable, match="zeros"):
        recording.wait()
    assert Microphone("null", backends=[miniaudio.Backend.NULL])
    with pytest.raises(Unavailable, match="called `studio`"):
        Microphone("studio", backends=[miniaudio.Backend.NULL])


def test_a_device_that_fails_leaves_nothing_open() -> None:
    class Broken(Said):
        def start(self, take: Callable[[bytes], None]) -> None:
            raise Unavailable("the microphone cannot be used")

    source, before = Broken(), len(os.listdir("/proc/self/fd"))
    with pytest.raises(Unavailable):
        Capture(source)
    assert source.closed and len(os.listdir("/proc/self/fd")) == before


def listened(data: bytes, silence: float, cancelled: Callable[[], bool] = lambda: False) -> bytes:
    """What a listener takes of these samples."""
    reader, writer = os.pipe()

    def write() -> None:
        with open(writer, "wb", buffering=0) as pipe:
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[pipe.write(rest[:65536]) :]
                except BrokenPipeError:
                    return

    thread = threading.Thread(target=write)
    thread.start()
    listener = Listener(reader, silence)
    for _ in listener.seconds(cancelled):
        pass
    os.close(reader)
    thread.join()
    return listener.data


def test_silence_after_speech_ends_it_and_before_speech_does_not() -> None:
    spoken, second = question(), bytes(32000)
    whole = second * 3 + spoken + second * 10
    heard = len(listened(whole, 1.5)) / 32000
    end = 3 + len(spoken) / 32000
    assert 3 + 1.5 + 1.5 < heard < end + 2.2, "the file itself ends with a second of silence"
    assert len(listened(whole, 3.0)) / 32000 > heard + 1
    assert len(listened(whole, 0)) >= len(whole), "only the pipe's end ends it"
    assert 7.9 < len(listened(second * 30, 1.5)) / 32000 < 8.3, "nobody speaks"
    assert len(listened(spoken * 60, 5.0)) / 32000 < 62, "nobody speaks for ever"
    assert listened(b"", 1.5) == listened(b"\0", 1.5) == bytes(1024)
    assert len(listened(whole, 1.5, lambda: True)) == 1024


def test_capturing_imports_no_numpy() -> None:
    code = "import localai.media.microphone, sys; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
