"""Writes the spoken files that tests of commands use, each with the text that is in it.

    python -m tests.tiny.hear_samples

Made by espeak-ng; what a program speaks is nobody's work. The texts are in `tests/speech/texts.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..support.sounds import write
from .hear_clips import RATE, resampled
from .hear_voice import Espeak

FOLDER = Path(__file__).parents[1] / "speech"
PAUSE = 1.2  # seconds between utterances
SAMPLES = {
    "capital-of-france": ("en-us", ["what is the capital of france"]),
    "colour-of-snow": ("en-us", ["what colour is snow"]),
    "open-the-door": ("en-us", ["open the door"]),
    "hello": ("en-us", ["hello"]),
    "tuer": ("de", ["öffne die tür"]),
    "schluessel": ("de", ["der schlüssel ist im garten"]),
    "wolf": (
        "en-us",
        ["the wolf lives in the forest", "it eats mice", "it sleeps at night"],
    ),
    "commands": (
        "en-us",
        ["open the door", "close the window", "go back", "play music", "stop the music"],
    ),
    "befehle": ("de", ["hallo", "öffne die tür", "licht aus", "danke"]),
}


def spoken(espeak: Espeak, voice: str, texts: list[str], pause: float = PAUSE) -> np.ndarray:
    """The texts one after another, with pauses between and silence around them."""
    parts = [np.zeros(int(0.3 * RATE))]
    for text in texts:
        said = espeak.say(text, voice, speed=150)
        parts += [resampled(said.sound, RATE / said.rate), np.zeros(int(pause * RATE))]
    return np.concatenate(parts).astype(np.float32)


def main() -> None:
    """The command line."""
    espeak = Espeak()
    FOLDER.mkdir(exist_ok=True)
    for name, (voice, texts) in SAMPLES.items():
        write(FOLDER / f"{name}.flac", spoken(espeak, voice, texts), codec="flac")
    table = {
        name: {"language": voice[:2], "texts": texts} for name, (voice, texts) in SAMPLES.items()
    }
    text = json.dumps(table, ensure_ascii=False, indent=2)
    (FOLDER / "texts.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
