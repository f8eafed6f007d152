"""The picture of a seance in the README: a frame of the screen as SVG.

    python -m tests.support.spirit_picture

What is said there was said by Gemma 3 270M (base) as the ghost, at seed 1.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from localai.seance.band import BANDS
from localai.seance.events import WordPlaced
from localai.seance.frame import STYLES, ScreenState, frame

PATH = Path(__file__).resolve().parent.parent / "golden" / "spirit.svg"
WIDTH, HEIGHT = 100, 26
SAID = "I heard her cry, she cried, my father cried."
_DARK = TerminalTheme((24, 24, 28), (220, 220, 220), [(90, 90, 90)] * 8, [(220, 220, 220)] * 8)


def state() -> ScreenState:
    """A seance in the middle of a sentence."""
    shown = ScreenState(BANDS["fm"], 97.3, 100, "forward", 80, 1, level=0.6, begun=True)
    said = (
        ("you", "Where are you?"),
        ("92.2", "In the attic, in the old-fashioned way, where my mother used to live."),
        ("96.0", SAID),
    )
    shown.said.extend(said)
    words = SAID.split()[:7]
    shown.words = [(WordPlaced(word, 0.0, 97.0), 0.3 * at) for at, word in enumerate(words)]
    return shown


def svg() -> str:
    """The picture, with no font of any other place in it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in frame(state(), WIDTH, HEIGHT, 1.9):
        text = Text()
        for style, part in line:
            text.append(part, STYLES.get(style, ""))
        console.print(text, no_wrap=True, crop=True)
    made = console.export_svg(title="localai spirit", theme=_DARK, unique_id="spirit")
    return re.sub(r"@font-face \{.*?\}\s*", "", made, flags=re.S)


if __name__ == "__main__":
    PATH.write_text(svg(), "utf-8")
