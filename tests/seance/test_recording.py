"""A seance's recording: what the format cannot hold, and a file that somebody else has made."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest

from localai.errors import LocalaiError
from localai.media import wav
from localai.seance.box import RATE
from localai.seance.recording import WavRecording
from localai.terminal.output_file import Destination

SECOND = np.full(RATE, 0.5, np.float32)


def test_a_recording_ends_before_its_format_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the header could tell three seconds instead of 27 hours."""
    monkeypatch.setattr(wav, "_MOST", 3 * 2 * RATE)
    recording = WavRecording(Destination(tmp_path / "a.wav"), force=False)
    for _ in range(3):
        recording.add(SECOND)
    with pytest.raises(LocalaiError, match=r"a\.wav"):
        recording.add(SECOND)
    recording.close()
    samples, rate = wav.read(tmp_path / "a.wav")
    assert (len(samples), rate) == (3 * RATE, RATE) and abs(samples.mean() - 0.5) < 1e-3
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]


def test_a_header_tells_up_to_four_gigabytes() -> None:
    """The greatest length fits into the header, with what stands around it."""
    file = io.BytesIO()
    wav.WavWriter(file, RATE)  # not closed: the greatest length stands there
    header = file.getvalue()
    whole, samples = (int.from_bytes(header[at : at + 4], "little") for at in (4, 40))
    assert samples % 2 == 0 and whole == samples + 36 and samples > (1 << 32) - 50


def test_half_a_sample_is_taken_back(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb", buffering=0) as file:
        writer = wav.WavWriter(file, RATE)
        writer.add_bytes(b"\1\2\3")
        writer.close()
    assert len(wav.read(tmp_path / "a.wav")[0]) == 1
    assert (tmp_path / "a.wav").stat().st_size == 46


def test_what_has_come_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    recording = WavRecording(Destination(path), force=False)
    recording.add(SECOND)
    path.write_text("theirs")
    with pytest.raises(LocalaiError, match=r"a\.wav"):
        recording.close()
    assert [each.read_text() for each in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("taken", [0, 3])
def test_a_disk_that_takes_nothing_costs_no_earlier_recording(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    path.write_text("earlier")
    recording = WavRecording(Destination(path), force=True)

    def full(self: wav.WavWriter, data: bytes) -> None:
        for each in data[:taken]:
            put(self, bytes([each]))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    put = wav.WavWriter._put
    monkeypatch.setattr(wav.WavWriter, "_put", full)
    with pytest.raises(LocalaiError, match=r"a\.wav cannot be written: No space"):
        recording.add(SECOND)
    recording.close()
    if taken:
        assert len(wav.read(path)[0]) == 1
    else:
        assert path.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["a.wav"]
