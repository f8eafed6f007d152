"""A seance in real time: a question interrupts at once; what has failed is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest

from localai.errors import LocalaiError
from localai.media.playback import MutedPlayer, Player
from localai.seance import prompts
from localai.seance.band import BANDS
from localai.seance.box import RATE, BoxSettings, BoxStep, SpiritBox
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.hearing import Question
from localai.seance.live import LiveSeance
from localai.seance.log import SeanceLog
from localai.seance.performer import Performer
from localai.seance.recording import Recordings
from localai.seance.session import Seance, SeanceOptions
from localai.speech.session import SpokenClip
from tests.conftest import until
from tests.support.scripted_model import ScriptedModel


class Seen:
    """What was shown, and when."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Any]] = []
        self.steps = 0
        self.warnings: list[str] = []

    def show(self, event: QuestionAsked | AnswerGiven | BoxStep) -> None:
        if isinstance(event, BoxStep):
            self.steps += 1
        else:
            self.events.append((time.monotonic(), event))

    @property
    def texts(self) -> list[str]:
        return [event.text for _, event in self.events]


class LongVoice:
    """A voice that takes its time: ten seconds a sentence."""

    def say(self, text: str, language: str = "") -> SpokenClip:
        return SpokenClip(np.full(RATE * 10, 0.1, np.float32), RATE)


@contextmanager
def live(
    script: list[str],
    *,
    voice: Any = None,
    player: Player | None = None,
    count: int | None = None,
) -> Iterator[tuple[LiveSeance, Seen, ScriptedModel]]:
    seen, model = Seen(), ScriptedModel(script)
    options = SeanceOptions(seed=7, language="en", languages=("en",))
    seance = Seance(model, prompts.load(), options)
    box = SpiritBox(BoxSettings(BANDS["fm"], step=50, seed=7))
    with ExitStack() as opened:
        log = opened.enter_context(SeanceLog(None, None, {}, force=False))
        files = opened.enter_context(Recordings(None, None, force=False))
        performer = Performer(box, voice, log, files, seen.warnings.append)
        answers: Callable[..., Any] = lambda q, stale: seance.ask(q.text, q.language, stale)  # noqa: E731
        held = LiveSeance(
            answers, performer, player or MutedPlayer(RATE), seen.show, seen.warnings.append, count
        )
        with held:
            held.begin()
            yield held, seen, model


def test_the_sweep_runs_before_anybody_asks() -> None:
    with live([]) as (held, seen, model):
        until(lambda: seen.steps > 5)
        assert not seen.events and not model.requests and held.idle


def test_it_answers_and_goes_on_until_the_next_question() -> None:
    with live(["One.", "Two.", "Three.", "Four."]) as (held, seen, _):
        held.ask(Question("Who?", "en"))
        until(lambda: len(seen.events) >= 3)
        assert seen.texts[:3] == ["Who?", "One.", "Two."]


def test_a_question_interrupts_at_once_and_stale_speech_is_thrown_away() -> None:
    with live(["One.", "Stale.", "Staler.", "New."], voice=LongVoice()) as (held, seen, model):
        held.ask(Question("First?", "en"))
        until(lambda: "One." in seen.texts)
        until(lambda: len(model.requests) == 3)  # two more wait for their turn
        asked = time.monotonic()
        held.ask(Question("Second?", "en"))
        until(lambda: "New." in seen.texts)
        came = next(at for at, event in seen.events if event.text == "New.")
        assert came - asked < 2.0  # and not after the ten seconds of what was being said
        assert seen.texts == ["First?", "One.", "Second?", "New."]


def test_many_questions_at_once_answer_the_last() -> None:
    with live([f"Answer {n}." for n in range(50)], voice=LongVoice()) as (held, seen, _):
        for n in range(20):
            held.ask(Question(f"Question {n}?", "en"))
        until(lambda: seen.texts and seen.texts[-1].startswith("Answer"))
        last = [text for text in seen.texts if text.startswith("Question")][-1]
        assert last == "Question 19?"


def test_so_many_lines_and_then_silence() -> None:
    with live(["One.", "Two.", "Three."], count=2) as (held, seen, _):
        held.ask(Question("Who?", "en"))
        until(lambda: held.idle and len(seen.events) == 3)
        assert seen.texts == ["Who?", "One.", "Two."]


def test_a_pause_holds_everything_and_a_question_ends_it() -> None:
    with live(["One.", "Two."]) as (held, seen, _):
        until(lambda: seen.steps > 2)
        held.paused = True
        time.sleep(0.3)
        before = seen.steps
        time.sleep(0.3)
        assert seen.steps <= before + 1
        held.ask(Question("Who?", "en"))
        until(lambda: "One." in seen.texts)


def test_the_volume_is_that_of_what_is_played() -> None:
    peaks: list[int] = []

    class Loudspeaker(MutedPlayer):
        def _take(self, data: bytes) -> None:
            peaks.append(int(np.abs(np.frombuffer(data, "<i2").astype(int)).max()))
            super()._take(data)

    with live([], player=Loudspeaker(RATE)) as (held, _, _):
        until(lambda: max(peaks, default=0) > 100)  # the noise of the sweep
        held.volume = 0.0
        until(lambda: peaks[-1] == 0)
        held.volume = 1.0
        until(lambda: peaks[-1] > 100)


def test_a_device_that_goes_away_is_told_once_and_the_words_go_on() -> None:
    class Unplugged(MutedPlayer):
        def _take(self, data: bytes) -> None:
            raise LocalaiError("the sound device is gone")

    with live(["One.", "Two."], player=Unplugged(RATE)) as (held, seen, _):
        held.ask(Question("Who?", "en"))
        until(lambda: "Two." in seen.texts)
        assert len(seen.warnings) == 1 and "gone" in seen.warnings[0]


def test_a_voice_that_fails_is_told_once_and_the_words_go_on() -> None:
    class Hoarse:
        def say(self, text: str, language: str = "") -> SpokenClip:
            raise LocalaiError("it has lost its voice")

    with live(["One.", "Two."], voice=Hoarse()) as (held, seen, _):
        held.ask(Question("Who?", "en"))
        until(lambda: "Two." in seen.texts)
        assert seen.warnings == ["there is no voice: it has lost its voice"]


def test_a_model_that_fails_ends_the_seance_with_its_reason() -> None:
    class Broken(ScriptedModel):
        def ask(self, request: Any) -> Any:
            raise LocalaiError("the engine's process ended")

    with live([]) as (held, _, model):
        model.ask = Broken([]).ask  # type: ignore[method-assign]
        held.ask(Question("Who?", "en"))
        until(lambda: held.failure)
        with pytest.raises(LocalaiError, match="process ended"):
            held.raise_failure()


def test_a_question_that_is_too_long_is_told_and_the_next_one_is_answered() -> None:
    with live(["I am here."]) as (held, seen, _):
        held.ask(Question("word " * 9000, "en"))
        until(lambda: seen.warnings)
        assert "tokens" in seen.warnings[0]
        until(lambda: held.idle)
        held.ask(Question("Who?", "en"))
        until(lambda: "I am here." in seen.texts)
        assert held.failure is None


def test_nothing_is_left_running() -> None:
    before = threading.active_count()
    with live(["One."] * 3, voice=LongVoice()) as (held, seen, _):
        held.ask(Question("Who?", "en"))
        until(lambda: "One." in seen.texts)
    assert threading.active_count() == before
