"""What is said, as sound on the sweep: voice, box, recording and log together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from localai.errors import LocalaiError
from localai.seance.box import RATE, BoxStep, SpiritBox
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.log import SeanceLog
from localai.seance.recording import Recordings
from localai.speech.session import Speech, SpokenClip

_SOUND = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\*[^*]*\*")  # [sighs]: no voice should read it


class Performer:
    """Gives what a seance says to the box, and the box's steps to recording and log.

    Parameters
    ----------
    speech : Speech or None
        The voice; None: words alone.
    warn : callable
        Told once, in one line, why there is no voice: the words go on.
    """

    def __init__(
        self,
        box: SpiritBox,
        speech: Speech | None,
        log: SeanceLog,
        recordings: Recordings,
        warn: Callable[[str], None],
    ) -> None:
        self.box, self._speech, self._log = box, speech, log
        self._recordings, self.warn = recordings, warn

    def spoken(self, event: QuestionAsked | AnswerGiven) -> SpokenClip | None:
        """Return the sound of what was said, of the voice's own thread."""
        if self._speech is None or not isinstance(event, AnswerGiven):
            return None
        text = _SOUND.sub(" ", event.text)
        if not any(char.isalnum() for char in text):
            return None
        try:
            return self._speech.say(text, event.language)
        except LocalaiError as error:
            self._speech = None
            self.warn(f"there is no voice: {error.what}")
            return None

    def begin(self, event: QuestionAsked | AnswerGiven, clip: SpokenClip | None) -> None:
        """Let something be said from the next step on; a question silences what was said before."""
        box = self.box
        if isinstance(event, QuestionAsked):
            box.clear()
            self._log.asked(event, round(box.time, 3))
            return
        box.say(event.text, clip.samples if clip else None, clip.rate if clip else RATE)
        self._log.answered(event, round(box.time, 3), box.sweep.frequency)

    def step(self) -> BoxStep:
        """Make a step of the box; its sound is recorded and its words are labelled."""
        step = self.box.step()
        self._recordings.add(step)
        for word in step.words:
            self._log.word(word)
        return step

    def mark(self) -> None:
        """Note that somebody has heard something here."""
        self._log.mark(round(self.box.time, 3), self.box.sweep.frequency)

    def perform(
        self, events: Iterator[QuestionAsked | AnswerGiven]
    ) -> Iterator[QuestionAsked | AnswerGiven]:
        """Yield events, each before it is said; the sound is made as fast as can be."""
        for event in events:
            clip = self.spoken(event)
            yield event
            self.begin(event, clip)
            while self.box.busy:
                self.step()
