"""espeak-ng as a voice, and as what tells Piper voices how a text is pronounced.

Always out of process: its licence is the GPL, and it is one global synthesiser a process.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localai.engines.speak_system import run_program
from localai.errors import BadInput, EngineMissing, LocalaiError
from localai.formats.text import nearest, shown
from localai.media.speech import SpeakRequest

_WORDS_A_MINUTE = 155


class Espeak:
    """espeak-ng.

    Parameters
    ----------
    path : Path
        Its data folder, of the extra `voice`; else the program of the system.
    """

    def __init__(self, path: Path) -> None:
        self._program = None if path.is_dir() else path
        self._data = path
        self._process: subprocess.Popen[str] | None = None

    def speak(self, request: SpeakRequest, path: Path, cancelled: Callable[[], bool]) -> None:
        """Write a text as a WAV file."""
        self._refuse_unknown(request.variant)
        voice = (request.language or "en") + (f"+{request.variant}" if request.variant else "")
        rate = max(80, min(450, round(_WORDS_A_MINUTE * request.speed)))
        pitch = max(0, min(99, round(50 * request.pitch)))
        text = request.text
        if self._program:
            options = ["-w", str(path), "-v", voice, "-s", str(rate), "-p", str(pitch), "--stdin"]
            run_program([str(self._program), *options], text, cancelled)
        else:
            asked = {"text": text, "voice": voice, "rate": rate, "pitch": pitch, "path": str(path)}
            self._ask(asked)

    def phonemes(self, text: str, voice: str) -> str:
        """Return a text in phonetic letters, as espeak-ng's voice for a language has them."""
        if self._program:
            asked = [str(self._program), "-q", "--ipa", "-v", voice, "--stdin"]
            return " ".join(run_program(asked, text, lambda: False).split("\n")).strip()
        return self._ask({"phonemes": text, "voice": voice})["phonemes"]

    def _refuse_unknown(self, timbre: str) -> None:
        """Refuse a timbre that is not there: the library would take its usual one."""
        if not timbre or self._program:
            return
        try:
            known = [each.name for each in (self._data / "voices" / "!v").iterdir()]
        except OSError:
            return
        if timbre not in known:
            hint = (
                nearest(timbre, known)
                or "whisper, croak and Storm are some; `espeak` alone is plain"
            )
            raise BadInput(f"espeak-ng has no voice {shown(timbre)[:40]}", hint)

    def close(self) -> None:
        """End its process."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _ask(self, asked: dict[str, Any]) -> dict[str, str]:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self.close()
            raise LocalaiError("espeak-ng's process has ended", "try again, or take another voice")
        answer: dict[str, str] = json.loads(line)
        if "No module named" in answer.get("error", ""):
            raise EngineMissing(
                "espeak-ng is not installed", "pip install 'localai-toolkit[voice]'"
            )
        if "error" in answer:
            what = f"espeak-ng: {shown(answer['error'])}"
            raise BadInput(what, "name another voice or language: espeak, espeak:croak")
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "localai.engines.espeak_process"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, encoding="utf-8",
            )  # fmt: skip
        return self._process
