"""The sound of a seance as WAV files: all that is heard, or the voice alone before the radio."""

from __future__ import annotations

from contextlib import ExitStack

from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.media.wav import WavWriter
from localai.seance.box import RATE, BoxStep
from localai.seance.radio import Samples
from localai.system.files import adopt, partial_result
from localai.terminal.output_file import Destination


class WavRecording:
    """A WAV file that is whole whenever and however the seance ends, but by a kill.

    Where nothing was recorded there is none, and one that was there stays.

    Parameters
    ----------
    place : Destination
        Where it goes; a file bears another name until it is whole.

    Raises
    ------
    BadInput
        There is such a file, and it is not to be overwritten; or it cannot be written.
    """

    def __init__(self, place: Destination, *, force: bool) -> None:
        place.refuse_taken(overwrite=force)
        self._place, self._force = place, force
        path = place.path
        self._partial = path if place.direct else partial_result(path.parent, 0)
        with ExitStack() as opened:
            try:
                # Unbuffered: what a full disk has taken is known.
                self._file = opened.enter_context(self._partial.open("wb", buffering=0))
                if not place.direct:
                    opened.callback(self._partial.unlink, missing_ok=True)
                self._writer = WavWriter(self._file, RATE)
            except OSError as error:
                raise BadInput(f"{shown(path)} cannot be written: {error.strerror}") from None
            self._opened = opened.pop_all()

    def add(self, samples: Samples) -> None:
        """Write samples behind those before."""
        try:
            self._writer.add(samples)
        except OSError as error:
            raise self._failure(error) from None
        except LocalaiError as error:  # there is no room in the format
            raise LocalaiError(f"{shown(self._place.path)} is full: {error.what}") from None

    def close(self) -> None:
        """Complete the file and give it its name."""
        with self._opened:
            try:
                self._writer.close()
                self._file.close()
                if self._writer.seconds and not self._place.direct:
                    adopt(self._partial, self._place.path, overwrite=self._force)
            except OSError as error:
                raise self._failure(error) from None

    def _failure(self, error: OSError) -> LocalaiError:
        why = error.strerror or str(error)
        return LocalaiError(f"{shown(self._place.path)} cannot be written: {why}")


class Recordings:
    """The files that a seance is recorded to; none where none were asked for.

    Parameters
    ----------
    whole, voice : Destination or None
        Where to write all that is heard, and the voice alone before the radio.
    """

    def __init__(
        self, whole: Destination | None, voice: Destination | None, *, force: bool
    ) -> None:
        with ExitStack() as opened:
            self._whole = self._opened(whole, force, opened)
            self._voice = self._opened(voice, force, opened)
            self._stack = opened.pop_all()

    def _opened(
        self, place: Destination | None, force: bool, opened: ExitStack
    ) -> WavRecording | None:
        if place is None:
            return None
        recording = WavRecording(place, force=force)
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
