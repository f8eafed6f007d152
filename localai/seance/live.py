"""A seance in real time: the model thinks ahead in one thread, the box plays in another.

Whoever shows it is told of each step and of what is said; a question interrupts at once, and what
was on its way is thrown away.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from localai.errors import LocalaiError, TooLong
from localai.media.playback import MutedPlayer, Player
from localai.seance.box import RATE, BoxStep
from localai.seance.events import AnswerGiven, QuestionAsked
from localai.seance.hearing import Question
from localai.seance.performer import Performer
from localai.speech.session import SpokenClip

_BLOCK = RATE // 20  # samples that are played before somebody may interrupt
_LOOK = 0.05  # seconds between two looks at whether somebody has interrupted

Shown = QuestionAsked | AnswerGiven | BoxStep
"""What whoever shows a seance is told of."""

Answers = Callable[[Question, Callable[[], bool]], Iterator[QuestionAsked | AnswerGiven]]
"""Gives the events of a question, until its second argument says that nobody listens."""


class _Ready(NamedTuple):
    """Something to be said, of one question."""

    generation: int
    event: QuestionAsked | AnswerGiven
    clip: SpokenClip | None


class LiveSeance:
    """Holds a seance until it is closed.

    Parameters
    ----------
    player : Player
        Whose pace is that of the seance.
    show : callable
        Told each step and each event, in the thread that plays.
    count : int or None
        Lines a question; None: without end.

    Attributes
    ----------
    volume : float
        0 to 1, of what is played; recordings know none.
    paused : bool
        Nothing moves, and nothing is heard.
    failure : BaseException or None
        Why it has ended by itself.
    """

    def __init__(
        self,
        answers: Answers,
        performer: Performer,
        player: Player,
        show: Callable[[Shown], None],
        warn: Callable[[str], None],
        count: int | None = None,
    ) -> None:
        self._answers, self._performer, self._player = answers, performer, player
        self._show, self._warn, self._count = show, warn, count
        self.volume, self.paused = 0.8, False
        self.failure: BaseException | None = None
        self._generation = 0
        self._done = 0  # the last question that has been answered to its end
        self._turn = threading.Lock()  # between a question and what begins to be said
        self._closed = threading.Event()
        self._wanted: queue.SimpleQueue[tuple[int, Question]] = queue.SimpleQueue()
        self._ready: queue.Queue[_Ready] = queue.Queue(1)
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for work, name in ((self._think, "spirit"), (self._play, "box"))
        ]

    def __enter__(self) -> LiveSeance:
        return self

    def begin(self) -> None:
        """Switch the box on."""
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(3.0)

    @property
    def performer(self) -> Performer:
        """What the seance is heard through."""
        return self._performer

    @property
    def idle(self) -> bool:
        """Whether nothing is being said, thought or asked."""
        done = self._done == self._generation and self._ready.empty()
        return done and not self._performer.box.busy

    def ask(self, question: Question) -> None:
        """Ask: what is being said stops, and what was about to be said never is."""
        with self._turn:
            self._generation += 1
            self._performer.box.clear()
        self.paused = False
        self._wanted.put((self._generation, question))

    def hush(self) -> None:
        """Say nothing more to the last question, and stand still: somebody is about to speak."""
        with self._turn:
            self._generation += 1
            self._done = self._generation
            self._performer.box.clear()
        self.paused = True

    def raise_failure(self) -> None:
        """Raise why the seance has ended by itself, if it has."""
        if self.failure is not None:
            raise self.failure

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # told by whoever waits in the main thread
            self.failure = self.failure or error
            self._closed.set()

    def _think(self) -> None:
        """Answer questions, always the last one."""
        while not self._closed.is_set():
            try:
                generation, question = self._wanted.get(timeout=_LOOK)
            except queue.Empty:
                continue
            if generation != self._generation:
                continue

            def stale(mine: int = generation) -> bool:
                return mine != self._generation or self._closed.is_set()

            try:
                self._answer(generation, question, stale)
            except TooLong as error:  # the next question may fit
                self._warn(error.what)
            self._done = max(self._done, generation)

    def _answer(self, generation: int, question: Question, stale: Callable[[], bool]) -> None:
        limit = None if self._count is None else self._count + 1
        with closing(self._answers(question, stale)) as events:  # type: ignore[type-var]
            for event in islice(events, limit):
                clip = self._performer.spoken(event)
                self._hand_over(_Ready(generation, event, clip), stale)

    def _hand_over(self, ready: _Ready, stale: Callable[[], bool]) -> None:
        while not stale():
            try:
                self._ready.put(ready, timeout=_LOOK)
                return
            except queue.Full:
                pass

    def _play(self) -> None:
        """Make and play the steps of the box, and begin what is to be said when it is silent."""
        while not self._closed.is_set():
            if self.paused:
                self._closed.wait(_LOOK)
                continue
            self._begin_next()
            generation = self._generation
            step = self._performer.step()
            self._show(step)
            for at in range(0, len(step.samples), _BLOCK):
                if generation != self._generation or self._closed.is_set():
                    break
                self._sound(step.samples[at : at + _BLOCK] * self.volume)

    def _begin_next(self) -> None:
        while not self._performer.box.busy:
            try:
                ready = self._ready.get_nowait()
            except queue.Empty:
                return
            with self._turn:
                if ready.generation != self._generation:
                    continue
                self._performer.begin(ready.event, ready.clip)
            self._show(ready.event)

    def _sound(self, samples: object) -> None:
        try:
            self._player.play(samples)  # type: ignore[arg-type]
        except LocalaiError as error:
            self._warn(f"{error.what}; it goes on in silence")
            self._player = MutedPlayer(RATE)
