"""What is typed while nobody reads: taken line by line, in order, as if it were typed afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from localai.chat.slash.registry import meant
from tests.chat.test_terminal import said
from tests.conftest import until
from tests.support.chat_screen import CAPITAL, LONG, PARIS, Chat, Open, begun

LIMA = "The capital of Peru is Lima."


def answering(shown: Chat) -> Chat:
    """Ask for a long answer and wait until it has begun."""
    return begun(shown.ready())


def texts(home: Path, kind: str, name: str) -> list[str]:
    return [text for each, text in said(home, name) if each == kind]


def long_one(chat: Open, *more: str) -> Chat:
    """An answer of half a thousand tokens, without sense."""
    return answering(chat(*LONG, "-n", "500", *more))


def test_lines_are_taken_one_by_one_in_their_order(chat: Open, home: Path) -> None:
    shown = long_one(chat, "--session", "s")
    shown.press("/set temp 0\r/set max-tokens 40\r")
    shown.press(f"{CAPITAL}\r")
    shown.press("What is the capital of Peru?\r")
    shown.read(lambda: LIMA in shown.lines).ready()
    assert texts(home, "user", "s") == ["Go.", CAPITAL, "What is the capital of Peru?"]
    assert texts(home, "assistant", "s")[1:] == [PARIS, LIMA]
    assert shown.lines.index(f"> {CAPITAL}") < shown.lines.index(PARIS) < shown.lines.index(LIMA)


def test_commands_and_notes_are_what_they_are(chat: Open, home: Path) -> None:
    shown = long_one(chat, "--session", "s")
    shown.press("!only for me\r\r\r!and this\r/undo\r  \r/set temp 0\r")
    shown.press(f"{CAPITAL}\r")
    shown.read(lambda: PARIS in shown.lines).ready()
    assert texts(home, "note", "s") == ["only for me", "and this"]
    assert texts(home, "user", "s") == ["Go.", CAPITAL]
    assert "taken back: Go." in shown.lines


def test_several_lines_that_are_one_message_stay_one(chat: Open, home: Path) -> None:
    shown = long_one(chat, "--session", "s")
    shown.press("/set max-tokens 8\r\x1b[200~pasted\r\nlines\x1b[201~\rone\x1b\rtwo\r")
    until(lambda: len(texts(home, "assistant", "s")) == 3)
    assert texts(home, "user", "s") == ["Go.", "pasted\nlines", "one\ntwo"]


def test_keys_that_edit_a_line_edit_it(chat: Open, home: Path) -> None:
    shown = long_one(chat, "--session", "s")
    shown.press("/set max-tokens 8\rnot this\x15Whaz\x7ft is it?\r")
    until(lambda: len(texts(home, "assistant", "s")) == 2)
    assert texts(home, "user", "s") == ["Go.", "What is it?"]


def test_the_end_may_be_typed_ahead(chat: Open, home: Path) -> None:
    shown = long_one(chat, "--session", "s")
    shown.press("!bye\r\x04")
    shown.read()
    assert shown.process.wait(60) == 0
    assert texts(home, "note", "s") == ["bye"]


def test_half_a_line_waits_at_the_prompt(chat: Open) -> None:
    shown = long_one(chat, "--no-save")
    shown.press("!a note\rhalf a qu")
    shown.read(lambda: shown.lines[-1].startswith("> half a qu"))
    assert "a note, which the model does not see" in shown.lines


def test_what_is_typed_before_the_first_prompt_is_taken_line_by_line(
    chat: Open, home: Path
) -> None:
    shown = chat("--session", "s")
    shown.press(f"{CAPITAL}\r!a note\rWhat is the capital of Peru?\r")
    shown.read(lambda: LIMA in shown.lines).ready()
    assert texts(home, "user", "s") == [CAPITAL, "What is the capital of Peru?"]
    assert texts(home, "note", "s") == ["a note"]


def test_a_dumb_terminal_takes_lines_too(chat: Open, home: Path) -> None:
    shown = chat(*LONG, "-n", "300", "--session", "s", TERM="dumb").ready()
    shown.press("Go.\n")
    time.sleep(1)
    shown.press("!a note\n\n/undo\n/set temp 0\n")
    shown.press(f"{CAPITAL}\n")
    shown.read(lambda: f"> {PARIS}" in shown.lines)
    assert texts(home, "note", "s") == ["a note"]
    assert texts(home, "user", "s") == ["Go.", CAPITAL]


def test_a_question_to_the_user_takes_its_own_line_alone(chat: Open, home: Path) -> None:
    shown = chat("--session", "s", "-n", "30").ready()
    shown.say("My name is Kensou.").say("Who are you?").say("What is 7 + 8?")
    shown.type("/summarize").press("\r")
    shown.read(lambda: "in the place of" in shown.lines[-1])
    shown.press("n\r!a note\r")
    until(lambda: texts(home, "note", "s") == ["a note"])
    assert "nothing was changed" in shown.ready().lines


def crash(shown: Chat) -> None:
    """End the worker of a chat in the middle of an answer."""
    (worker,) = [
        each
        for each in psutil.Process(shown.process.pid).children(recursive=True)
        if "localai.pool.worker" in " ".join(each.cmdline())
    ]
    os.kill(worker.pid, signal.SIGKILL)


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "afterwards"])
def test_a_crash_swallows_nothing_of_what_is_typed_next(
    ahead: bool, chat: Open, home: Path
) -> None:
    shown = long_one(chat, "--session", "s")
    if ahead:
        shown.press("/set temp 0\r")
        shown.press(f"{CAPITAL}\r")
    crash(shown)
    shown.read(lambda: any("process ended" in line for line in shown.lines))
    if not ahead:
        shown.ready().say("/set temp 0").type(CAPITAL).press("\r")
    shown.read(lambda: PARIS in shown.lines).ready()
    assert texts(home, "user", "s")[-1] == CAPITAL
    assert "[the up arrow brings back what you asked]" in shown.lines


def test_a_question_that_has_failed_is_there_again_with_the_up_arrow(
    chat: Open, home: Path
) -> None:
    shown = chat("--session", "s", "--ctx", "64")
    shown.read(lambda: shown.lines[-1].endswith("/64"))
    shown.type("too long " * 20).press("\r")
    shown.read(lambda: "brings back what you asked]" in "".join(shown.lines[-3:]))
    shown.read(lambda: shown.lines[-1].startswith("> "))
    shown.press("\x1b[A")
    shown.read(lambda: "too long too long" in shown.lines[-2])
    shown.press("\x03")
    shown.read(lambda: shown.lines[-1].startswith("> "))
    shown.press("/context\r")
    shown.read(lambda: any(line.startswith("total") for line in shown.lines))
    assert texts(home, "assistant", "s") == []


@pytest.mark.parametrize(
    ("line", "is_meant"),
    [
        ("\n\n/help", "/help"),
        (" \t\n\n!note\nmore", "!note\nmore"),
        ("\n/etc/passwd is a file", "/etc/passwd is a file"),
        ("\n /help is none", "\n /help is none"),
        ("\n\ntext\n/help", "\n\ntext\n/help"),
        ("", ""),
        ("\n", "\n"),
    ],
)
def test_blank_lines_before_a_command_or_a_note_are_nothing(line: str, is_meant: str) -> None:
    assert meant(line) == is_meant
