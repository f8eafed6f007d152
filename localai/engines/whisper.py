"""The hearing engine: speech to segments, with faster-whisper on CTranslate2.

A long sound is decoded and heard piece by piece: the library takes 9.6 GB, and more than a minute
to the first word, for three hours at once. Decoding is sequential with voice activity detection
and word times, and not conditioned on the text before: that made the fewest word errors, and times
that subtitles can rely on. `batch` decodes pieces of speech together, for plain text alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from localai.catalog.whisper import is_whole
from localai.engines.base import Call, SerialEngine
from localai.engines.listening import Listener
from localai.errors import BadInput, BadModel, LocalaiError
from localai.formats.text import shown
from localai.media.clips import RATE, after
from localai.media.hallucinations import HallucinationFilter
from localai.media.pieces import LONGEST, AudioPiece, pieces
from localai.media.segments import Segment, Word, moved
from localai.media.sound import Sound, open_sound
from localai.media.transcription import (
    SURE,
    HeardSummary,
    Language,
    PieceHeard,
    SoundSource,
    SpeechEnded,
    TranscriptionRequest,
)
from localai.system.cpus import physical_cores
from localai.types import Event, ModelSpec, Progress

_SILENCE = 2.0  # seconds without speech over which words are taken for invented
_BATCH = 8  # pieces of speech that are decoded together
_LOOKED_AT = 30  # seconds of speech that tell its language
_DISTILLED = ("turbo", "distil")  # in the names of models that were never taught to translate


class WhisperEngine(SerialEngine):
    """Writes down speech with a Whisper model: a CTranslate2 folder."""

    def load(self, spec: ModelSpec) -> None:
        """Load the model onto a GPU where there is one that works, else for the CPU.

        Raises
        ------
        BadModel
            The folder is not complete, or the library refuses it.
        """
        folder = Path(spec.files[0])
        _check(folder)
        self._distilled = any(mark in f"{spec.name} {folder}".lower() for mark in _DISTILLED)
        import ctranslate2
        from faster_whisper import WhisperModel

        threads = int(spec.options.get("threads", 0)) or physical_cores()
        wants_gpu = spec.options.get("gpu_layers") != "0"
        devices = ["cuda"] if wants_gpu and ctranslate2.get_cuda_device_count() else []
        for device in (*devices, "cpu"):
            try:
                self._model = WhisperModel(
                    str(folder), device=device, compute_type="auto", cpu_threads=threads,
                    local_files_only=True,
                )  # fmt: skip
                _try(self._model)
            except (RuntimeError, ValueError, OSError) as error:
                if device == "cpu":
                    raise BadModel(
                        f"faster-whisper cannot load {shown(folder)}: {error}",
                        "fetch the model anew, or take another one",
                    ) from None
                self.trouble = str(error)  # the CPU does it, only slower
            else:
                self.device = "GPU" if device == "cuda" else "CPU"
                break

    def run(self, call: Call, cancelled: Callable[[], bool]) -> Iterator[Event]:
        """Yield what is heard: language, segments, and how far it is."""
        request: TranscriptionRequest = call.request
        if not self._model.model.is_multilingual:
            _refuse_other_languages(request)
        elif request.translate and self._distilled:
            raise BadInput(
                "this model was made smaller without translating: it would write down the "
                "language that is spoken",
                "take another one: -m medium",
            )
        if request.listen is not None:
            listener = Listener(_descriptor(request, call.files), request.listen)
            for seconds in listener.seconds(cancelled):
                yield Progress("reading", seconds, 0, "seconds")
            yield SpeechEnded(len(listener.data) / 2 / RATE)
            sound = open_sound(io.BytesIO(listener.data), name=request.source.name, raw_rate=RATE)
        else:
            sound = _opened(request, call.files)
        with sound:
            heard = _Transcription(self._model, self.device, request, sound)
            yield from heard.detected() if request.detect else heard.events()


class _Transcription:
    """One sound on its way."""

    def __init__(
        self, model: Any, device: str, request: TranscriptionRequest, sound: Sound
    ) -> None:
        self._model, self._device = model, device
        self._request, self._sound = request, sound
        self._language = request.language
        self._filter = HallucinationFilter()
        for segment in request.before:
            self._filter.remember(segment)
        self._heard = self._speech = 0.0  # seconds

    def detected(self) -> Iterator[Event]:
        """Yield the language that is spoken; nothing where nobody speaks."""
        for piece in self._pieces():
            if (found := self._spoken(piece)) is not None:
                yield found
                return
            yield Progress("working", piece.end / RATE, self._sound.info.duration or 0, "seconds")

    def events(self) -> Iterator[Event]:
        """Yield the events of the whole sound."""
        total = self._sound.info.duration or 0.0
        if self._language:
            yield Language(self._language, 1.0)
        for piece in self._pieces():
            for event in self._piece(piece):
                yield event
                if isinstance(event, Segment):
                    yield Progress("working", event.end, total, "seconds")
            self._heard += len(piece.samples) / RATE
            yield PieceHeard(piece.end)
            yield Progress("working", piece.end / RATE, total, "seconds")
        dropped = self._filter.dropped
        yield HeardSummary(
            round(self._heard, 3),
            round(self._speech, 3),
            self._device,
            str(self._model.model.compute_type),
            dropped.lines,
            dropped.loops,
            dropped.invented,
            max(1, self._sound.info.channels),
            self._sound.damaged,
        )

    def _pieces(self) -> Iterator[AudioPiece]:
        request = self._request
        clips = after(request.clips, request.begin)
        # None are left where an earlier run heard them all: to `blocks` that would mean the whole.
        blocks = self._sound.blocks(*clips) if clips else ()
        found = pieces(blocks, first=LONGEST if request.begin else None)
        if (first := next(found, None)) is not None:
            yield first
            yield from found
        elif request.clips and not request.begin:
            length = self._sound.info.duration
            ends = "ends" if length is None else f"ends after {length:.1f} s,"
            what = f"{self._sound.name} {ends} before the part that is asked for begins"
            raise BadInput(what, "give an earlier time")

    def _piece(self, piece: AudioPiece) -> Iterator[Event]:
        request = self._request
        if self._language is None and request.languages and (best := self._spoken(piece)):
            self._language = best.code
            yield best
        found, about = self._transcribe(piece)
        self._speech += about.duration_after_vad
        if about.duration_after_vad and self._language is None:
            # What was only guessed at is guessed again in the next piece.
            yield Language(about.language, about.language_probability)
            if about.language_probability >= SURE:
                self._language = about.language
        for each in found:
            segment = moved(_segment(each), piece.start / RATE)
            if (kept := self._filter.take(segment)) is not None:
                yield kept

    def _transcribe(self, piece: AudioPiece) -> tuple[Iterable[Any], Any]:
        request = self._request
        options: dict[str, Any] = {
            "language": self._language,
            "task": "translate" if request.translate else "transcribe",
            "beam_size": request.beam_size,
            "initial_prompt": request.prompt or None,
            "hotwords": request.hotwords or None,
        }
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.batch:
            from faster_whisper import BatchedInferencePipeline

            pipeline = BatchedInferencePipeline(self._model)
            found: tuple[Iterable[Any], Any] = pipeline.transcribe(
                piece.samples, batch_size=_BATCH, without_timestamps=True, **options
            )
            return found
        found = self._model.transcribe(
            piece.samples,
            vad_filter=True,
            word_timestamps=request.word_times,
            condition_on_previous_text=False,
            hallucination_silence_threshold=_SILENCE if request.word_times else None,
            **options,
        )
        return found

    def _spoken(self, piece: AudioPiece) -> Language | None:
        """Return the likeliest of the languages that are asked for; None where nobody speaks."""
        from faster_whisper.vad import get_speech_timestamps

        if not (speech := get_speech_timestamps(piece.samples)):
            return None
        if not self._model.model.is_multilingual:
            return Language("en", 1.0)
        said = [piece.samples[each["start"] : each["end"]] for each in speech]
        _, _, ranked = self._model.detect_language(np.concatenate(said)[: _LOOKED_AT * RATE])
        known = dict(ranked)
        code = max(self._request.languages or known, key=lambda each: known.get(each, 0.0))
        return Language(code, round(float(known.get(code, 0.0)), 4))


def _refuse_other_languages(request: TranscriptionRequest) -> None:
    """Refuse what a model for English would write down as if it were English."""
    another = "take a model whose name has no .en: -m small"
    if request.translate:
        raise BadInput("this model knows English alone: it cannot translate", another)
    if request.language not in (None, "en"):
        raise BadInput(f"this model knows English alone, not {request.language}", another)


def _segment(each: Any) -> Segment:
    words = tuple(
        Word(float(word.start), float(word.end), word.word, float(word.probability))
        for word in each.words or ()
    )
    return Segment(
        float(each.start),
        float(each.end),
        each.text,
        words,
        float(each.no_speech_prob),
        float(each.avg_logprob),
    )


def _opened(request: TranscriptionRequest, files: tuple[int, ...]) -> Sound:
    source: SoundSource = request.source
    return open_sound(
        source.path if source.file is None else _descriptor(request, files),
        name=source.name,
        channel=request.channel,
        raw_rate=request.raw_rate,
    )


def _descriptor(request: TranscriptionRequest, files: tuple[int, ...]) -> int:
    place = request.source.file
    if place is None or not 0 <= place < len(files):
        raise LocalaiError("a sound was to come by a descriptor that is not there")
    return files[place]


def _check(folder: Path) -> None:
    """Refuse a folder that is not complete: the library would look the rest up on the hub."""
    if not is_whole(folder):
        raise BadModel(
            f"{shown(folder)} is no whole Whisper model for CTranslate2: it needs model.bin, "
            "config.json, tokenizer.json and a vocabulary",
            "name such a folder, or a size like small",
        )


def _try(model: Any) -> None:
    """Compute something: a GPU's libraries are loaded at their first use."""
    if not model.model.is_multilingual:
        model.encode(model.feature_extractor(np.zeros(RATE, np.float32)))
        return
    model.detect_language(np.zeros(RATE, np.float32))
