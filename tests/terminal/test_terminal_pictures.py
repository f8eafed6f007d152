"""Pictures in the terminal: half blocks on a screen, protocols by their bytes, nothing in a pipe."""

from __future__ import annotations

import base64
import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pyte
import pytest
from PIL import Image

from localai import settings
from localai.terminal import pictures
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from tests.conftest import PATIENCE, ROOT, command, run
from tests.support.draw_models import tiny_folder

__all__ = ["tiny_folder"]  # a fixture


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, "blocks"),
        ({}, "blocks"),
    ],
)
def test_the_terminal_says_what_it_is(variables: dict[str, str], protocol: str) -> None:
    assert pictures.protocol(variables) == protocol


class Tty(io.BytesIO):
    def isatty(self) -> bool:
        return True


def console() -> tuple[Console, Tty]:
    out = Tty()
    stream = Stream(out)
    return Console(stream, stream, stream, color=True), out


RED = Image.new("RGB", (64, 64), (255, 0, 0))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.variables(
        ("TERM", "LC_TERMINAL", "COLORTERM", "TMUX", "STY", "KITTY", "WEZTERM", "GHOSTTY")
    ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")


def test_kitty_gets_the_whole_png_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITTY_WINDOW_ID", "1")
    noise = Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3))
    shown, out = console()
    pictures.show(shown, noise)
    found = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", out.getvalue())
    assert len(found) > 2 and found[0][0].startswith(b"a=T,f=100,q=2,")
    assert [keys[-3:] for keys, _ in found] == [b"m=1"] * (len(found) - 1) + [b"m=0"]
    assert all(len(data) <= 4096 for _, data in found)
    with Image.open(io.BytesIO(base64.b64decode(b"".join(data for _, data in found)))) as image:
        assert image.tobytes() == noise.tobytes()


def test_iterm2_gets_the_whole_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM_PROGRAM", "iTerm.app")
    shown, out = console()
    pictures.show(shown, RED)
    found = re.fullmatch(
        rb"\x1b\]1337;File=inline=1;width=\d+;height=\d+:(.*)\x07\n", out.getvalue()
    )
    assert found
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as image:
        assert image.tobytes() == RED.tobytes()


@pytest.mark.parametrize(
    ("many", "codes"), [("truecolor", b"38;2;255;0;0;48;2;255;0;0"), ("", b"38;5;196;48;5;196")]
)
def test_half_blocks_have_the_colours(
    monkeypatch: pytest.MonkeyPatch, many: str, codes: bytes
) -> None:
    monkeypatch.setenv("COLORTERM", many)
    shown, out = console()
    pictures.show(shown, RED)
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == 20 and all(line.endswith("\x1b[0m") for line in lines)
    assert codes in out.getvalue()
    assert {line.count("\u2580") for line in lines} == {40}


@pytest.mark.parametrize(
    ("size", "columns"), [((64, 64), 80), ((2000, 10), 80), ((10, 2000), 80), ((64, 64), 12)]
)
def test_a_picture_of_any_shape_stays_on_the_screen(size: tuple[int, int], columns: int) -> None:
    across, down = pictures.cells_for(*size, columns)
    assert 1 <= across < columns and 1 <= down <= 20


def test_a_live_picture_leaves_nothing() -> None:
    shown, out = console()
    with pictures.LivePicture(shown) as live:
        live.update(8, 8, bytes(192))
        live.update(8, 8, b"\xff" * 192)
    screen = pyte.Screen(80, 40)
    pyte.ByteStream(screen).feed(out.getvalue().replace(b"\n", b"\r\n"))
    assert "".join(screen.display).strip() == ""


class Screen:
    """A command on a terminal of its own, watched as it draws."""

    def __init__(
        self, arguments: tuple[str, ...], columns: int, rows: int = 40, stdout: int | None = None
    ) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen = pyte.Screen(columns, rows)
        self.shots: list[list[str]] = []
        stream = pyte.ByteStream(self.screen)
        process = subprocess.Popen(
            command(*arguments),
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
            },
        )
        os.close(slave)
        end = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < end:
            if not select.select([master], [], [], 0.05)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                stream.feed(os.read(master, 1 << 20))
            except OSError:
                break
            self.shots.append([line.rstrip() for line in self.screen.display])
        os.close(master)
        self.code = process.wait(PATIENCE)


@pytest.mark.parametrize("columns", [120, 40])
def test_previews_and_the_picture_on_a_screen(
    columns: int, home: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "cache" / "localai").mkdir(parents=True)
    (home / "cache" / "localai" / "tiny-draw-1").symlink_to(tiny_folder)
    monkeypatch.chdir(tmp_path)
    for name in ("COLUMNS", "LINES"):
        monkeypatch.delenv(name)
    words = ("sd", "-m", "tiny", "a red apple", "--seed", "1", "--steps", "15", "--size", "96")
    shown = Screen(words, columns)
    assert shown.code == 0, shown.shots[-1]
    lines = shown.shots[-1]
    blocks = [line for line in lines if line and set(line) == {"\u2580"}]
    assert 10 <= len(blocks) <= 20 and len({len(line) for line in blocks}) == 1
    assert [line for line in lines if line][-1] == "a-red-apple-1.png"
    assert len([line for line in lines if line]) == len(blocks) + 1, (
        "previews and progress are gone"
    )
    row = next(at for at, line in enumerate(lines) if line in blocks)
    cell = shown.screen.buffer[row + 2][2]
    assert int(cell.fg[:2], 16) > 200 > 60 > int(cell.fg[2:4], 16)
    drawing = [shot for shot in shown.shots if any("drawing tiny" in line for line in shot)]
    assert any(re.search(r"drawing tiny  \d+/15 steps", line) for shot in drawing for line in shot)
    assert any("\u2580" in line for shot in drawing for line in shot), (
        "a preview with progress below"
    )


def test_no_picture_in_a_pipe(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("sd", "-m", "tiny", "a red apple", "--seed", "1")
    assert (done.stdout, done.stderr) == (b"a-red-apple-1.png\n", b"")
    reader, writer = os.pipe()
    shown = Screen(("sd", "-m", "tiny", "a red apple", "--seed", "2"), 80, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as file:
        assert file.read() == b"a-red-apple-2.png\n"
    assert not any("\u2580" in line for shot in shown.shots for line in shot)
    quiet = Screen(("sd", "-m", "tiny", "a red apple", "--seed", "3", "--no-preview"), 80)
    assert "".join(quiet.shots[-1]) == "a-red-apple-3.png"
