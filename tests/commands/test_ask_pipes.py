"""`localai ask` in pipes and loops: whole writes, a stdin that is somebody else's or never ends."""

from __future__ import annotations

import contextlib
import os
import pty
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localai.prompts import files
from localai.terminal.writing_units import WritingUnits
from tests.conftest import ROOT, ask, command, run

pytestmark = pytest.mark.usefixtures("warm")

COUNTED = "1, 2, 3, 4, 5, 6, 7, 8, 9.\n"
GOAT = "The goat lives in the valley. It eats grass. It sleeps at dawn."
POINTS = ["- lives in the valley\n", "- eats grass\n", "- sleeps at dawn\n"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def writes(*arguments: str, stdin: str = "", verb: str = "ask") -> list[str]:
    """What each write to stdout brought: such a pipe keeps them apart."""
    reader, writer = os.pipe2(os.O_DIRECT)
    found = []
    with open(reader, "rb", buffering=0) as packets:
        process = subprocess.Popen(
            command(verb, "-m", "tiny", "--temp", "0", *arguments),
            stdin=subprocess.PIPE,
            stdout=writer,
            env=environment(),
        )
        os.close(writer)
        assert process.stdin
        process.stdin.write(stdin.encode())
        process.stdin.close()
        while packet := packets.read(65536):
            found.append(packet.decode())
    assert process.wait(60) == 0
    return found


# Whole writes.

linux = pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="only Linux has such pipes")


@linux
@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        (("Count to 9.",), [COUNTED]),
        ((files.load("bullet-points").render(GOAT),), POINTS),
        (("--choices", "one\ntwo\nthree", "x"), ["one\ntwo\nthree\n"]),
        (("--regex", "a{20}\n\nb{20}", "x"), [f"{'a' * 20}\n\n{'b' * 20}\n"]),
        (("--json", "Count to 9."), None),
    ],
)
def test_lines_and_answers_of_a_fixed_form_are_one_write(
    arguments: tuple[str, ...], whole: list[str] | None
) -> None:
    found = writes(*arguments)
    assert found == whole if whole else len(found) == 1


@linux
def test_unbuffered_writes_tokens_as_they_come() -> None:
    found = writes("--unbuffered", "--regex", "([a-z]{3} ){200}", "x")
    assert len(found) > 2 and "".join(found).endswith("\n")


def test_parallel_calls_do_not_mix_their_lines() -> None:
    call = [*command("ask", "-m", "tiny", "--regex", "[a-z]{40}-[a-z]{40}", "{}")]
    done = subprocess.run(
        ["xargs", "-P4", "-I{}", *call],
        input=b"\n".join(b"%d" % number for number in range(8)),
        capture_output=True,
        env=environment(),
        timeout=200,
    )
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0 and len(lines) == 8, done
    assert all(len(line) == 81 and line[40] == "-" for line in lines)


def test_an_answer_of_a_fixed_form_that_fails_leaves_nothing_for_the_next_program() -> None:
    done = ask("-n", "3", "--regex", "[a-z]{60}", "x")
    assert (done.code, done.stdout) == (5, b"")


def test_units_lose_nothing_however_a_text_is_cut() -> None:
    text = "a\n\nbc\r\n d\ne"
    for step in range(1, len(text)):
        for unit in ("piece", "line", "answer"):
            units = WritingUnits(unit)  # type: ignore[arg-type]
            pieces = (text[at : at + step] for at in range(0, len(text), step))
            found = [each for piece in pieces for each in units.push(piece)]
            last = units.end("\n")
            assert "".join(found) + last == text + "\n"
            if unit == "line":
                assert [*found, last] == ["a\n", "\n", "bc\r\n", " d\n", "e\n"]


# A stdin that is the loop's.


def loop(call: str) -> list[str]:
    ours = shlex.join(command("ask", "-m", "tiny", "--temp", "0"))
    script = f"while read -r word; do {ours} {call}; done"
    done = subprocess.run(
        ["sh", "-c", script], input=b"France\nPeru\nNorway\n", capture_output=True,
        env=environment(), timeout=120,
    )  # fmt: skip
    assert done.stderr == b"", done
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize(
    "flags",
    ["-I", "--no-stdin", "-qI", "-I -p yes-or-no", "-I --choices yes,no"],
)
def test_a_loop_keeps_its_input(flags: str) -> None:
    found = loop(f'{flags} "What is the capital of $word?"')
    assert len(found) == 3
    if "yes" not in flags:
        cities = zip(found, ("Paris", "Lima", "Oslo"), strict=True)
        assert all(city in line for line, city in cities), found


def test_no_stdin_reads_nothing_even_where_there_is_much() -> None:
    assert ask("-I", "Count to 9.", stdin="x" * 300_000).out == COUNTED
    done = ask("-I", stdin="Count to 9.")
    assert done.code == 2 and "there is no question" in done.err
    done = ask("-I", "-", stdin="Count to 9.")
    assert done.code == 2 and "--no-stdin" in done.err


def test_the_loop_that_works_is_told() -> None:
    told = "while read -r name; do localai ask -I"
    assert told in run("ask", "--help").out
    assert told in (ROOT / "README.md").read_text("utf-8")


# A stdin that nobody closes.


@contextlib.contextmanager
def waiting(*arguments: str, terminal: bool) -> Iterator[tuple[int, int]]:
    """A command whose stdin stays open; yields stdin's other end and stderr's."""
    err, err_end = pty.openpty() if terminal else os.pipe()
    reader, writer = os.pipe()
    process = subprocess.Popen(
        command("ask", "-m", "tiny", *arguments), stdin=reader, stderr=err_end,
        stdout=subprocess.DEVNULL, env={**environment(), "TERM": "xterm"},
    )  # fmt: skip
    os.close(reader)
    os.close(err_end)
    try:
        yield writer, err
    finally:
        with contextlib.suppress(OSError):
            os.close(writer)
        process.wait(60)
        os.close(err)


def read_for(number: int, seconds: float) -> bytes:
    found = b""
    os.set_blocking(number, False)
    end = time.monotonic() + seconds
    while time.monotonic() < end and b"reading stdin" not in found:
        with contextlib.suppress(OSError):
            found += os.read(number, 4096)
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("first", [b"", b"half a question "])
def test_a_stdin_that_stays_open_is_told_of_on_a_terminal(first: bytes) -> None:
    with waiting("x", terminal=True) as (stdin, err):
        os.write(stdin, first)
        assert b"reading stdin" in read_for(err, 60)


def test_nothing_is_said_in_a_pipe_or_when_quiet() -> None:
    found = {}

    def look(terminal: bool, *flags: str) -> None:
        with waiting(*flags, "x", terminal=terminal) as (_, err):
            found[terminal] = read_for(err, 4)

    both = [threading.Thread(target=look, args=each) for each in ((False,), (True, "-q"))]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert found == {False: b"", True: b""}


def test_a_stdin_that_is_at_hand_is_not_told_of(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("Count to 9.")
    err, err_end = pty.openpty()
    with file.open("rb") as stdin:
        done = subprocess.run(
            [sys.executable, "-m", "localai", "ask", "-m", "tiny", "--temp", "0"],
            stdin=stdin, stdout=subprocess.PIPE, stderr=err_end, env=environment(), timeout=60,
        )  # fmt: skip
    os.close(err_end)
    assert done.stdout.decode() == COUNTED
    assert b"stdin" not in read_for(err, 0.2)
    os.close(err)


# A chat in a pipe writes as `ask` does.


@linux
@pytest.mark.parametrize(
    ("flags", "stdin", "whole"),
    [
        ((), "Count to 9.\n", [COUNTED]),
        ((), "Count to 9.\nCount to 9.\n", [COUNTED, COUNTED]),
        ((), files.load("bullet-points").render(GOAT).replace("\n", " ") + "\n", None),
        (("--unbuffered",), "Count to 9.\n", None),
    ],
)
def test_a_chat_writes_whole_lines(
    flags: tuple[str, ...], stdin: str, whole: list[str] | None
) -> None:
    found = writes("--no-save", *flags, stdin=stdin, verb="chat")
    if "--unbuffered" in flags:
        assert len(found) > 1 and "".join(found) == COUNTED
    else:
        assert all(each.endswith("\n") for each in found)
        assert whole is None or found == whole
