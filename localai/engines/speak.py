"""The speaking engine: a text to a WAV file, with whichever kind of voice its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from localai.catalog.voices import espeak
from localai.engines.base import Call, SerialEngine
from localai.errors import BadInput, BadModel
from localai.formats.text import shown
from localai.media.speech import SPEEDS, SpeakRequest
from localai.system.files import partial_result
from localai.types import Event, FileReady, ModelSpec


class Voice(Protocol):
    """What the engine needs of a voice; one that clones, or llama.cpp's own, would be another."""

    def speak(self, request: SpeakRequest, path: Path, cancelled: Callable[[], bool]) -> None:
        """Write a text as a WAV file; where it is cancelled, whatever is there is thrown away."""

    def close(self) -> None:
        """End what runs for it."""


class SpeakEngine(SerialEngine):
    """Speaks with one voice.

    The files of its spec say which kind it is: a Piper voice (`.onnx`), espeak-ng's data or
    program, or a program of the system.
    """

    def load(self, spec: ModelSpec) -> None:
        """Make the voice ready.

        Raises
        ------
        BadModel, EngineMissing
            The voice's files are damaged, or what it runs on is not installed.
        """
        self._voice = _voice(spec)

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Yield the file of a text."""
        request: SpeakRequest = call.request
        if not SPEEDS[0] <= request.speed <= SPEEDS[1]:
            raise BadInput(f"a speed is between {SPEEDS[0]} and {SPEEDS[1]}")
        path = partial_result(Path(request.folder), 0)
        try:
            self._voice.speak(request, path, cancelled)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if path.exists() and not cancelled():
            yield FileReady(str(path), seed=request.seed)  # from here on the worker's to remove
        else:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End what runs."""
        super().close()
        self._voice.close()


def _voice(spec: ModelSpec) -> Voice:
    path = Path(spec.files[0])
    if path.suffix.lower() == ".onnx":
        from localai.engines.speak_piper import PiperVoice

        if len(spec.files) < 2:
            raise BadModel(f"{shown(path)} came without its description", "reinstall the voice")
        threads = int(spec.options.get("threads", 0)) or 1
        return PiperVoice(path, Path(spec.files[1]), espeak(), threads)
    if path.is_dir() or path.name.startswith("espeak"):
        from localai.engines.speak_espeak import Espeak

        return Espeak(path)
    from localai.engines.speak_system import SystemVoice

    return SystemVoice(path)
