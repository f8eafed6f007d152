"""The system's own voices, each a program: `say` of macOS, `spd-say`, `espeak-ng`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from localai.errors import BadInput, LocalaiError
from localai.formats.text import shown
from localai.media.speech import SpeakRequest

_WORDS_A_MINUTE = 175
_LOOK = 0.05  # seconds between two looks at whether somebody still waits


class SystemVoice:
    """A program that speaks.

    Parameters
    ----------
    program : Path
        `say` or `spd-say`.
    """

    def __init__(self, program: Path) -> None:
        self._program = program

    def speak(self, request: SpeakRequest, path: Path, cancelled: Callable[[], bool]) -> None:
        """Write a text as a WAV file, or let the program play it (`aloud`).

        Raises
        ------
        BadInput
            The program cannot write files.
        """
        if self._program.name == "spd-say":
            if not request.aloud:
                raise BadInput(
                    "spd-say plays what it says and writes no file", "--voice espeak can do both"
                )
            rate = max(-100, min(100, round((request.speed - 1) * 100)))
            asked = ["--wait", "--rate", str(rate)]
            asked += ["--language", request.language] if request.language else []
            run_program([str(self._program), *asked, "--", request.text], "", cancelled)
            return
        asked = ["-o", str(path), "--file-format=WAVE", "--data-format=LEI16@22050"]
        asked += ["-r", str(round(_WORDS_A_MINUTE * request.speed))]
        asked += ["-v", request.variant] if request.variant else []
        run_program([str(self._program), *asked, "-f", "-"], request.text, cancelled)

    def close(self) -> None:
        """Nothing is left running."""


def run_program(command: list[str], text: str, cancelled: Callable[[], bool]) -> str:
    """Run a voice's program to its end, a text on its stdin; return its stdout.

    Raises
    ------
    LocalaiError
        It fails or is not there; with its last words.
    """
    name = Path(command[0]).name
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise LocalaiError(f"{name} cannot be run: {error.strerror}") from None
    with process:
        try:
            data: bytes | None = text.encode()
            while True:
                try:
                    out, err = process.communicate(data, timeout=_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    data = None  # it has been taken; the rest is waited for
                    if cancelled():
                        return ""
        finally:
            process.kill()
    if process.returncode:
        said = shown(err.decode("utf-8", "replace").strip().rpartition("\n")[2])[:200]
        raise LocalaiError(f"{name} failed: {said or process.returncode}", "name another voice")
    return out.decode("utf-8", "replace")
