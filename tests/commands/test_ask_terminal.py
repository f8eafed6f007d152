"""`localai ask` in a real terminal: what stands on the screen, and what never reaches it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, ROOT, settled, until
from tests.support.terminal_run import TerminalRun

pytestmark = pytest.mark.usefixtures("warmth")

CAPITAL = "What is the capital of France?"
PARIS = "The capital of France is Paris."
COUNT = "Count to 18."
COUNTED = ", ".join(map(str, range(1, 19))) + "."
GOAT = "The goat lives in the valley. It eats grass. It sleeps at dawn."
POINTS = ["- lives in the valley", "- eats grass", "- sleeps at dawn"]
LONG = ("--unbuffered", "--regex", "([a-z]{3} ){900}", "go")
SLOW = "The wolves sleep in the forest. " * 280  # takes longer to read than progress waits


@pytest.fixture
def terminal() -> Iterator[Callable[..., TerminalRun]]:
    """Opens terminals and closes them."""
    opened: list[TerminalRun] = []

    def make(*arguments: str, columns: int = 80, **more: Any) -> TerminalRun:
        always = ("ask", "-m", "tiny", "--temp", "0")
        opened.append(TerminalRun(*always, *arguments, columns=columns, **more))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.mark.parametrize("columns", [40, 120])
def test_the_answer_is_wrapped_between_words_and_ends_on_a_line_of_its_own(
    columns: int, terminal: Callable[..., TerminalRun]
) -> None:
    shown = terminal("-n", "80", COUNT, columns=columns).read()
    assert shown.process.returncode == 0
    assert " ".join(shown.lines) == COUNTED
    assert len(shown.lines) == (2 if columns == 40 else 1)
    assert all(line.endswith((",", ".")) for line in shown.lines), "a word was broken"
    assert (shown.screen.cursor.x, shown.screen.cursor.y) == (0, len(shown.lines))
    assert termios.tcgetattr(shown.slave) == shown.state


@pytest.mark.parametrize("columns", [40, 120])
def test_markdown_is_styled_on_a_terminal_alone(
    columns: int, terminal: Callable[..., TerminalRun], tmp_path: Path
) -> None:
    # The shipped prompt has a constraint, and what a program may read is shown as it is.
    shipped = (ROOT / "prompts" / "bullet-points.md").read_text()
    free = tmp_path / "points.md"
    free.write_text("".join(line for line in shipped.splitlines(True) if "regex:" not in line))
    shown = terminal("-p", str(free), GOAT, columns=columns).read()
    assert shown.lines == POINTS
    buffer = shown.screen.buffer
    assert all(buffer[row][0].fg != "default" for row in range(3)), "the marks of the list"
    assert all(buffer[row][2].fg == "default" for row in range(3)), "its text"
    plain = terminal("-p", str(free), GOAT, stdout=subprocess.PIPE).read()
    assert plain.process.stdout.read().decode() == "\n".join(POINTS) + "\n"


@pytest.mark.parametrize(
    ("more", "flags"),
    [({"NO_COLOR": "1"}, []), ({"TERM": "dumb"}, []), ({}, ["--no-color"])],
    ids=["NO_COLOR", "dumb", "--no-color"],
)
def test_without_colour_there_are_no_escapes_in_the_answer(
    more: dict[str, str], flags: list[str], terminal: Callable[..., TerminalRun]
) -> None:
    shown = terminal("-p", "bullet-points", *flags, GOAT, env=more).read()
    assert shown.lines == POINTS
    # The progress of a slow machine is erased with escapes; no style is ever set.
    assert re.search(rb"\x1b\[[\d;]*m", shown.data) is None
    if more.get("TERM") == "dumb":
        assert b"\x1b" not in shown.data and b"\r\r" not in shown.data
    error = terminal("--regex", "(", *flags, "hi", env=more).read()
    assert (
        error.process.returncode == 2 and b"localai: " in error.data and b"\x1b" not in error.data
    )


def test_an_error_is_red_where_colour_is_wanted(terminal: Callable[..., TerminalRun]) -> None:
    shown = terminal("--regex", "(", "hi").read()
    assert shown.lines[0].startswith("localai: ") and shown.lines[-1].startswith("  next: ")
    assert shown.screen.buffer[0][0].fg == "red"
    assert shown.screen.buffer[0][10].fg == "default"


@pytest.mark.parametrize("columns", [40, 120])
def test_what_a_terminal_would_obey_is_shown(
    columns: int, terminal: Callable[..., TerminalRun]
) -> None:
    evil = "red\x1b[2J\x1b]0;title\x07\x08\x9b31mgreen"
    pattern = "".join(f"\\x{ord(c):02x}" if ord(c) < 0xA0 and not c.isalnum() else c for c in evil)
    seen = r"red\x1b[2J\x1b]0;title\x07\x08\x9b31mgreen"
    shown = terminal("--regex", pattern, "x", columns=columns).read()
    assert shown.process.returncode == 0, shown.data
    assert "".join(shown.lines) == seen
    assert shown.screen.title == ""
    assert b"\x1b[2J" not in shown.data and b"\x07" not in shown.data
    if columns == 120:  # in a pipe the bytes are the model's
        plain = terminal("--regex", pattern, "x", stdout=subprocess.PIPE).read()
        assert plain.process.stdout.read() == evil.encode() + b"\n"


@pytest.mark.parametrize("columns", [40, 120])
def test_progress_is_shown_while_a_long_prompt_is_read_and_then_erased(
    columns: int, terminal: Callable[..., TerminalRun]
) -> None:
    shown = terminal("--choices", "yes,no", SLOW, columns=columns)
    shown.read(lambda: "reading the prompt" in shown.lines[-1])
    assert len(shown.lines) == 1 and re.search(r"\d+/\d+", shown.lines[0])
    shown.read()
    assert shown.lines in (["yes"], ["no"])
    assert shown.process.returncode == 0


def test_while_a_long_text_is_cut_into_tokens_nothing_is_said_to_load(
    terminal: Callable[..., TerminalRun], tmp_path: Path
) -> None:
    (tmp_path / "long").write_text("a word of many " * 400_000)
    with (tmp_path / "long").open() as stdin:
        shown = terminal("--truncate", "head", CAPITAL, stdin=stdin)
    shown.read(lambda: re.search(r"reading the prompt  \d+ s", shown.lines[-1]))
    shown.read(lambda: re.search(r"\d+/\d+ tokens", shown.lines[-1]))
    shown.read()
    assert "Paris" in shown.lines[0] and "cut away" in shown.lines[-1]


def test_progress_goes_to_the_terminal_and_the_answer_into_the_pipe(
    terminal: Callable[..., TerminalRun],
) -> None:
    shown = terminal("--choices", "yes,no", SLOW, stdout=subprocess.PIPE).read()
    assert b"reading the prompt" in shown.data
    assert shown.lines == [""], "nothing of it is left"
    assert shown.process.stdout.read() in (b"yes\n", b"no\n")


@pytest.mark.parametrize("quiet", [["-q"], []], ids=["-q", "dumb"])
def test_progress_is_not_drawn_when_quiet_or_where_it_cannot_be_erased(
    quiet: list[str], terminal: Callable[..., TerminalRun]
) -> None:
    env = {} if quiet else {"TERM": "dumb"}
    shown = terminal("--choices", "yes,no", *quiet, SLOW, env=env).read()
    assert shown.data in (b"yes\r\n", b"no\r\n")


def test_no_question_at_all_is_help_at_once_and_exit_2(
    terminal: Callable[..., TerminalRun],
) -> None:
    shown = terminal().read()  # nobody types anything
    assert shown.process.returncode == 2
    assert b"Usage: localai ask" in shown.data


def test_words_are_shown_as_they_come(terminal: Callable[..., TerminalRun]) -> None:
    shown = terminal(*LONG)
    shown.read(lambda: len("".join(shown.lines)) > 12)
    assert shown.process.poll() is None, "shown before the answer has ended"


def test_ctrl_c_gives_the_prompt_back_at_the_beginning_of_a_line(
    terminal: Callable[..., TerminalRun], home: Path
) -> None:
    shown = terminal(*LONG)
    shown.read(lambda: len("".join(shown.lines)) > 12)
    begin = time.monotonic()
    os.write(shown.master, b"\x03")
    shown.read()
    assert shown.process.returncode == 130
    assert time.monotonic() - begin < 5
    assert shown.lines[-1] == "localai: stopped"
    assert shown.screen.cursor.x == 0
    assert b"Traceback" not in shown.data
    assert termios.tcgetattr(shown.slave) == shown.state
    until(lambda: settled(home), 15)


def test_ctrl_c_while_the_model_loads_leaves_a_clean_screen(
    terminal: Callable[..., TerminalRun],
) -> None:
    shown = terminal("--choices", "yes,no", SLOW)
    shown.read(lambda: b"\x1b[K" in shown.data)
    os.write(shown.master, b"\x03")
    shown.read()
    assert shown.process.returncode == 130
    assert [line for line in shown.lines if line and line != "^C"] == ["localai: stopped"]


def test_a_closed_terminal_ends_the_client_and_its_request(
    terminal: Callable[..., TerminalRun], home: Path
) -> None:
    shown = terminal(*LONG)
    shown.read(lambda: len("".join(shown.lines)) > 12)
    os.close(shown.slave)
    os.close(shown.master)
    shown.process.wait(PATIENCE)
    assert shown.process.returncode in (-signal.SIGHUP, 128 + signal.SIGHUP, 141, 1)
    until(lambda: settled(home), 15)


def test_a_dash_reads_what_is_typed_until_ctrl_d(terminal: Callable[..., TerminalRun]) -> None:
    shown = terminal("-")
    os.write(shown.master, CAPITAL.encode() + b"\n\x04")
    shown.read()
    assert (shown.lines, shown.process.returncode) == ([CAPITAL, PARIS], 0)
