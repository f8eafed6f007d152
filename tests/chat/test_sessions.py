"""Sessions: kept as they happen, whatever happens; and what the files may hold."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.chat import session_store
from localai.chat.session_file import SessionFile, path_of, read_events
from localai.chat.transcript import INTERRUPTED, Transcript, Turn
from localai.errors import BadInput, LocalaiError
from tests.conftest import ROOT, run

TALK = [
    {"kind": "set", "values": {"model": "tiny", "system": "You are Ada."}},
    {"kind": "user", "text": "Who are you?"},
    {"kind": "assistant", "text": "I am Ada.", "finish": "stop"},
]


def kept(name: str, events: list[dict[str, Any]] = TALK) -> Path:
    journal = SessionFile(name)
    for event in events:
        journal.write(event)
    journal.close()
    return journal.path


def test_what_is_written_is_read_again(home: Path) -> None:
    path = kept("ada")
    assert path == home / "data" / "localai" / "sessions" / "ada.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    transcript = session_store.read("ada")
    assert transcript.turns == [
        Turn("user", "Who are you?"),
        Turn("assistant", "I am Ada.", "stop"),
    ]
    assert transcript.values == {"model": "tiny", "system": "You are Ada."}
    assert Transcript.of(transcript.events()) == transcript


def test_nothing_is_lost_when_the_process_is_killed(home: Path) -> None:
    code = """
import os, signal, sys
from localai.chat.session_file import SessionFile
journal = SessionFile("killed")
for number in range(20):
    journal.write({"kind": "user", "text": f"number {number}"})
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=60)
    assert done.returncode == -9
    assert [turn.text for turn in session_store.read("killed").turns] == [
        f"number {n}" for n in range(20)
    ]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_was_cut_off_spoils_neither_the_others_nor_the_next(cut: int) -> None:
    path = kept("torn")
    path.write_bytes(path.read_bytes()[:-cut])
    journal = SessionFile("torn")
    journal.write({"kind": "user", "text": "And now?"})
    journal.close()
    transcript = session_store.read("torn")
    assert transcript.strange == (cut > 1)
    assert [turn.text for turn in transcript.turns][-1] == "And now?"
    assert transcript.turns[0] == Turn("user", "Who are you?")


def test_an_answer_that_broke_off_is_kept_and_marked() -> None:
    asked = TALK[:2]
    parts = [{"kind": "part", "text": "I am "}, {"kind": "part", "text": "A"}]
    assert Transcript.of([*asked, *parts]).turns[-1] == Turn("assistant", "I am A", "interrupted")
    # Whole answers stand for their parts, and life goes on after a broken one.
    assert Transcript.of([*asked, *parts, TALK[2]]).turns == Transcript.of(TALK).turns
    went_on = Transcript.of([*asked, *parts, {"kind": "user", "text": "Go on."}])
    assert [turn.text for turn in went_on.turns] == ["Who are you?", "I am A", "Go on."]


def test_turns_are_taken_back_but_notes_stay() -> None:
    transcript = Transcript.of([*TALK, {"kind": "note", "text": "mine"}])
    assert transcript.since_question() == 2
    transcript.apply({"kind": "back", "turns": transcript.since_question()})
    assert transcript.turns == [Turn("note", "mine")]
    transcript.apply({"kind": "back", "turns": 5})
    assert transcript.turns == [Turn("note", "mine")]


def test_a_summary_stands_for_the_oldest_turns() -> None:
    transcript = Transcript.of([*TALK, *TALK[1:], {"kind": "summary", "turns": 2, "text": "Ada."}])
    assert transcript.summary == "Ada." and len(transcript.turns) == 2
    assert Transcript.of(transcript.events()) == transcript
    transcript.apply({"kind": "reset"})
    assert (transcript.summary, transcript.turns) == ("", [])
    assert transcript.values["system"] == "You are Ada.", "who speaks stays"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "text", "turns", "values", "finish"]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
)
kinds = st.sampled_from(
    ["user", "assistant", "note", "part", "more", "back", "summary", "set", "reset", "begin", "?"]
)


@given(st.lists(st.builds(lambda kind, more: {**more, "kind": kind}, kinds,
                          st.dictionaries(st.sampled_from(["text", "turns", "values", "finish"]),
                                          json_values))))  # fmt: skip
def test_any_events_make_a_transcript(events: list[dict[str, Any]]) -> None:
    transcript = Transcript.of(events)
    assert all(isinstance(turn.text, str) for turn in transcript.turns)
    assert Transcript.of(transcript.events()).turns == transcript.turns


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\xfe", b"[1, 2]", b"null", b'{"kind": 3}', b"[" * 100_000, b'{"text": "\\ud800"}',
     b'{"kind": "user", "text": 7}', b'{"kind": "back", "turns": "x"}'],
)  # fmt: skip
def test_a_damaged_line_is_left_out_and_counted(garbage: bytes) -> None:
    path = kept("damaged")
    path.write_bytes(path.read_bytes() + garbage + b"\n")
    transcript = Transcript.of(read_events(path))
    assert transcript.strange == 1
    assert len(transcript.turns) == 2
    assert session_store.listing()[0].questions == 1


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "-x", "a\0b", "a\nb", "a\x1bb",
     "x" * 300, "\u00e9" * 150, "a.", "a ", " a", "~", "a\\b"],
)  # fmt: skip
def test_a_name_is_no_path(name: str, home: Path) -> None:
    with pytest.raises(BadInput, match="cannot be called"):
        path_of(name)
    with pytest.raises(BadInput):
        SessionFile(name).write({"kind": "user", "text": "x"}) if name else path_of(name)
    assert not (home / "data" / "localai").exists()


@pytest.mark.parametrize(
    "name", ["ada", "Ada 2", "2026-11-20", "a.b", "\u00c9va", "x" * 200, "a@b+c"]
)
def test_other_names_are_fine(name: str) -> None:
    kept(name)
    assert session_store.names() == [name]


def test_one_chat_at_a_time_has_a_session_open() -> None:
    kept("ada")
    first = SessionFile("ada")
    with pytest.raises(BadInput, match="open in another chat"):
        SessionFile("ada")
    with pytest.raises(BadInput, match="open in another chat"):
        session_store.remove("ada")
    first.close()
    session_store.remove("ada")
    assert session_store.names() == []


def test_a_session_that_nobody_named_is_renamed_and_one_with_a_name_is_copied() -> None:
    journal = SessionFile()
    journal.write(TALK[1])
    own = journal.name
    assert journal.own_name
    journal.save_as("mine")
    assert session_store.names() == ["mine"] and own not in session_store.names()
    journal.save_as("other")
    journal.write(TALK[2])
    journal.close()
    assert set(session_store.names()) == {"mine", "other"}
    assert len(session_store.read("mine").turns) == 1
    assert len(session_store.read("other").turns) == 2
    with pytest.raises(BadInput, match="already"):
        SessionFile("third").save_as("mine")


def test_a_full_disk_is_told() -> None:
    journal = SessionFile("full")
    journal.write(TALK[1])
    number = os.open("/dev/full", os.O_WRONLY)
    os.close(journal._number or 0)
    journal._number = number
    with pytest.raises(LocalaiError, match="cannot be written: No space left"):
        journal.write(TALK[2])
    journal.close()


def test_the_command_lists_searches_shows_and_removes(home: Path) -> None:
    assert run("sessions").err == "there are no sessions\n"
    kept("ada")
    kept("bob", [{"kind": "user", "text": "Where is the Lighthouse\x1b[2J?"}])
    os.utime(home / "data" / "localai" / "sessions" / "ada.jsonl", (1_700_000_000, 1_700_000_000))
    rows = run("sessions", "list").out.splitlines()
    assert rows[0].split() == ["SESSION", "CHANGED", "QUESTIONS", "CHARACTER", "BEGINS"]
    assert [row.split()[0] for row in rows[1:]] == ["bob", "ada"]
    assert "\\x1b[2J" in rows[1]
    listed = run("sessions", "--json").json
    assert [(each["name"], each["questions"]) for each in listed] == [("bob", 1), ("ada", 1)]
    found = run("sessions", "search", "lighthouse", "--json").json
    assert [each["session"] for each in found] == ["bob"]
    assert run("sessions", "search", "I AM").out.splitlines()[1].split()[:2] == ["ada", "assistant"]
    assert run("sessions", "search", "nowhere").out == ""
    assert run("sessions", "show", "ada").out == "## You\n\nWho are you?\n\n## tiny\n\nI am Ada.\n"
    shown = run("sessions", "show", "ada", "--json").json
    assert shown["messages"][1] == {"role": "assistant", "content": "I am Ada.", "finish": "stop"}
    wrong = run("sessions", "remove", "ada", "adaa")
    assert (wrong.code, "did you mean `ada`?" in wrong.err) == (2, True)
    assert set(session_store.names()) == {"ada", "bob"}, "all or none"
    assert run("sessions", "remove", "ada").code == 0
    assert session_store.names() == ["bob"]


def test_a_crash_while_an_answer_goes_on_keeps_it_one_answer() -> None:
    asked = [{"kind": "user", "text": "Where?"}, {"kind": "assistant", "text": "It is"}]
    parts = [{"kind": "part", "text": " Ly"}, {"kind": "part", "text": "on"}]
    turns = [Turn("user", "Where?"), Turn("assistant", "It is Lyon", INTERRUPTED)]
    assert Transcript.of([*asked, *parts]).turns == turns
    whole = {"kind": "more", "text": " Lyon.", "finish": "stop"}
    assert Transcript.of([*asked, *parts, whole]).turns[-1].text == "It is Lyon."
    later = [*asked, *parts, {"kind": "user", "text": "And?"}]
    assert Transcript.of(later).turns == [*turns, Turn("user", "And?")]
