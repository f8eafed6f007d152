"""`localai spirit` on a terminal: the sweep, the keys, the questions, and how it leaves."""

from __future__ import annotations

import itertools
import json
import re
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.test_spirit import microphone
from tests.conftest import ours, until
from tests.support.spirit_screen import SpiritTerminal

Open = Callable[..., SpiritTerminal]
HELP = "space ask"
LEAVES = b"\x1b[?1049l"  # the other screen is left


@pytest.fixture
def spirit(home: Path) -> Iterator[Open]:
    opened: list[SpiritTerminal] = []

    def make(
        *arguments: str, begin: bool = True, silent: bool = True, **more: object
    ) -> SpiritTerminal:
        usual = ("-m", "tiny", "--seed", "7", *["--silent"] * silent)
        one = SpiritTerminal(*usual, *arguments, **more)  # type: ignore[arg-type]
        opened.append(one)
        if begin:
            one.until(lambda: "press any key" in one.text)
            one.press("x")
            one.until(lambda: HELP in one.text)
        return one

    yield make
    for each in opened:
        each.close()


def ask(shown: SpiritTerminal, question: str) -> None:
    shown.press(" ")
    shown.until(lambda: "ask ›" in shown.lines[-1])
    shown.press(question)
    shown.until(lambda: question[-10:] in shown.lines[-1])
    shown.press("\r")
    shown.until(lambda: f"you  {question}" in shown.text)


def answers(shown: SpiritTerminal) -> list[str]:
    """What has been said, each behind its frequency."""
    return [found[1] for line in shown.lines if (found := re.match(r" +\d+\.\d  (.*)", line))]


def arriving(shown: SpiritTerminal) -> str:
    """What stands in the static: the bold words of the middle of the screen."""
    rows = range(7, shown.screen.lines - 8)
    cells = [[shown.screen.buffer[y][x] for x in range(shown.screen.columns)] for y in rows]
    return " ".join("".join(c.data if c.bold else "" for c in row).strip() for row in cells).strip()


def test_on_a_low_screen_the_question_is_seen(spirit: Open) -> None:
    shown = spirit(begin=False, columns=30, rows=5)
    shown.until(lambda: "press any key" in shown.text and "machine-made" in shown.text)
    shown.press("x")
    shown.until(lambda: HELP in shown.text)
    shown.press("\rWho are you?")
    shown.until(lambda: "ask › Who are you?" in shown.lines[-1])
    shown.press("\r")
    shown.until(lambda: answers(shown))


@pytest.mark.parametrize(("columns", "rows"), [(100, 28), (40, 14), (120, 40)])
def test_the_sweep_runs(spirit: Open, columns: int, rows: int) -> None:
    shown = spirit(begin=False, columns=columns, rows=rows)
    shown.until(lambda: "press any key" in shown.text)
    if columns > 60:
        assert "machine-made" in shown.text
    shown.press("x")
    shown.until(lambda: "level" in shown.text and "░" in shown.text)
    first = shown.needle
    shown.until(lambda: shown.needle > first)


def test_a_question_is_answered_and_the_voice_talks_on(spirit: Open) -> None:
    shown = spirit()
    ask(shown, "Is anybody there?")
    shown.until(lambda: len(answers(shown)) >= 2)
    # The words come one after another, in bold, within the static.
    said = shown.until(lambda: arriving(shown) and answers(shown)[-1])
    assert said.startswith(arriving(shown)[:1])
    shown.until(lambda: arriving(shown) == answers(shown)[-1])


def test_a_question_interrupts_what_is_being_said(spirit: Open) -> None:
    shown = spirit()
    ask(shown, "First?")
    before = shown.until(lambda: len(arriving(shown).split()) >= 2 and arriving(shown))
    ask(shown, "Second?")
    asked = time.monotonic()
    shown.until(lambda: before not in arriving(shown) or not arriving(shown))
    assert time.monotonic() - asked < 2.0
    at = next(number for number, line in enumerate(shown.lines) if "you  Second?" in line)
    assert at and shown.until(lambda: len(answers(shown)) >= 2 or "First?" not in shown.text)


def test_keys_do_what_they_say(spirit: Open, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    shown = spirit("--log", str(log))
    for keys, told in (
        ("r", "reverse"), ("r", "bounce"), ("r", "random"), ("r", "forward"), ("\x1b[C", "150 ms"),
        ("\x1b[D", "100 ms"), ("p", "paused"), ("b", "BOX  AM"), ("b", "BOX  FM"), ("m", "marked at"),
    ):  # fmt: skip
        shown.press(keys)
        shown.until(lambda told=told: told in shown.text)
    shown.press("p")
    shown.until(lambda: "paused" not in shown.text)
    shown.press("q")
    assert shown.ended() == 0
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == ["begin", "mark"]


def test_volume_where_there_is_sound(spirit: Open) -> None:
    shown = spirit("--volume", "70", silent=False)
    up, down = "\x1b[A", "\x1b[B"
    shown.until(lambda: "vol  70%" in shown.text)
    for keys, told in ((up, "80"), (down + down, "60"), (up * 9, "100"), (down * 20, "0")):
        shown.press(keys)
        shown.until(lambda told=told: f"vol {told:>3}%" in shown.text)
    assert "no sound" in spirit().text


def test_letters_of_a_question_are_no_commands(spirit: Open) -> None:
    shown = spirit()
    shown.press(" ")
    shown.press("qqq pmrb")
    shown.until(lambda: "ask › qqq pmrb" in shown.text)
    shown.press("\x7f" * 20 + "Who?\x15")
    shown.until(lambda: shown.lines[-1].strip() == "ask ›▏" or shown.lines[-1].strip() == "ask › ▏")
    shown.press("\x1b")
    shown.until(lambda: HELP in shown.text)


def test_space_listens_where_there_is_a_microphone(spirit: Open, tmp_path: Path) -> None:
    shown = spirit("--mic", **microphone(tmp_path))
    shown.press(" ")
    shown.until(lambda: "listening" in shown.lines[-1])
    shown.until(lambda: "you  what is the capital of france" in shown.text)
    shown.until(lambda: answers(shown))
    shown.press("\r")
    shown.until(lambda: "ask ›" in shown.lines[-1])  # and keys still do


def test_without_a_microphone_one_line_says_so_and_keys_do(spirit: Open, tmp_path: Path) -> None:
    shown = spirit("--mic", **microphone(tmp_path, "none"))
    shown.press(" ")
    shown.until(lambda: "no microphone" in shown.lines[-1])
    shown.press("\rWho?\r")
    shown.until(lambda: answers(shown))
    plain = spirit("--mic", "--plain", begin=False, **microphone(tmp_path, "none"))
    plain.until(lambda: "empty line begins" in " ".join(plain.text.split()))
    plain.press("\r")
    plain.until(lambda: "no microphone" in plain.text)
    plain.press("Who?\r")
    plain.until(lambda: len(plain.text.split("Who?")[-1].split()) > 1)


def test_a_pause_stands_still(spirit: Open) -> None:
    shown = spirit()
    shown.press("p")
    shown.until(lambda: "paused" in shown.text)
    shown.look(0.3)
    before = shown.text
    shown.look(1.0)
    assert shown.text == before


@pytest.mark.parametrize("calm", [False, True])
def test_at_most_three_flashes_a_second(spirit: Open, calm: bool) -> None:
    """What stands in the static is counted as it reaches the terminal."""
    shown = spirit(*(["--calm"] if calm else []))
    looks = []
    end = time.monotonic() + 4.0
    while time.monotonic() < end:
        shown.piece(0.02)
        looks.append((time.monotonic(), shown.lines[10]))
    changes = [at for (at, one), (_, other) in itertools.pairwise(looks) if one != other]
    assert len(changes) <= (3 if calm else 13)
    assert calm or len(changes) >= 4


def test_it_leaves_the_terminal_as_it_was(spirit: Open) -> None:
    for leave, code in (("q", 0), ("\x04", 0), ("\x03", 130)):
        shown = spirit()
        shown.press(leave)
        assert shown.ended() == code
        assert (
            LEAVES in shown.data
            and b"\x1b[?25h" in shown.data.rpartition(LEAVES[:4])[0] + shown.data
        )
        assert termios.tcgetattr(shown.slave) == shown.state


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_kill_leaves_the_terminal_as_it_was(spirit: Open, number: int) -> None:
    shown = spirit()
    ask(shown, "Who?")
    shown.process.send_signal(number)
    assert shown.ended() == (130 if number == signal.SIGINT else 128 + number)
    assert LEAVES in shown.data and termios.tcgetattr(shown.slave) == shown.state


def test_a_model_that_dies_ends_it_with_a_sentence(spirit: Open, home: Path) -> None:
    shown = spirit()
    ask(shown, "Who?")
    until(lambda: ours(home))
    for process in ours(home):
        process.kill()
    assert shown.ended() == 1
    assert "localai:" in shown.text and "should not have happened" not in shown.text
    assert termios.tcgetattr(shown.slave) == shown.state


@pytest.mark.parametrize(("flag", "term"), [("--plain", "xterm-256color"), ("--no-color", "dumb")])
def test_plainly_on_a_terminal(spirit: Open, flag: str, term: str) -> None:
    shown = spirit(flag, begin=False, TERM=term)
    shown.until(lambda: "each line is a question" in " ".join(shown.text.split()))
    shown.press("Is anybody there?\r")
    shown.until(lambda: len(shown.text.split("there?")[-1].strip().splitlines()) >= 2)
    assert b"\x1b[" not in shown.data
    shown.press("\x04")
    assert shown.ended() == 0
