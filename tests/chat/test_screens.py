"""What the screen of a chat shows, wide and narrow, kept as files (`tests/golden/chat`)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.chat.test_terminal import events, said
from tests.support.chat_screen import CAPITAL, LONG, Chat, Open, begun, golden

wide_and_narrow = pytest.mark.parametrize("columns", [40, 120])

PORT = "Port is what a goat would be if a goat were a boat. " * 4


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A card whose words a screen must break, in a folder that screens need not name."""
    monkeypatch.chdir(tmp_path)
    Path("ada.yaml").write_text(
        "name: Ada\nsystem: You are Ada.\n"
        'first_message: "*She looks up.* Good evening, {{user}}; what brings you to the lighthouse '
        'on such a night, with the wind from the sea and the road under water?"\n'
        "alternate_greetings:\n  - Good morning, {{user}}.\n"
    )
    return "ada.yaml"


@wide_and_narrow
def test_a_greeting_and_a_first_answer(columns: int, chat: Open, card: str) -> None:
    shown = chat("--no-save", "-c", card, columns=columns).ready().say("Who are you?")
    golden(shown, "greeting")
    assert "I am Ada." in shown.lines


def test_a_greeting_and_a_first_answer_on_a_dumb_terminal(chat: Open, card: str) -> None:
    shown = chat("--no-save", "-c", card, columns=40, TERM="dumb").ready()
    shown.press("Who are you?\n")
    shown.read(lambda: "I am Ada." in shown.lines).ready()
    shown.press("/help undo\n")
    golden(shown.settle().ready(), "dumb")
    assert b"\x1b" not in shown.data


@wide_and_narrow
def test_help(columns: int, chat: Open) -> None:
    shown = (
        chat("--no-save", columns=columns, rows=80)
        .ready()
        .say("/help retry")
        .say("/help")
        .counted()
    )
    golden(shown, "help")
    assert all(len(line) <= columns for line in shown.lines)


@wide_and_narrow
def test_the_menu_of_commands(columns: int, chat: Open) -> None:
    shown = chat("--no-save", columns=columns).ready().counted()
    shown.press("/")
    shown.read(lambda: any("/context" in line for line in shown.lines))
    golden(shown.settle(), "menu")
    shown.press("s")
    shown.read(lambda: any("/sessions" in line for line in shown.lines))
    golden(shown.settle(), "menu-s")
    shown.press("\x03")
    assert not any("/s" in line for line in shown.ready().lines[1:]), "the menu has left the screen"


@wide_and_narrow
def test_the_context_and_what_left_it(columns: int, chat: Open) -> None:
    shown = chat("--no-save", "-n", "8", columns=columns, rows=40).ready()
    shown.say("My name is Kensou.").say("/context")
    golden(shown, "context")
    shown.say("/set memory-ratio 0.9")
    for count in (5, 6, 7):  # each leaves no room for the one before
        shown.press(f"\x1b[200~{PORT * count}\x1b[201~\r")
        shown.settle().ready()
    golden(
        shown.say("/context"), "context-left", (r"^.*?(\S+)\n\[", r"(words)\n["), (r"\d+%", "N%")
    )


CODE = (
    "# A list\n\nSome *words* and `code`, and words enough that a narrow screen has to break them:"
    "\n\n- one\n- two, which is longer than the first one was, and is broken under itself\n\n"
    "```python\ndef answer() -> int:\n    return 42  # a comment that no screen of 40 columns holds\n"
    "```\n\n| name | size |\n|---|---|\n| fox | 3 |\n| elephant | 4000 |\n\nThe end."
)


@wide_and_narrow
def test_an_answer_in_markdown(
    columns: int, chat: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No tiny model writes this much Markdown: a greeting goes the way of an answer.
    monkeypatch.chdir(tmp_path)
    greeting = "\n".join(f"  {line}" for line in CODE.split("\n"))
    Path("md.yaml").write_text(f"name: Ada\nfirst_message: |-\n{greeting}\n")
    shown = chat("--no-save", "-c", "md.yaml", columns=columns).ready().counted()
    golden(shown, "markdown")


@wide_and_narrow
def test_an_answer_that_was_interrupted(columns: int, chat: Open) -> None:
    shown = begun(chat(*LONG, "--no-save", columns=columns).ready())
    shown.press("\x03")
    shown.ready().press("\x03")
    shown.read(lambda: "Ctrl-D or /quit leaves" in shown.lines).ready()
    golden(shown, "interrupted", (r".*?\n\[interrupted\]", "(words)\n[interrupted]"))


@wide_and_narrow
def test_what_is_pasted_is_one_message(columns: int, chat: Open, home: Path) -> None:
    shown = chat("--session", "paste", "-n", "8", columns=columns, rows=70).ready()
    pasted = [f"line {number} of it" for number in range(50)]
    shown.press("\x1b[200~" + "\r\n".join(pasted) + "\x1b[201~")
    shown.read(lambda: "line 49 of it" in shown.lines[-1]).press("\r")
    golden(shown.ready(), "paste")
    assert [text for kind, text in said(home, "paste") if kind == "user"] == ["\n".join(pasted)]


@wide_and_narrow
def test_undo(columns: int, chat: Open) -> None:
    shown = chat("--no-save", columns=columns).ready()
    shown.say("My name is Kensou.").say("What is the capital of Peru?").say("/undo")
    shown.say("What is my name?").say("/undo 7").say("/undo").say("What is my name?")
    golden(shown, "undo")
    assert shown.lines.count("Your name is Kensou.") == 1, "it is forgotten"


@wide_and_narrow
def test_a_chat_goes_on_after_kill_9(columns: int, chat: Open) -> None:
    first = chat("-s", "You are Ada.", columns=columns).ready().say("My name is Kensou.")
    first.say("What is the capital of Peru?")
    first.kill()
    shown = chat("--continue", columns=columns).ready()
    shown.say("What is my name?").say("Who are you?").say("/sessions")
    shown.leave()
    golden(shown, "continue")
    assert "Your name is Kensou." in shown.lines and "I am Ada." in shown.lines


@wide_and_narrow
def test_slips_are_told_in_whole_words(columns: int, chat: Open, card: str) -> None:
    shown = chat("--no-save", "-c", card, columns=columns, rows=120).ready()
    for line in (
        "/hlep", "/image x", "/reset now", "/undo x", "/retry", "/edit", "/continue", "/copy",
        "/role", "/character libarian", "/persona nobody.txt", "/greeting 9", "/model nothing",
        "/set temp hot", "/set tmp 1", "/file nothing.txt", "/file", "/save ../x", "/load",
        "/load nothing", "/sessions", "/sessions wolf", "/export", "/summarize", "/sd",
    ):  # fmt: skip
        shown.say(line)
    golden(shown, "slips")
    assert b"Traceback" not in shown.data


@wide_and_narrow
def test_what_commands_tell(columns: int, chat: Open, card: str) -> None:
    Path("me.txt").write_text("Name: Tom\n{{user}} is a sailor who has seen every sea there is.\n")
    Path("wolves.txt").write_text("The wolves sleep in the forest.\nThey eat meat.\n")
    shown = chat("--session", "one", "-c", card, columns=columns, rows=160).ready()
    for line in (
        "/character", "/greeting", "/persona", "/persona me.txt", "/persona", "/greeting",
        "/greeting 2", "/system", "/system Be kind and brief, whatever you are asked.", "/system",
        "/system none", "/role a patient teacher", "/model", "/set", "/set top-k 5", "/set top-k -",
        "/file wolves.txt", "/file none", CAPITAL, "/export talk.md", "/export talk.md",
        "/sessions", "/sessions capital", "/save two", "/character none", "/reset",
    ):  # fmt: skip
        shown.say(line)
    golden(shown, "commands", (r"(this is the session two:).*?\n\n", r"\1 (path)\n\n"))
    assert Path("talk.md").exists()


def asked_for_a_summary(chat: Open, columns: int = 80) -> Chat:
    shown = chat("--session", "sum", columns=columns).ready()
    for question in ("My name is Kensou.", CAPITAL, "What is 7 + 8?", "What colour is grass?"):
        shown.say(question)
    shown.type("/summarize").press("\r")
    return shown.read(lambda: shown.lines[-1].endswith("turns? [Y/n]"))


@wide_and_narrow
def test_a_summary_is_shown_before_it_is_used(columns: int, chat: Open, home: Path) -> None:
    shown = asked_for_a_summary(chat, columns)
    summary = shown.lines[-2]
    assert not summary.startswith(">"), "it stands above the question"
    shown.press("n\r")
    shown.ready()
    assert "nothing was changed" in shown.lines
    assert "summary" not in [each["kind"] for each in events(home, "sum")]
    shown.type("/summarize").press("\r")
    shown.read(lambda: shown.lines[-1].endswith("turns? [Y/n]")).press("\r")
    golden(shown.ready(), "summarize")
    kept = events(home, "sum")[-1]
    assert kept["kind"] == "summary" and kept["turns"] == 4
    assert "".join(kept["text"].split()) in "".join("".join(shown.lines).split())
    shown.say("/context")
    assert any(line.startswith("What was said before, in short:") for line in shown.lines)


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_summary_is_refused_by_ctrl_c_and_ctrl_d(key: str, chat: Open, home: Path) -> None:
    shown = asked_for_a_summary(chat)
    shown.press(key)
    shown.ready().say("What is my name?")
    assert "Your name is Kensou." in shown.lines
    assert "summary" not in [each["kind"] for each in events(home, "sum")]
    assert shown.leave() == 0 and b"Traceback" not in shown.data


def test_every_screen_has_its_test() -> None:
    source = Path(__file__).read_text() + (Path(__file__).parent / "test_terminal.py").read_text()
    named = set(re.findall(r'golden\(.*?, "([a-z-]+)"', source, re.S))
    from tests.support.chat_screen import FOLDER

    assert {path.stem.rpartition("-")[0] for path in FOLDER.iterdir()} == named
