"""Scenes to learn from: one utterance, several with pauses between them, or no speech at all."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from .hear_clips import RATE, Clip
from .hear_tokenizer import SECONDS_A_TIMESTAMP, TIMESTAMPS, HearTokenizer
from .hear_words import TRANSLATED

WINDOW = 30.0  # seconds that the model hears at once
FIRST_TIMESTAMP = 1.0  # s; decoders allow none that is later at the start of a window
POSITIONS_A_SECOND = 50


@dataclass(frozen=True)
class Word:
    """A token of text, and the seconds of the sound in which it is said."""

    token: int
    start: float
    end: float


@dataclass
class Scene:
    """A sound, the tokens that it asks for, and which of them are learned."""

    sound: np.ndarray  # float32 at 16 kHz, at most 30 s
    tokens: list[int]
    learned: list[bool]
    words: list[tuple[int, Word]] = field(default_factory=list)  # with their places in `tokens`
    text: str = ""

    def add(self, token: int, *, learned: bool = True) -> None:
        """One token more."""
        self.tokens.append(token)
        self.learned.append(learned)


@dataclass(frozen=True)
class Utterance:
    """A clip at its place in a scene; `cut` where the window ends before it does."""

    clip: Clip
    at: float
    cut: bool


def _noise(r: random.Random, samples: int) -> np.ndarray:
    """Noise of about unit strength: white, or darker, as rooms and streets are."""
    random_bits = np.random.default_rng(r.getrandbits(32))
    white = random_bits.standard_normal(samples).astype(np.float32)
    if r.random() < 0.5 or samples < 2:
        return white
    spectrum = np.fft.rfft(white)
    spectrum /= (1 + np.arange(len(spectrum)) * 8000 / len(spectrum) / 200) ** r.uniform(0.3, 1)
    dark = np.fft.irfft(spectrum, samples).astype(np.float32)
    return dark / max(float(dark.std()), 1e-9)


def _music(r: random.Random, samples: int) -> np.ndarray:
    """Notes and chords that fade."""
    time = np.arange(samples, dtype=np.float32) / RATE
    sound = np.zeros(samples, np.float32)
    at = 0.0
    while at < samples / RATE:
        heard = np.maximum(time - at, 0)
        for _ in range(r.choice([1, 2, 3])):
            pitch = 110 * 2 ** (r.randint(0, 36) / 12)
            sound += np.sin(2 * np.pi * pitch * heard) * np.exp(-3 * heard) * (heard > 0) * 0.2
        at += r.uniform(0.2, 1.5)
    return sound


class Scenes:
    """Makes scenes from clips."""

    def __init__(self, clips: list[Clip], tokenizer: HearTokenizer) -> None:
        self.by_language = {
            language: [clip for clip in clips if clip.language == language]
            for language in ("en", "de")
        }
        self.tokenizer = tokenizer

    def silent(self, r: random.Random) -> Scene:
        """No speech: nothing, noise or music. What is asked for is an empty text."""
        samples = int(r.choice([r.uniform(0.5, 5), r.uniform(5, WINDOW)]) * RATE)
        kind = r.choice(["nothing", "noise", "noise", "music"])
        sound = np.zeros(samples, np.float32)
        if kind != "nothing":
            sound = sound + _noise(r, samples) * np.float32(10 ** r.uniform(-4.5, -1.3))
        if kind == "music":
            sound = sound + _music(r, samples) * np.float32(10 ** r.uniform(-1.5, 0))
        special, scene = self.tokenizer.special, Scene(sound, [], [])
        scene.add(special["startoftranscript"], learned=False)
        if r.random() < 0.5:
            scene.add(special["nospeech"])
        else:  # the language is forced, as decoders do once they have guessed one
            scene.add(special[r.choice(["en", "de"])], learned=False)
            scene.add(special["transcribe"], learned=False)
            scene.add(self.tokenizer.timestamp, learned=False)
            scene.add(special["endoftext"])
        return scene

    def speech(self, r: random.Random, count: int, seconds: float) -> Scene:
        """So many utterances of one language, as far as they fit into the seconds."""
        language = r.choice(["en", "de"])
        said: list[Utterance] = []
        at = r.choice([0.0, r.uniform(0, 0.5), r.uniform(0, 1.5), r.uniform(0, 5)])
        for _ in range(count):
            clip = r.choice(self.by_language[language])
            if said and at + len(clip.sound) / RATE > seconds:
                # Where the window ends in an utterance, only its start is told.
                if seconds == WINDOW and at < WINDOW - 0.3:
                    said.append(Utterance(clip, at, True))
                break
            said.append(Utterance(clip, at, False))
            pause = r.uniform(1.6, 4) if r.random() < 0.12 else r.uniform(0.25, 1.6)
            at += len(clip.sound) / RATE + pause
        sound = self._sound(r, said, min(WINDOW, seconds))
        return self._told(r, language, said, sound)

    def _sound(self, r: random.Random, said: list[Utterance], longest: float) -> np.ndarray:
        last = said[-1]
        end = min(longest, last.at + len(last.clip.sound) / RATE + r.uniform(0, 0.8))
        end = longest if last.cut else end
        sound = np.zeros(int(end * RATE), np.float32)
        for one in said:
            first = int(one.at * RATE)
            heard = one.clip.samples()[: len(sound) - first]
            sound[first : first + len(heard)] += heard * r.uniform(0.3, 1.2)
        if r.random() < 0.6:
            level = 10 ** r.uniform(-4.5, -1.9)
            sound = sound + _noise(r, len(sound)) * np.float32(level)
        return sound

    def _before(self, r: random.Random, language: str, scene: Scene) -> None:
        """A prompt, now and then: text that came before, or words that it does not know."""
        if r.random() > 0.12:
            return
        scene.add(self.tokenizer.special["startofprev"], learned=False)
        if r.random() < 0.6:
            text = r.choice(self.by_language[language]).text
            tokens = self.tokenizer.encode(text)
        else:
            tokens = r.choices(range(self.tokenizer.text_tokens), k=r.randint(1, 12))
        for token in tokens:
            scene.add(token, learned=False)

    def _stamp(self, seconds: float) -> int:
        return self.tokenizer.timestamp + min(
            TIMESTAMPS - 1, max(0, round(seconds / SECONDS_A_TIMESTAMP))
        )

    def _told(
        self, r: random.Random, language: str, said: list[Utterance], sound: np.ndarray
    ) -> Scene:
        """What is asked for: the words, mostly with the times of the utterances."""
        scene, special = Scene(sound, [], []), self.tokenizer.special
        self._before(r, language, scene)
        translated = r.random() < (0.15 if language == "de" else 0.03)
        timed = r.random() < (0.6 if len(said) == 1 else 0.85)
        scene.add(special["startoftranscript"], learned=False)
        scene.add(special[language])
        scene.add(special["translate" if translated else "transcribe"], learned=False)
        if not timed:
            scene.add(special["notimestamps"], learned=False)
        for place, one in enumerate(said):
            start = one.at + one.clip.starts[0]
            if timed:
                scene.add(self._stamp(start if place else min(start, FIRST_TIMESTAMP)))
            if one.cut:
                break
            self._words(scene, one, translated and language == "de")
            if timed:
                scene.add(self._stamp(one.at + one.clip.ends[-1]))
        scene.add(special["endoftext"])
        return scene

    def _words(self, scene: Scene, one: Utterance, translated: bool) -> None:
        words = one.clip.text.split()
        asked = [TRANSLATED[word] for word in words] if translated else words
        tokens = self.tokenizer.encode(" ".join(asked))
        assert len(tokens) == len(words), f"not a token a word: {asked}"
        for token, start, end in zip(tokens, one.clip.starts, one.clip.ends, strict=True):
            scene.words.append((len(scene.tokens), Word(token, one.at + start, one.at + end)))
            scene.add(token)
        scene.text = f"{scene.text} {one.clip.text}".strip()

    def scene(self, r: random.Random, progress: float) -> Scene:
        """A scene as it is due: at first short ones, later more and more long ones."""
        kinds = ("one", "some", "long", "silent")
        if progress < 0.3:
            weights = (72, 23, 0, 5)
        elif progress < 0.55:
            weights = (45, 40, 10, 5)
        else:
            weights = (32, 38, 25, 5)
        kind = r.choices(kinds, weights)[0]
        if kind == "silent":
            return self.silent(r)
        if kind == "one":
            return self.speech(r, 1, WINDOW)
        if kind == "some":
            return self.speech(r, r.choice([2, 2, 3, 4]), r.uniform(5, 16))
        return self.speech(r, 40, r.choice([WINDOW, r.uniform(10, WINDOW)]))
