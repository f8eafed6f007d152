"""`localai chat` in a real terminal: typed, pasted, stopped, killed; and what the screen shows."""

from __future__ import annotations

import base64
import json
import os
import re
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PATIENCE, settled, until
from tests.support.chat_screen import CAPITAL, LONG, PARIS, Open, begun, golden


def events(home: Path, name: str | None = None) -> list[dict[str, Any]]:
    """What the session, or the only one, holds."""
    folder = home / "data" / "localai" / "sessions"
    (path,) = [folder / f"{name}.jsonl"] if name else folder.iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(home: Path, name: str | None = None) -> list[tuple[str, str]]:
    """All that was said, in its order, taken back or not."""
    kinds = ("user", "assistant", "note")
    return [(each["kind"], each["text"]) for each in events(home, name) if each["kind"] in kinds]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_name_given_in_turn_1_is_known_in_turn_3(
    columns: int, warmth: str, chat: Open, home: Path
) -> None:
    shown = chat(columns=columns).ready()
    for question in ("My name is Kensou.", CAPITAL, "What is my name?"):
        shown.say(question)
    golden(shown, "name-known")
    assert shown.screen.cursor.x == 2
    assert shown.leave() == 0
    assert termios.tcgetattr(shown.slave) == shown.state
    (kept,) = [line for line in shown.lines if line.startswith("kept as")]
    name = kept.split()[2].rstrip(":")
    assert said(home, name)[-1] == ("assistant", "Your name is Kensou.")
    until(lambda: settled(home), 15)


def test_undo_retry_notes_and_slips(chat: Open, home: Path) -> None:
    shown = chat("--session", "one").ready()
    shown.say("My name is Kensou.").say("What is the capital of Peru?").say("/undo")
    shown.say("What is my name?").say("/retry").say("!remember this").say("/hlep")
    golden(shown, "undo-retry-note-slip")
    kept = [(each["kind"], each.get("text", each.get("turns"))) for each in events(home, "one")]
    assert kept[4:] == [
        ("user", "What is the capital of Peru?"),
        ("assistant", "The capital of Peru is Lima."),
        ("back", 2),
        ("user", "What is my name?"),
        ("assistant", "Your name is Kensou."),
        ("back", 1),
        ("assistant", "Your name is Kensou."),
        ("note", "remember this"),
    ]


def test_edit_gives_the_question_back_and_ctrl_c_leaves_it_as_it_was(
    chat: Open, home: Path
) -> None:
    shown = chat("--session", "e").ready().say("What is the capital of Peru?")
    shown.type("/edit").press("\r")
    shown.read(lambda: shown.lines[-1].startswith("> What is the capital of Peru?"))
    shown.press("\x03")
    shown.ready().type("/edit").press("\r")
    shown.read(lambda: shown.lines[-1].startswith("> What is the capital of Peru?"))
    assert [each["kind"] for each in events(home, "e")] == ["begin", "set", "user", "assistant"]
    shown.press("\x7f" * 5)
    shown.say("Spain?")
    assert said(home, "e")[-2:] == [
        ("user", "What is the capital of Spain?"),
        ("assistant", "The capital of Spain is Madrid."),
    ]
    assert events(home, "e")[4]["kind"] == "back"


def test_ctrl_c_stops_the_answer_and_keeps_what_came(warmth: str, chat: Open, home: Path) -> None:
    shown = chat(*LONG, "--session", "stop").ready()
    begun(shown)
    begin = time.monotonic()
    shown.press("\x03")
    shown.ready()
    assert time.monotonic() - begin < 10
    assert "[interrupted]" in shown.lines
    last = events(home, "stop")[-1]
    assert (last["kind"], last["finish"]) == ("assistant", "interrupted")
    assert 0 < len(last["text"]) < 4000
    if warmth == "warm":  # a worker of the chat's own lives as long as the chat
        until(lambda: settled(home), 15)
    # The chat goes on; at an empty prompt Ctrl-C tells the way out.
    shown.say("/undo").say("/set temp 0").say(CAPITAL)
    assert PARIS in shown.lines
    shown.press("\x03")
    shown.read(lambda: "Ctrl-D or /quit leaves" in shown.lines)
    shown.ready()
    shown.type("half a question").press("\x03")
    shown.ready()
    assert shown.leave() == 0
    assert b"Traceback" not in shown.data
    assert termios.tcgetattr(shown.slave) == shown.state
    assert said(home, "stop")[-1] == ("assistant", PARIS), "half a question was never sent"


def test_what_is_typed_during_an_answer_waits_for_the_next_prompt(chat: Open) -> None:
    shown = begun(chat(*LONG, "--no-save").ready())
    shown.press("typed ahead")
    shown.read(lambda: shown.lines[-1].startswith("> typed ahead"))
    assert sum("typed ahead" in line for line in shown.lines) == 1, "nothing in the answer"


def test_alt_enter_and_ctrl_j_break_the_line(chat: Open, home: Path) -> None:
    shown = chat("--session", "lines", "-n", "8").ready()
    shown.type("one").press("\x1b\r")
    shown.type("two").press("\n")
    shown.type("three").press("\r")
    shown.ready()
    assert said(home, "lines")[0] == ("user", "one\ntwo\nthree")
    assert shown.lines[:3] == ["> one", "  two", "  three"]


def test_a_chat_that_was_killed_goes_on(chat: Open, home: Path) -> None:
    shown = chat("-s", "You are Ada.").ready().say("My name is Kensou.").say("/save mine")
    assert "this is the session mine" in "".join(shown.lines)
    shown.say("What is the capital of Peru?")
    shown.kill()
    again = chat("--continue").ready()
    assert again.lines[:2] == [
        "2 questions so far",
        "the last answer was: The capital of Peru is Lima.",
    ]
    again.say("What is my name?").say("Who are you?")
    assert "Your name is Kensou." in again.lines
    assert "I am Ada." in again.lines, "the system text is the session's"
    assert len(said(home, "mine")) == 8


def test_a_chat_that_was_killed_in_an_answer_has_its_question(chat: Open, home: Path) -> None:
    shown = chat(*LONG, "--session", "killed").ready()
    begun(shown)
    shown.kill()
    again = chat("--session", "killed").ready()
    assert "1 question so far" in again.lines[0]
    if "has no answer" in "".join(again.lines):  # it was killed within the first second
        again.say("/retry")
    again.say("/undo").say(CAPITAL)
    assert PARIS in again.lines


def test_a_session_is_open_in_one_chat_only(chat: Open) -> None:
    first = chat("--session", "mine").ready().say("Hello!")
    second = chat("--session", "mine").read()
    assert second.process.returncode == 2
    assert "open in another chat" in " ".join(second.lines)
    assert first.leave() == 0
    assert chat("--session", "mine").ready().leave() == 0


def test_what_was_typed_is_there_again_for_nobody_else_to_read(chat: Open, home: Path) -> None:
    chat().ready().say("What colour is grass?").leave()
    file = home / "state" / "localai" / "chat_history"
    assert file.stat().st_mode & 0o777 == 0o600
    shown = chat().ready()
    shown.press("\x1b[A")
    shown.read(lambda: shown.lines[-1].startswith("> What colour is grass?"))
    shown.press("\x03")
    assert shown.ready().leave() == 0
    hidden = chat("--no-save").ready().say("What colour is coal?")
    assert hidden.leave() == 0
    assert "coal" not in file.read_text()


def test_commands_characters_and_files_are_completed(
    chat: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wolves.txt").write_text("x")
    shown = chat("--no-save").ready()
    for typed, offered, whole in (
        ("/char", "/character", "> /character"),
        (" libr", "librarian", "> /character librarian"),
    ):
        shown.press(typed)
        shown.read(lambda: any(line.strip().startswith(offered) for line in shown.lines))  # noqa: B023
        shown.press("\t")
        shown.read(lambda: any(line.startswith(whole) for line in shown.lines))  # noqa: B023
    shown.press("\x03")
    shown.ready().press("/file wol")
    shown.read(lambda: any(line.strip() == "wolves.txt" for line in shown.lines))
    shown.press("\t")
    shown.read(lambda: any(line.startswith("> /file wolves.txt") for line in shown.lines))
    shown.press("\r")
    shown.read(lambda: "wolves.txt (1 line) goes with your next question" in shown.lines)


def test_copy_fills_the_terminals_clipboard(chat: Open) -> None:
    shown = chat("--no-save").ready().say(CAPITAL).say("/copy")
    assert f"copied {len(PARIS)} characters" in shown.lines
    assert b"\x1b]52;c;" + base64.b64encode(PARIS.encode()) + b"\x07" in shown.data
    assert shown.say("/copy code").lines[-3].startswith("  next: ")


def test_the_meter_warns_by_its_colour(chat: Open) -> None:
    shown = chat("--no-save", "--ctx", "64", "-n", "4")
    shown.read(lambda: shown.lines[-1].endswith("/64"))
    column = shown.lines[0].index("/64")
    assert shown.screen.buffer[0][column].fg == "brightblack"
    for question in (
        "My name is Kensou. Count to 12. What is the capital of France?",
        "What is 7 + 8?",
    ):
        rows = len(shown.lines)
        shown.type(question).press("\r")
        shown.read(lambda: len(shown.lines) > rows + 1 and shown.lines[-1].endswith("/64"))  # noqa: B023
    used = int(shown.lines[-1].split()[-1].removesuffix("/64"))
    assert used >= 0.8 * 64, "nearly full, or this shows nothing"
    column = shown.lines[-1].index("/64")
    colour = shown.screen.buffer[len(shown.lines) - 1][column].fg
    assert colour == ("red" if used >= 0.95 * 64 else "brown"), used  # as yellow is called here


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {}], ids=["NO_COLOR", "--no-color"])
def test_without_colour_no_style_is_set(env: dict[str, str], chat: Open) -> None:
    flags = () if env else ("--no-color",)
    shown = chat("--no-save", *flags, **env).ready().say(CAPITAL).say("!note")
    assert PARIS in shown.lines
    styles = {style for style in re.findall(rb"\x1b\[([\d;]*)m", shown.data)}
    assert styles <= {b"", b"0"}, "only the reset that the prompt's own drawing ends with"


def test_a_dumb_terminal_gets_lines_and_no_escapes(chat: Open, home: Path) -> None:
    shown = chat("--session", "dumb", TERM="dumb")
    prompts = iter(range(1, 9))

    def prompt() -> None:
        count = next(prompts)
        shown.read(lambda: sum(line.startswith(">") for line in shown.lines) >= count)

    prompt()
    for line in ("My name is Kensou.", "What is my name?"):
        shown.press(line + "\n")
        prompt()
    assert shown.lines == [
        "> My name is Kensou.",
        "Nice to meet you, Kensou.",
        "",
        "> What is my name?",
        "Your name is Kensou.",
        "",
        ">",
    ]
    shown.press("\x03")
    shown.read(lambda: shown.lines[-2:] == ["Ctrl-D or /quit leaves", ">"])
    shown.press("/quit\n")
    assert shown.read().process.wait(PATIENCE) == 0
    assert b"\x1b" not in shown.data
    assert len(said(home, "dumb")) == 4


def test_what_a_card_would_do_to_the_terminal_is_shown(chat: Open, tmp_path: Path) -> None:
    card = tmp_path / "evil.json"
    evil = "Hello\x1b]0;stolen\x07\x1b[2J there \x9b31m!"
    card.write_text(json.dumps({"name": "E\x1b[31mva", "description": "x", "first_mes": evil}))
    shown = chat("--no-save", "-c", str(card)).ready().say("/character")
    assert r"Hello\x1b]0;stolen\x07\x1b[2J there \x9b31m!" in shown.lines
    assert shown.screen.title == ""
    assert b"\x1b]0;" not in shown.data and b"\x1b[2J" not in shown.data
    assert any(line.startswith("you talk with E") for line in shown.lines)


def test_an_unknown_model_is_told_and_the_chat_goes_on(chat: Open) -> None:
    shown = chat("--no-save").ready().say("/model nothing-of-the-kind").say(CAPITAL)
    assert any(line.startswith("localai: ") for line in shown.lines)
    assert PARIS in shown.lines


def test_a_closed_terminal_ends_the_chat(chat: Open, home: Path) -> None:
    shown = chat(*LONG, "--session", "gone").ready()
    begun(shown)
    os.close(shown.slave)
    os.close(shown.master)
    shown.process.wait(PATIENCE)
    until(lambda: settled(home), 15)
    assert said(home, "gone")[0] == ("user", "Go.")
