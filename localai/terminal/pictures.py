"""Pictures in the terminal: kitty's and iTerm2's protocols, else half blocks, two pixels a cell.

Never in a pipe. What the terminal is, its variables say (nothing is asked of it, for an answer that
came late would be read as typed); inside tmux, which passes no protocol on unless it is told to,
half blocks are drawn. Sources: kitty's graphics protocol, iTerm2's inline images.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

from localai import settings
from localai.terminal.console import Console

if TYPE_CHECKING:
    from PIL.Image import Image

Protocol = Literal["kitty", "iterm2", "blocks"]

_KITTY_CHUNK: Final = 4096  # bytes of base64 in one escape
_MOST_COLUMNS: Final = 64
_VARIABLES: Final = (
    *("TERM", "TERM_PROGRAM", "LC_TERMINAL", "COLORTERM", "TMUX", "STY"),
    *("KITTY_WINDOW_ID", "WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR"),
)


def can_show(console: Console) -> bool:
    """Whether pictures may be drawn: both streams are a terminal that has colours."""
    return console.stdout.terminal and console.animated and console.color_err


def protocol(variables: dict[str, str] | None = None) -> Protocol:
    """Return how this terminal is given a picture."""
    found = settings.variables(_VARIABLES) if variables is None else variables
    term, program = found.get("TERM", ""), found.get("TERM_PROGRAM", "")
    if found.get("TMUX") or found.get("STY") or term.startswith(("screen", "tmux")):
        return "blocks"
    if (
        {"KITTY_WINDOW_ID", "GHOSTTY_RESOURCES_DIR"} & set(found)
        or "kitty" in term
        or program == "ghostty"
    ):
        return "kitty"
    inline = program in ("iTerm.app", "WezTerm", "vscode") or "WEZTERM_PANE" in found
    return "iterm2" if inline or found.get("LC_TERMINAL") == "iTerm2" else "blocks"


def show(console: Console, image: Image) -> None:
    """Draw a finished picture below what is there."""
    columns, rows = cells_for(image.width, image.height, console.width)
    match protocol():
        case "kitty":
            console.prompt("".join(_kitty(_png(image), columns, rows)) + "\n")
        case "iterm2":
            data = base64.b64encode(_png(image)).decode()
            console.prompt(f"\x1b]1337;File=inline=1;width={columns};height={rows}:{data}\x07\n")
        case "blocks":
            console.prompt(_blocks(image, columns, rows))


def cells_for(width: int, height: int, most_columns: int) -> tuple[int, int]:
    """Return the columns and rows that a picture of a size is drawn in; a cell is 1 x 2 pixels."""
    most_rows = max(2, shutil.get_terminal_size().lines // 2)  # what was there stays in sight
    columns = max(2, min(most_columns - 1, _MOST_COLUMNS))
    rows = max(1, round(columns * height / width / 2))
    if rows > most_rows:
        rows = most_rows
        columns = max(1, min(columns, round(rows * 2 * width / height)))
    return columns, rows


def _png(image: Image) -> bytes:
    data = BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _kitty(png: bytes, columns: int, rows: int) -> Iterator[str]:
    data = base64.b64encode(png).decode()
    chunks = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    for at, chunk in enumerate(chunks):
        first = f"a=T,f=100,q=2,c={columns},r={rows}," if at == 0 else ""
        yield f"\x1b_G{first}m={int(at < len(chunks) - 1)};{chunk}\x1b\\"


def _blocks(image: Image, columns: int, rows: int) -> str:
    """Return lines of upper half blocks: the colour is the upper pixel, the ground the lower."""
    small = image.convert("RGB").resize((columns, 2 * rows))
    data = small.tobytes()
    pixels = [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]
    many = settings.variables(("COLORTERM",)).get("COLORTERM", "") in ("truecolor", "24bit")
    lines = []
    for row in range(rows):
        upper = pixels[2 * row * columns : (2 * row + 1) * columns]
        lower = pixels[(2 * row + 1) * columns : (2 * row + 2) * columns]
        cells = (_cell(above, below, many) for above, below in zip(upper, lower, strict=True))
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def _cell(above: tuple[int, ...], below: tuple[int, ...], many: bool) -> str:
    if many:
        (r, g, b), (s, h, c) = above, below
        return f"\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m\u2580"
    return f"\x1b[38;5;{_indexed(above)};48;5;{_indexed(below)}m\u2580"


def _indexed(rgb: tuple[int, ...]) -> int:
    """Return the nearest colour of the 6 x 6 x 6 cube of 256-colour terminals."""
    r, g, b = (min(5, max(0, round((value - 35) / 40))) for value in rgb)
    return 16 + 36 * r + 6 * g + b


class LivePicture:
    """A picture on its way, drawn over the one before; gone when the block ends.

    In half blocks everywhere: they are small, and can be drawn over.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rows = 0  # that the last one took

    def __enter__(self) -> LivePicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def update(self, width: int, height: int, rgb: bytes) -> None:
        """Draw the next one."""
        from PIL import Image

        image = Image.frombytes("RGB", (width, height), rgb)
        columns, rows = cells_for(width, height, self._console.width)
        self.clear()
        self._console.prompt(_blocks(image, columns, rows))
        self._rows = rows

    def clear(self) -> None:
        """Take it off the screen."""
        if self._rows:
            self._console.prompt(f"\x1b[{self._rows}A\r\x1b[J")
            self._rows = 0
