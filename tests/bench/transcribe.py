"""`localai transcribe` against whisper-ctranslate2: the same folder, the same options, taking turns.

    python -m tests.bench.transcribe [MODEL_FOLDER] [--minutes 10] [--repetitions 3]

Speech of a Piper voice with pauses, in one WAV file; temperature 0, voice activity detection and
word times, not conditioned on the text before. Both load the model (`--cold`), the short clip finds
it warm, as one does who asks again. Of the long sound the words that both heard are counted, and
word errors (by whisper-normalizer), and how long a text was heard that nobody said. The command
cuts a sound after its first minute, so that text comes soon; uncut, the text is the same.
whisper-ctranslate2 has to be installed (pip).
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from difflib import SequenceMatcher
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from unittest.mock import patch

from whisper_normalizer.english import EnglishTextNormalizer

from localai.engines.base import Call
from localai.engines.whisper import WhisperEngine
from localai.media import pieces
from localai.media.segments import Segment
from localai.media.transcription import SoundSource, TranscriptionRequest
from localai.types import LAST, Event, ModelSpec
from tests.bench.arguments import parser
from tests.bench.command import Command
from tests.bench.table import RATIOS, compared, show
from tests.real.models import real_model
from tests.support.spoken_sentences import SENTENCES, joe, speak
from tests.support.word_errors import errors

LONG, SHORT = "<= 1.03", "<= 0.8"
CLIP = 10  # seconds


def sound(folder: Path, seconds: float) -> tuple[Path, str]:
    """Write sentences with pauses, in another order each time around; return what is said, too.

    The last sentence is whole: the sound is some seconds shorter than asked for.
    """
    files, r = speak(folder, joe(real_model("piper-joe")), SENTENCES), random.Random(1)
    spoken, rate = [], 0
    for file, text in zip(files, SENTENCES, strict=True):
        with wave.open(file) as each:
            rate = each.getframerate()
            spoken.append((each.readframes(each.getnframes()), text))
    path, data, said = folder / f"{seconds:.0f}.wav", bytearray(), []
    while True:
        if not len(said) % len(spoken):
            r.shuffle(spoken)
        piece, text = spoken[len(said) % len(spoken)]
        piece += bytes(2 * int(rate * r.uniform(0.3, 2.5)))
        if len(data) + len(piece) > seconds * 2 * rate:
            break
        data += piece
        said.append(text)
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(bytes(data))
    return path, "\n".join(said)


def in_one_piece(model: str, threads: int, file: Path) -> tuple[float, str]:
    """Return our seconds and text of a sound that is not cut after its first minute."""
    events: SimpleQueue[tuple[str, Event]] = SimpleQueue()
    source = SoundSource(str(file), name=file.name)
    request = TranscriptionRequest(source, language="en", temperature=0)
    began, text = time.perf_counter(), ""
    with patch.object(pieces, "FIRST", pieces.LONGEST):
        engine = WhisperEngine(
            ModelSpec("hear", (model,), "whisper", {"threads": threads}),
            lambda found: [events.put(each) for each in found],
        )
        engine.submit(Call("1", "bench", request))
        while not isinstance(event := events.get()[1], LAST):
            text += event.text if isinstance(event, Segment) else ""
        engine.close()
    return time.perf_counter() - began, text


def judge(said: str, ours: str, theirs: str) -> str:
    """Return what is to be said of the long sound's words."""
    normal: Any = EnglishTextNormalizer()
    words = [normal(text).split() for text in (said, ours, theirs)]
    wrong = [errors(words[0], each) / len(words[0]) for each in words[1:]]
    # A sentence that was invented or repeated stands between two that were said.
    same = SequenceMatcher(None, words[0], words[1], autojunk=False)
    added = max((d - c - (b - a) for _, a, b, c, d in same.get_opcodes()), default=0)
    return (
        f"words that differ between both: {errors(words[2], words[1])} of {len(words[2])}; "
        f"word errors {wrong[0]:.2%} and {wrong[1]:.2%} of {len(words[0])} (budget 8 %); "
        f"most words in a row that nobody said: {added}"
    )


def theirs(model: str, threads: int, file: Path, folder: Path) -> tuple[float, str]:
    """Return the wall time of whisper-ctranslate2, and its text."""
    flags = {
        "model_directory": model, "output_format": "txt", "output_dir": str(folder),
        "language": "en", "device": "cpu", "threads": str(threads), "compute_type": "auto",
        "vad_filter": "True", "word_timestamps": "True", "condition_on_previous_text": "False",
        "hallucination_silence_threshold": "2", "temperature": "0", "beam_size": "5",
        "temperature_increment_on_fallback": "None", "verbose": "False",
        "local_files_only": "True",
    }  # fmt: skip
    program = (
        shutil.which("whisper-ctranslate2") or f"{Path(sys.executable).parent}/whisper-ctranslate2"
    )
    command = [program, str(file)]
    for name, value in flags.items():
        command += [f"--{name}", value]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - began, (folder / f"{file.stem}.txt").read_text()


def main() -> None:
    """Measure and print."""
    made = parser(__doc__, [], threads=2, repetitions=3)
    made.add_argument("--minutes", type=float, default=10.0)
    options = made.parse_args()
    model = str(options.models[0] if options.models else real_model("whisper-base"))
    flags = (
        "transcribe",
        "-m",
        model,
        "-l",
        "en",
        "--temp",
        "0",
        "--threads",
        str(options.threads),
    )
    with tempfile.TemporaryDirectory(prefix="localai-bench-") as name, Command() as command:
        folder = Path(name)
        (long, said), (short, _) = sound(folder, options.minutes * 60), sound(folder, CLIP)
        rows, texts = [], ("", "")
        for file, cold, budget in ((long, ("--cold",), LONG), (short, (), SHORT)):
            sides: tuple[list[float], list[float]] = ([], [])
            for turn in range(options.repetitions + (not cold)):
                ours = command.run(*flags, *cold, str(file))
                other = theirs(model, options.threads, file, folder)
                if turn or cold:  # the first warm one loads the model
                    sides[0].append(ours[0])
                    sides[1].append(other[0])
                texts = (ours[1], other[1]) if file is long else texts
            rows.append(compared(f"{file.stem} s {'cold' if cold else 'warm'}", *sides, budget))
        seconds, whole = in_one_piece(model, options.threads, long)
    title = f"whisper in {Path(model).name}, {options.threads} threads, {options.repetitions} repetitions, taking turns; medians in s"
    show(title, ("sound", "localai transcribe", "whisper-ctranslate2", *RATIOS), rows)
    print(judge(said, *texts))
    same = whole.split() == texts[1].split()
    told = "the same text" if same else "ANOTHER TEXT"
    print(f"the long sound in one piece: {seconds:.1f} s, {told}")


if __name__ == "__main__":
    main()
