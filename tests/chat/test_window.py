"""A chat whose window changes, and which goes to the background and comes back."""

from __future__ import annotations

import re
import sys
import termios

import pytest

from tests.support.chat_screen import CAPITAL, LONG, PARIS, Chat, Open, begun

# What a shell does about jobs: the terminal is the job's, and the shell's again when the job stops.
SHELL = """
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
own = termios.tcgetattr(0)
job = os.fork()
if not job:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    for each in (signal.SIGTTOU, signal.SIGINT):
        signal.signal(each, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while os.WIFSTOPPED(status := os.waitpid(job, os.WUNTRACED)[1]):
    theirs = termios.tcgetattr(0)
    os.tcsetpgrp(0, os.getpid())
    print("found" if theirs == own else "left", "as it was", flush=True)
    termios.tcsetattr(0, termios.TCSADRAIN, own)
    sys.stdin.readline()
    termios.tcsetattr(0, termios.TCSADRAIN, theirs)
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
os.tcsetpgrp(0, os.getpid())
sys.exit(os.waitstatus_to_exitcode(status))
"""


def in_a_shell(chat: Open, *arguments: str) -> Chat:
    shown = chat(*arguments, leader=(sys.executable, "-c", SHELL))
    return shown.ready()


def stopped(shown: Chat) -> Chat:
    """Press Ctrl-Z and wait until the shell has the terminal again."""
    shown.press("\x1a")
    return shown.read(lambda: re.search(rb"(found|left) as it was\r\n", shown.data))


def test_ctrl_z_and_fg_in_the_middle_of_a_line(chat: Open) -> None:
    shown = in_a_shell(chat, "--no-save")
    shown.say("My name is Kensou.")
    shown.type("What is my")
    stopped(shown)
    assert shown.lines[-1] == "found as it was", "before the shell has put its own state back"
    assert termios.tcgetattr(shown.slave) == shown.state
    assert not shown.screen.cursor.hidden
    modes = re.findall(rb"\x1b\[\?2004([hl])", shown.data)
    assert modes[-1] == b"l", "what is pasted into the shell comes without marks"
    shown.press("fg\n")
    shown.read(lambda: shown.lines[-1].startswith("> What is my "))
    shown.type(" name?").press("\r")
    shown.read(lambda: "Your name is Kensou." in shown.lines).ready()
    assert shown.leave() == 0
    assert termios.tcgetattr(shown.slave) == shown.state


@pytest.mark.usefixtures("warmth")
def test_ctrl_z_and_fg_in_the_middle_of_an_answer(chat: Open) -> None:
    shown = begun(in_a_shell(chat, *LONG, "--no-save"))
    stopped(shown)
    before = len(shown.data)
    shown.settle()
    assert len(shown.data) == before, "a chat that stands still says nothing"
    shown.press("fg\n")
    shown.read(lambda: len(shown.data) > before + 200)
    shown.press("\x03")
    shown.ready()
    assert "[interrupted]" in shown.lines
    shown.say("/undo").say("/set temp 0").say(CAPITAL)
    assert PARIS in shown.lines
    assert shown.leave() == 0
    assert termios.tcgetattr(shown.slave) == shown.state


def test_a_window_that_changes_at_the_prompt(chat: Open) -> None:
    shown = chat("--no-save", columns=80).ready().say(CAPITAL).type("What is 7")
    before = shown.lines[:-1]
    assert before == [f"> {CAPITAL}", PARIS, ""]
    for columns in (60, 40, 100, 30, 50):
        begin = len(shown.data)
        shown.resize(columns).settle()
        cut = [line[:30] if 30 in (columns, len(line)) else line for line in shown.lines]
        assert len(cut) == len(before) + 1, "one prompt, nothing doubled"
        assert cut[-1].startswith("> What is 7") and cut[-1].endswith("/4096")
        assert len(shown.lines[-1]) == columns, "its meter is at the right edge"
        drawn = shown.data[begin:].decode()
        assert PARIS not in drawn and CAPITAL not in drawn, "what was said is not painted anew"
        assert not re.search(r"\x1b\[(\d+)?A|\x1b\[2J|\x1b\[H", drawn), "nor is anything above"
    shown.say(" + 8?")
    assert shown.lines[-3] == "7 + 8 = 15."


def test_a_long_line_in_a_window_that_changes(chat: Open) -> None:
    shown = chat("--no-save", columns=100).ready().say(CAPITAL)
    shown.type("Repeat: red fox, and say nothing else than these two words, whatever they may mean")
    for columns in (40, 60, 100):
        shown.resize(columns).settle()
        assert [line for line in shown.lines if line.startswith("> Repeat")] == shown.lines[3:4]
        assert "".join(shown.lines[3:]).replace(" ", "").startswith(">Repeat:redfox,andsaynothing")
    assert shown.lines[1] == PARIS[:40], "what stands above was cut by the narrow window alone"


def test_a_window_that_changes_during_an_answer(chat: Open) -> None:
    words = ("--no-save", "-n", "4000")  # so many that it is stopped, however fast it is
    shown = begun(chat(*LONG, *words, columns=100).ready())
    for columns in (40, 80, 50):
        begin = len(shown.data)
        shown.resize(columns).read(lambda: len(shown.data) > begin + 200)  # noqa: B023
    shown.press("\x03")
    shown.ready()
    drawn = shown.data[shown.data.index(b"Go.") :].decode()
    answer = drawn[: drawn.index("[interrupted]")]
    assert not re.search(r"\x1b\[[\d;]*[A-HJKST]", answer.partition("\x1b[?2004l")[2]), (
        "an answer only ever goes on: nothing is erased, and no cursor moved"
    )
    assert len(shown.lines[-1]) == 50, "the prompt is as wide as the window"
    shown.say("/undo").say("/set temp 0").say(CAPITAL)
    assert PARIS in shown.lines
