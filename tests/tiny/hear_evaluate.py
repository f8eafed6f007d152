"""Measures the shipped hearing model through faster-whisper, on voices that it never heard.

Word errors are counted in all words of a set: those wrong, missing or too many, over those said.
Unless a row says otherwise, it is heard as `localai transcribe` hears: voice activity detection,
word timestamps, beam 5, no text carried on, the language guessed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel

from tests.support.word_errors import errors

from .hear_clips import RATE, Clip, stored
from .hear_tokenizer import SHIPPED
from .hear_voice import Espeak
from .hear_words import SENTENCES, TRANSLATED

AS_THE_COMMAND = {
    "beam_size": 5,
    "vad_filter": True,
    "word_timestamps": True,
    "condition_on_previous_text": False,
}


@dataclass
class Take:
    """A sound, what is said in it, and when each word starts and ends."""

    sound: np.ndarray
    language: str
    text: str
    times: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Score:
    """What was counted over a set of takes."""

    words: int = 0
    wrong: int = 0
    takes: int = 0
    exact: int = 0
    languages: int = 0
    late: list[float] = field(default_factory=list)  # seconds that a word's start is off
    seconds: float = 0.0
    bad: list[tuple[str, str]] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A row of the table."""
        late = sorted(self.late)
        timed = ""
        if late:
            near = sum(off <= 0.35 for off in late) / len(late)
            timed = f"{statistics.mean(late):.2f} s, {near:.1%} within 0.35 s"
        share = self.wrong / max(1, self.words)
        return (
            f"| {name} | {self.takes} | {share:.1%} | {self.exact / self.takes:.1%} | "
            f"{self.languages / self.takes:.1%} | {timed} | {self.seconds / self.takes:.3f} s |"
        )


class Hearing:
    """The shipped folder in faster-whisper, on one thread."""

    def __init__(self, folder: Path) -> None:
        self.model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)

    def hear(self, sound: np.ndarray, **options: Any) -> tuple[str, str, list[Any]]:
        """Text, language and words of a sound."""
        segments, info = self.model.transcribe(sound, **{**AS_THE_COMMAND, **options})
        found = list(segments)
        text = " ".join("".join(segment.text for segment in found).split())
        return text, info.language, [word for segment in found for word in segment.words or ()]

    def score(self, takes: list[Take], *, forced: bool = False, **options: Any) -> Score:
        """Hears all takes."""
        score = Score()
        for take in takes:
            began = time.process_time()
            language = take.language if forced else None
            text, guess, words = self.hear(take.sound, language=language, **options)
            score.seconds += time.process_time() - began
            score.takes += 1
            score.words += len(take.text.split())
            score.wrong += errors(take.text.split(), text.split())
            score.exact += text == take.text
            score.languages += guess == take.language
            if text == take.text and len(words) == len(take.times):
                score.late += [
                    abs(w.start - at) for w, (at, _) in zip(words, take.times, strict=True)
                ]
            if text != take.text:
                score.bad.append((take.text, text))
        return score


def joined(clips: Sequence[Clip], pauses: Sequence[float], end: float = 0.4) -> Take:
    """Clips one after another, each after its pause in seconds."""
    parts, times, at = [], [], 0.0
    for clip, pause in zip(clips, pauses, strict=True):
        silence = np.zeros(round(pause * RATE), np.float32)
        at += len(silence) / RATE
        times += [(at + a, at + b) for a, b in zip(clip.starts, clip.ends, strict=True)]
        parts += [silence, clip.samples()]
        at += len(clip.sound) / RATE
    parts.append(np.zeros(round(end * RATE), np.float32))
    text = " ".join(clip.text for clip in clips)
    return Take(np.concatenate(parts), clips[0].language, text, times)


def single(clips: Sequence[Clip]) -> list[Take]:
    """A take a clip."""
    return [joined([clip], [0.3]) for clip in clips]


def several(
    clips: Sequence[Clip], count: int, files: int, pauses: tuple[float, float], seed: str
) -> list[Take]:
    """Takes of so many utterances of one language, with pauses by chance."""
    r, takes = random.Random(seed), []
    for number in range(files):
        language = ("en", "de")[number % 2]
        chosen = r.choices([clip for clip in clips if clip.language == language], k=count)
        takes.append(joined(chosen, [0.3] + [r.uniform(*pauses) for _ in chosen[1:]]))
    return takes


def noisy(takes: list[Take], decibels: float) -> list[Take]:
    """The takes with white noise so many decibels below the speech."""
    chance, made = np.random.default_rng(1), []
    for take in takes:
        loud = float(np.sqrt(np.mean(take.sound[np.abs(take.sound) > 0.01] ** 2)))
        noise = chance.standard_normal(len(take.sound)).astype(np.float32)
        sound = take.sound + noise * np.float32(loud * 10 ** (-decibels / 20))
        made.append(Take(sound, take.language, take.text, take.times))
    return made


def clear(language: str, voices: Sequence[str]) -> list[Take]:
    """All sentences by plain voices at an even speed, as tests speak them."""
    espeak, takes = Espeak(), []
    for voice in voices:
        for text in SENTENCES[language]:
            spoken = espeak.say(text, voice, speed=150)
            bins = np.fft.rfft(spoken.sound)
            size = round(len(spoken.sound) * RATE / spoken.rate)
            sound = np.fft.irfft(bins[: size // 2 + 1], size) * size / len(spoken.sound)
            silence = np.zeros(RATE // 4, np.float32)
            whole = np.concatenate([silence, sound.astype(np.float32), silence])
            takes.append(Take(whole, language, text))
    return takes


def without_speech() -> list[tuple[str, np.ndarray]]:
    """Sounds in which nobody speaks."""
    chance = np.random.default_rng(5)
    noises = [
        (f"noise {level:g}", (chance.standard_normal(RATE * 30) * level).astype(np.float32))
        for level in (0.001, 0.01, 0.05, 0.2)
    ]
    time_ = np.arange(RATE * 30) / RATE
    hum = (0.1 * np.sin(2 * np.pi * 50 * time_)).astype(np.float32)
    tune = sum(np.sin(2 * np.pi * f * time_) * (time_ % 1 < 0.7) for f in (262, 330, 392)) * 0.1
    return [("silence", np.zeros(RATE * 30, np.float32)), *noises, ("hum", hum),
            ("chord", np.asarray(tune, np.float32))]  # fmt: skip


def measure(hearing: Hearing, clips: list[Clip], show: int) -> None:
    """Prints the table."""
    one = single(clips)
    german = [take for take in one if take.language == "de"]
    english = [take for take in one if take.language == "en"]
    three = several(clips, 3, 100, (0.6, 1.5), "three")
    rows = {
        "one utterance": (one, {}),
        "one utterance, English": (english, {}),
        "one utterance, German": (german, {}),
        "one utterance, language given": (one, {"forced": True}),
        "one utterance, no voice detection, greedy": (
            one, {"forced": True, "vad_filter": False, "beam_size": 1}),
        "the same without timestamps": (
            one, {"forced": True, "vad_filter": False, "beam_size": 1, "word_timestamps": False,
                  "without_timestamps": True}),
        "noise 20 dB below": (noisy(one[:300], 20), {}),
        "noise 10 dB below": (noisy(one[:300], 10), {}),
        "3 utterances, pauses of 0.6 to 1.5 s": (three, {}),
        "the same, no voice detection": (three, {"vad_filter": False}),
        "10 utterances, about 25 s": (several(clips, 10, 40, (0.6, 1.5), "ten"), {}),
        "200 utterances, about 10 min": (several(clips, 200, 4, (0.6, 2.5), "long"), {}),
        "plain voices, English sentences": (clear("en", ("en-us", "en")), {}),
        "plain voices, German sentences": (clear("de", ("de",)), {}),
    }  # fmt: skip
    print("| what | files | word errors | exact | language | word starts | time a file |")
    print("|---|---|---|---|---|---|---|")
    for name, (takes, options) in rows.items():
        score = hearing.score(takes, **options)
        print(score.row(name), flush=True)
        for said, heard in score.bad[:show]:
            print("      ", repr(said), "->", repr(heard))
    translated = [
        Take(take.sound, "de", " ".join(TRANSLATED[word] for word in take.text.split()))
        for take in german
    ]
    print(hearing.score(translated, forced=True, task="translate").row("German to English"))
    for name, sound in without_speech():
        texts = [hearing.hear(sound, **more)[0] for more in ({}, {"vad_filter": False})]
        print(f"{name}: with voice detection {texts[0]!r}, without {texts[1]!r}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    parser.add_argument("--clips", type=Path, default=Path("build") / "hear-held.pickle")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--show", type=int, default=0, help="wrong texts to show for each row")
    options = parser.parse_args()
    clips = stored(options.clips, options.count, 2, held_out=True)
    measure(Hearing(options.folder), clips, options.show)


if __name__ == "__main__":
    main()
