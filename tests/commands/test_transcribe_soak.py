"""Three hours of sound: memory stays bounded, text comes soon, a run that was killed goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import wave
from pathlib import Path

import numpy as np
import psutil
import pytest

from localai.media.sound import open_sound
from tests.conftest import ROOT, command, ours, run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(6 * 3600), pytest.mark.usefixtures("warm")]

HOURS = float(os.environ.get("SOAK_HOURS", "3"))
MOST = 1.5e9  # bytes
FIRST = 10.0  # seconds to the first text


class Peak:
    """The most memory that a home's processes take, looked at all the time."""

    def __init__(self, home: Path) -> None:
        self._home, self._over, self.bytes = home, threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            for process in ours(self._home):
                try:
                    self.bytes = max(self.bytes, process.memory_info().rss)
                except psutil.Error:
                    continue

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self.bytes


def long(path: Path, hours: float) -> None:
    """Write orders with pauses, for hours."""
    with open_sound(ROOT / "tests" / "speech" / "commands.flac") as sound:
        whole = np.concatenate([block.samples for block in sound.blocks()])
    once = (whole * 32767).astype("<i2").tobytes() + bytes(2 * 16000 * 4)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        for _ in range(int(hours * 3600 * 32000 / len(once)) + 1):
            file.writeframes(once)


def test_hours_of_sound(home: Path, tmp_path: Path) -> None:
    sound = tmp_path / "long.wav"
    long(sound, HOURS)
    run("transcribe", "-m", "tiny", str(ROOT / "tests" / "speech" / "hello.flac"))  # loaded
    # Where a temperature of 0 fails, Whisper tries higher ones, and no two runs are the same.
    once = ("transcribe", "-m", "tiny", "--temp", "0", str(sound))
    flags = (*once, "--resume")
    peak, began = Peak(home), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command(*flags), stdout=subprocess.PIPE, bufsize=0, env=environment)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"open"
    first = time.monotonic() - began
    half, enough = bytearray(), HOURS * 3600 / 15 * 70 / 2  # bytes: half of the lines
    while len(half) < enough:
        half += process.stdout.read(65536)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    resumed = run(*flags, timeout=4 * 3600)
    assert resumed.code == 0, resumed.err
    most = peak.stop()
    print(f"{HOURS} h: first text after {first:.1f} s, at most {most / 1e9:.2f} GB")
    uncut = run(*once, timeout=4 * 3600)
    assert resumed.out == uncut.out, (
        "a run that was killed and went on hears what an uncut one does"
    )
    assert resumed.out.startswith(f"open{half.decode('utf-8', 'ignore')}"[:1000])
    assert resumed.out.count("door") > HOURS * 3600 / 15 * 0.9
    assert most <= MOST and first <= FIRST
