"""The sound of a seance as WAV files: all that is heard, or the voice alone before the radio."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.media.wav import WavWriter
from localai.seance.box import RATE, BoxStep
from localai.seance.radio import Samples
from localai.system.files import adopt, partial_result


class WavRecording:
    """A WAV file that is whole whenever and however the seance ends, but by a kill.

    Parameters
    ----------
    path : Path
        Its name; the file bears another one until it is whole.

    Raises
    ------
    BadInput
        There is such a file, and it is not to be overwritten; or it cannot be written.
    """

    def __init__(self, path: Path, *, force: bool) -> None:
        if path.is_dir() or (path.exists() and not force):
            what = f"{shown(path)} exists already"
            raise BadInput(what, "use --force to overwrite it, or another name")
        self._path, self._force = path, force
        self._partial = partial_result(path.parent, 0)
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise BadInput(f"{shown(path)} cannot be written: {error.strerror}") from None
        self._writer = WavWriter(self._file, RATE)

    def add(self, samples: Samples) -> None:
        """Write samples behind those before."""
        try:
            self._writer.add(samples)
        except OSError as error:
            raise LocalaiError(f"{shown(self._path)} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Complete the file and give it its name."""
        try:
            self._writer.close()
            self._file.close()
            adopt(self._partial, self._path, overwrite=self._force)
        except OSError as error:
            why = error.strerror or str(error)
            raise LocalaiError(f"{shown(self._path)} cannot be written: {why}") from None
        finally:
            self._partial.unlink(missing_ok=True)


class Recordings:
    """The files that a seance is recorded to; none where none were asked for.

    Parameters
    ----------
    whole, voice : str or None
        Where to write all that is heard, and the voice alone before the radio.
    """

    def __init__(self, whole: str | None, voice: str | None, *, force: bool) -> None:
        if whole and voice and os.path.abspath(whole) == os.path.abspath(voice):
            raise BadInput("--record and --record-voice are one file", "name two")
        with ExitStack() as opened:
            self._whole = self._opened(whole, force, opened)
            self._voice = self._opened(voice, force, opened)
            self._stack = opened.pop_all()

    def _opened(self, name: str | None, force: bool, opened: ExitStack) -> WavRecording | None:
        if name is None:
            return None
        recording = WavRecording(Path(name), force=force)
        opened.callback(recording.close)
        return recording

    def __enter__(self) -> Recordings:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def wanted(self) -> bool:
        """Whether anything is recorded."""
        return self._whole is not None or self._voice is not None

    def add(self, step: BoxStep) -> None:
        """Write a step of the box."""
        if self._whole is not None:
            self._whole.add(step.samples)
        if self._voice is not None:
            self._voice.add(step.voice)
