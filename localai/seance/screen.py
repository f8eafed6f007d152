"""The seance on a whole terminal: keys in, frames out (through prompt-toolkit).

The terminal is given back as it was, however it ends but by a kill that cannot be caught.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from prompt_toolkit.application import Application, get_app, run_in_terminal
from prompt_toolkit.data_structures import Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from localai.errors import LocalaiError
from localai.seance.band import BANDS, DIRECTIONS, STEPS
from localai.seance.box import BoxStep
from localai.seance.events import SILENCE, AnswerGiven, QuestionAsked, WordPlaced
from localai.seance.frame import STYLES, ScreenState, frame
from localai.seance.hearing import Question
from localai.seance.listening import QuestionListener
from localai.seance.live import LiveSeance
from localai.terminal.console import Console
from localai.terminal.tty_modes import kept_modes

_REFRESH = 0.1  # seconds between two frames
_NOTICE = 4.0  # seconds that a notice stands


class SeanceScreen:
    """Shows a live seance and does what keys ask for.

    Parameters
    ----------
    state : ScreenState
        What is shown; `show` and the keys keep it.
    language_of : callable
        A typed question's language.
    """

    def __init__(
        self, console: Console, state: ScreenState, language_of: Callable[[str], str]
    ) -> None:
        self._console, self.state, self._language_of = console, state, language_of
        self._live: LiveSeance | None = None
        self.listener: QuestionListener | None = (
            None  # hears questions, where there is a microphone
        )
        self._noticed = 0.0

    def show(self, event: QuestionAsked | AnswerGiven | BoxStep) -> None:
        """Take note of what happens; called in the thread that plays."""
        state = self.state
        if isinstance(event, BoxStep):
            state.frequency, state.level = event.frequency, event.level
            now = time.monotonic()
            state.words = [*state.words, *((word, now) for word in event.words)]
        elif isinstance(event, QuestionAsked):
            state.words = []
        else:
            state.words = []
            place = state.band.told(state.frequency).split()[0]
            state.said.append((place, event.text))
            if event.text == SILENCE:
                state.words = [(WordPlaced(SILENCE, 0.0, state.frequency), time.monotonic())]

    def warn(self, text: str) -> None:
        """Show a line below for some seconds."""
        self.state.notice, self._noticed = text, time.monotonic()

    def heard(self, question: Question) -> None:
        """Ask what was spoken; called in the thread that listens."""
        assert self._live is not None
        self.state.said.append(("you", question.text))
        self.state.words = []
        self._live.ask(question)

    def deaf(self, error: LocalaiError) -> None:
        """Say why nothing was heard; called in the thread that listens."""
        if self._live is not None:
            self._live.paused = False
        self.warn(f"{error.what}; Enter types a question")

    def run(self, live: LiveSeance) -> None:
        """Show a seance until somebody leaves, or until it fails.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C.
        LocalaiError
            Why the seance has ended by itself.
        """
        self._live = live
        app: Application[None] = Application(
            layout=Layout(Window(FormattedTextControl(self._text, show_cursor=False))),
            key_bindings=self._keys(kept_modes(self._console.stdin)),
            full_screen=True,
            refresh_interval=_REFRESH,
            style=Style.from_dict(STYLES),
            color_depth=None if self._console.color_out else ColorDepth.DEPTH_1_BIT,
            output=Vt100_Output(sys.stdout, _size, enable_cpr=False),
        )
        app.run(handle_sigint=False)
        live.raise_failure()

    def _text(self) -> StyleAndTextTuples:
        live = self._live
        assert live is not None
        if live.failure is not None and not get_app().is_done:
            get_app().exit()
        now = time.monotonic()
        if self.state.begun and self.state.notice and now - self._noticed > _NOTICE:
            self.state.notice = ""
        self.state.paused, self.state.volume = live.paused, round(live.volume * 100)
        self.state.listening = self.listener is not None and self.listener.listening
        if self.state.listening and self.listener is not None:
            self.state.level = self.listener.level
        size = get_app().output.get_size()
        found: StyleAndTextTuples = []
        for line in frame(self.state, size.columns, size.rows, now):
            found += [(f"class:{style}" if style else "", text) for style, text in line]
            found.append(("", "\n"))
        return found[:-1]

    def _keys(self, suspend: Callable[[], None]) -> KeyBindings:
        keys = KeyBindings()
        begun = Condition(lambda: self.state.begun)
        typing = Condition(lambda: self.state.typed is not None)
        for name, act in _ACTS.items():
            keys.add(name, filter=begun & ~typing)(self._act(act))

        @keys.add("c-c", eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.exit(exception=KeyboardInterrupt())

        @keys.add("c-d", eager=True)
        @keys.add("q", filter=~typing)
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("c-z", eager=True)
        def _(event: KeyPressEvent) -> None:
            run_in_terminal(suspend)

        @keys.add(Keys.Any, filter=~begun)
        def _(_: KeyPressEvent) -> None:
            self._begin()

        _typing_keys(keys, typing, self)
        return keys

    def _begin(self) -> None:
        assert self._live is not None
        self.state.begun, self._noticed = True, time.monotonic()
        self._live.begin()

    def _act(self, act: Callable[[SeanceScreen, LiveSeance], None]) -> Callable[[object], None]:
        def handle(_: object) -> None:
            assert self._live is not None
            act(self, self._live)

        return handle

    def ask_typed(self) -> None:
        """Ask what was typed; nothing typed asks nothing."""
        text, self.state.typed = (self.state.typed or "").strip(), None
        if text and self._live is not None:
            self.state.said.append(("you", text))
            self.state.words = []
            self._live.ask(Question(text, self._language_of(text)))


def _size() -> Size:
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    return Size(rows=rows or 24, columns=columns or 80)


def _typing_keys(keys: KeyBindings, typing: Condition, screen: SeanceScreen) -> None:
    """Add the keys of a question that is being typed."""
    state = screen.state

    @keys.add(Keys.Any, filter=typing)
    def _(event: KeyPressEvent) -> None:
        if event.data.isprintable():
            state.typed = (state.typed or "") + event.data

    @keys.add(Keys.BracketedPaste, filter=typing)
    def _(event: KeyPressEvent) -> None:
        state.typed = (state.typed or "") + " ".join(event.data.split())

    @keys.add("backspace", filter=typing)
    def _(_: KeyPressEvent) -> None:
        state.typed = (state.typed or "")[:-1]

    @keys.add("c-u", filter=typing)
    def _(_: KeyPressEvent) -> None:
        state.typed = ""

    @keys.add("escape", filter=typing)
    def _(_: KeyPressEvent) -> None:
        state.typed = None

    @keys.add("enter", filter=typing)
    def _(_: KeyPressEvent) -> None:
        screen.ask_typed()


def _talk(screen: SeanceScreen, live: LiveSeance) -> None:
    """Listen, where there is a microphone; else a question is typed."""
    listener = screen.listener
    if listener is None:
        _type(screen, live)
    else:
        screen.state.words = []
        listener.toggle(live)


def _type(screen: SeanceScreen, _: LiveSeance) -> None:
    screen.state.typed = ""


def _pause(_: SeanceScreen, live: LiveSeance) -> None:
    live.paused = not live.paused


def _slower(screen: SeanceScreen, live: LiveSeance) -> None:
    _set_step(screen, live, 50)


def _faster(screen: SeanceScreen, live: LiveSeance) -> None:
    _set_step(screen, live, -50)


def _set_step(screen: SeanceScreen, live: LiveSeance, more: int) -> None:
    box = live.performer.box
    box.step_ms = max(STEPS[0], min(STEPS[1], box.step_ms + more))
    screen.state.step = box.step_ms


def _turn(screen: SeanceScreen, live: LiveSeance) -> None:
    sweep = live.performer.box.sweep
    sweep.turn(DIRECTIONS[(DIRECTIONS.index(sweep.direction) + 1) % len(DIRECTIONS)])
    screen.state.direction = sweep.direction


def _next_band(screen: SeanceScreen, live: LiveSeance) -> None:
    bands = list(BANDS.values())
    band = bands[(bands.index(screen.state.band) + 1) % len(bands)]
    live.performer.box.tune(band)
    screen.state.band, screen.state.frequency = band, live.performer.box.sweep.frequency


def _louder(_: SeanceScreen, live: LiveSeance) -> None:
    live.volume = min(1.0, live.volume + 0.1)


def _softer(_: SeanceScreen, live: LiveSeance) -> None:
    live.volume = max(0.0, live.volume - 0.1)


def _mark(screen: SeanceScreen, live: LiveSeance) -> None:
    live.performer.mark()
    screen.warn(f"marked at {screen.state.band.told(screen.state.frequency)}")


_ACTS: dict[str, Callable[[SeanceScreen, LiveSeance], None]] = {
    "space": _talk,
    "enter": _type,
    "p": _pause,
    "right": _slower,
    "left": _faster,
    "r": _turn,
    "b": _next_band,
    "up": _louder,
    "down": _softer,
    "m": _mark,
}
