"""Piper voices: a text's sounds through espeak-ng, the samples through onnxruntime.

A voice is a VITS model (Kim et al. 2021) that takes the numbers of phonetic letters; its JSON file
says which number each letter has. Letters stand between `^` and `$`, with `_` behind each, as the
voices were trained. No code of piper-tts is used: its licence is the GPL.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from localai.engines.speak_espeak import Espeak
from localai.errors import BadInput, BadModel, EngineMissing
from localai.formats.sentences import pieces
from localai.formats.text import shown
from localai.media.speech import SpeakRequest
from localai.media.wav import encoded

_CLAUSE = re.compile(r"([.,;:!?\u2026]+)")
_FLAG = re.compile(r"\([a-z-]+\)")  # where espeak-ng changes the language
_MOST_SYMBOLS = 2000  # of one piece: memory grows with its square


class PiperConfig(NamedTuple):
    """What the JSON file of a voice says.

    Attributes
    ----------
    rate : int
        Hz.
    espeak_voice : str
        How espeak-ng calls the language.
    ids : mapping
        Phonetic letter to its numbers.
    scales : tuple of float
        Noise, length and noise of lengths, as the voice was tuned.
    speakers : mapping
        Name to number, where the voice has several.
    """

    rate: int
    espeak_voice: str
    ids: Mapping[str, list[int]]
    scales: tuple[float, float, float]
    speakers: Mapping[str, int]
    voices: int  # how many speakers it has


class PiperVoice:
    """A Piper voice, loaded.

    Parameters
    ----------
    model, config : Path
        The `.onnx` file and the `.onnx.json` file.
    espeak : Path
        Where espeak-ng is, as `catalog.voices.espeak` returns it.

    Raises
    ------
    BadModel
        One of the files is damaged, or of another kind.
    EngineMissing
        onnxruntime is not installed.
    """

    def __init__(self, model: Path, config: Path, espeak: Path, threads: int = 1) -> None:
        self.config = read_config(config)
        self._espeak = Espeak(espeak)
        try:
            import onnxruntime
        except ImportError:
            raise EngineMissing("onnxruntime is missing", "pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4
        self._runtime = onnxruntime
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library has a class for each of its troubles
            why = str(error).splitlines()[0][:200]
            raise BadModel(
                f"{shown(model)} is no Piper voice that can be loaded: {shown(why)}",
                "fetch it anew, or take another voice",
            ) from None
        self._takes = {each.name for each in self._session.get_inputs()}

    def speak(self, request: SpeakRequest, path: Path, cancelled: Callable[[], bool]) -> None:
        """Write a text as a WAV file."""
        speaker = self._speaker(request.variant)
        if request.seed is not None:
            self._runtime.set_seed(request.seed % 2**31)
        pieces = [np.zeros(0, np.float32)]
        for ids in self._symbols(request.text):
            if cancelled():
                return
            pieces.append(self._samples(ids, request.speed, speaker))
        path.write_bytes(encoded(np.concatenate(pieces), self.config.rate))

    def close(self) -> None:
        """End espeak-ng's process."""
        self._espeak.close()

    def _speaker(self, variant: str) -> int:
        if not variant:
            return 0
        if variant in self.config.speakers:
            return self.config.speakers[variant]
        if variant.isdecimal() and int(variant) < self.config.voices:
            return int(variant)
        names = ", ".join(list(self.config.speakers)[:10]) or "one speaker alone"
        raise BadInput(f"this voice has no speaker {shown(variant)[:40]}", f"it has {names}")

    def _symbols(self, text: str) -> list[list[int]]:
        """Return the numbers of a text, in pieces that the model takes at once."""
        clauses = _CLAUSE.split(text)
        whole: list[list[int]] = [[]]
        for at in range(0, len(clauses), 2):
            mark = clauses[at + 1][0] if at + 1 < len(clauses) else ""
            sounds = self._clause(clauses[at].strip(), "." if mark == "\u2026" else mark)
            for piece in pieces(sounds, _MOST_SYMBOLS):
                ids = [number for each in f"{piece} " for number in self.config.ids.get(each, ())]
                if len(whole[-1]) + len(ids) > _MOST_SYMBOLS:
                    whole.append([])
                whole[-1] += ids
        return [self._framed(ids) for ids in whole if ids]

    def _clause(self, text: str, mark: str) -> str:
        """Return the phonetic letters of a clause and the mark behind it."""
        if not any(char.isalnum() for char in text):
            return ""
        sounds = _FLAG.sub("", self._espeak.phonemes(text, self.config.espeak_voice))
        return unicodedata.normalize("NFD", sounds) + mark

    def _framed(self, ids: list[int]) -> list[int]:
        table = self.config.ids
        pad = table["_"]
        inside = [number for each in ids for number in (each, *pad)]
        return [*table["^"], *pad, *inside, *table["$"]]

    def _samples(self, ids: list[int], speed: float, speaker: int) -> Any:
        noise, length, width = self.config.scales
        given = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([noise, length / speed, width], np.float32),
            "sid": np.array([speaker], np.int64),
        }
        taken = {name: value for name, value in given.items() if name in self._takes}
        try:
            samples = np.asarray(self._session.run(None, taken)[0], np.float32).reshape(-1)
        except Exception as error:
            why = shown(str(error).splitlines()[0])[:200]
            raise BadModel(f"the voice cannot speak: {why}", "take another voice") from None
        loudest = max(0.01, float(np.abs(samples).max(initial=0.0)))
        return samples / loudest * 0.95


def read_config(path: Path) -> PiperConfig:
    """Return what a voice's JSON file says.

    Raises
    ------
    BadModel
        It cannot be read, or lacks what is needed.
    """
    wrong = BadModel(f"{shown(path)} describes no Piper voice", "fetch it anew")
    try:
        data = json.loads(path.read_bytes())
        tuned = data.get("inference", {})
        ids = {
            str(letter): [int(number) for number in numbers]
            for letter, numbers in data["phoneme_id_map"].items()
        }
        config = PiperConfig(
            rate=int(data["audio"]["sample_rate"]),
            espeak_voice=str(data["espeak"]["voice"]),
            ids=ids,
            scales=tuple(
                float(tuned.get(name, usual))
                for name, usual in (("noise_scale", 0.667), ("length_scale", 1), ("noise_w", 0.8))
            ),  # type: ignore[arg-type]  # three of them
            speakers={str(k): int(v) for k, v in (data.get("speaker_id_map") or {}).items()},
            voices=int(data.get("num_speakers", 1)),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise wrong from None
    if not {"_", "^", "$"} <= config.ids.keys() or not 4000 <= config.rate <= 192_000:
        raise wrong
    if data.get("phoneme_type", "espeak") != "espeak":
        raise BadModel(f"{shown(path)} wants no espeak-ng, and others are not known here", "")
    return config
