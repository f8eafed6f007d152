"""The console in real pipes and real terminals; golden bytes."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai import settings
from localai.errors import BadInput, ClosedPipe, LocalaiError, UnknownModel
from localai.formats.text import cells, clip, decode, encode, json_safe, one_line, sanitise
from localai.formats.units import amount, span
from localai.terminal.console import Console
from localai.terminal.progress import ProgressLine
from localai.terminal.streams import Stream, TrailingNewlines

ROOT = Path(__file__).resolve().parents[2]

SPEECH = r"""
from localai.terminal.console import Console
from localai.errors import BadInput
c = Console.standard()
c.status("loading")
c.thinking("hm\n")
c.thinking("m\x07\n\n")
for piece in ("\u00e4 ", "\x1b[31mred\n", "\n", "end\n", "\n\n"):
    c.write(piece)
c.end()
c.end()
c.warn("caref\x1bul")
c.error(BadInput("it\x9b broke", "mend it"))
"""
ENV = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "TERM": "xterm",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
}

ANSWER = "ä \x1b[31mred\n\nend\n".encode()
ANSWER_SHOWN = "ä \\x1b[31mred\n\nend\n".encode()
TALK = b"warning: caref\\x1bul\nlocalai: it\\x9b broke\n  next: mend it\n"
DRAWN = b"\r\x1b[Kloading\r\x1b[K"
THOUGHT = b"\x1b[2mhm\x1b[0m\x1b[2m\nm\\x07\x1b[0m\n"
THOUGHT_PLAIN = b"hm\nm\\x07\n"
TALK_COLOR = TALK.replace(b"localai:", b"\x1b[1;31mlocalai:\x1b[0m")


def terminal() -> tuple[int, int]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    return master, slave


def drain(fd: int) -> bytes:
    found = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            os.close(fd)
            return found
        found += data


def speak(out_tty: bool, err_tty: bool, **more: str) -> tuple[bytes, bytes]:
    out, out_end = terminal() if out_tty else os.pipe()
    err, err_end = terminal() if err_tty else os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", SPEECH],
        stdin=subprocess.DEVNULL,
        stdout=out_end,
        stderr=err_end,
        env={**ENV, **more},
    )
    os.close(out_end)
    os.close(err_end)
    found = drain(out), drain(err)
    assert process.wait(60) == 0
    return found


def test_neither_is_a_terminal() -> None:
    assert speak(False, False) == (ANSWER, THOUGHT_PLAIN + TALK)


def test_both_are_terminals() -> None:
    assert speak(True, True) == (ANSWER_SHOWN, DRAWN + THOUGHT + TALK_COLOR)


def test_only_stdout_is_a_terminal() -> None:
    assert speak(True, False) == (ANSWER_SHOWN, THOUGHT_PLAIN + TALK)


def test_only_stderr_is_a_terminal() -> None:
    assert speak(False, True) == (ANSWER, DRAWN + THOUGHT + TALK_COLOR)


def test_what_is_said_breaks_between_words_on_a_narrow_terminal_alone() -> None:
    broken = TALK.replace(b"it\\x9b broke", b"it\\x9b\nbroke").replace(b" caref", b"\ncaref")
    assert speak(False, True, COLUMNS="16", NO_COLOR="1")[1].endswith(broken)
    assert speak(False, False, COLUMNS="16") == (ANSWER, THOUGHT_PLAIN + TALK)


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colour_nothing_is_coloured(more: dict[str, str]) -> None:
    plain = b"hm\nm\\x07\n" + TALK
    drawn = b"" if "TERM" in more else DRAWN
    assert speak(True, True, **more) == (ANSWER_SHOWN, drawn + plain)


def run(code: str, tail: str = "", **keywords: object) -> subprocess.CompletedProcess[bytes]:
    program = f"from localai.terminal.console import Console\nc = Console.standard()\n{code}"
    command = ["sh", "-c", f'exec "$0" -c "$1" {tail}', sys.executable, program]
    keywords.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, env=ENV, timeout=60, **keywords)  # type: ignore[call-overload,no-any-return]


REPORT = """
import sys
from localai.errors import LocalaiError
try:
    {}
except LocalaiError as error:
    c.error(error)
    sys.exit(int(error.code))
"""


def test_closed_pipe_is_quiet_and_141() -> None:
    read, write = os.pipe()
    os.close(read)
    program = (
        "from localai.terminal.console import Console\nc = Console.standard()\n"
        + """
import sys
from localai.errors import ClosedPipe
print("left in Python's own buffer")
try:
    c.write("x")
except ClosedPipe:
    sys.exit(141)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, env=ENV
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_full_disk_is_one_clear_sentence() -> None:
    done = run(REPORT.format("c.write('x')"), "> /dev/full")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == b"localai: the output cannot be written: the disk is full"
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_closed_stdout_is_an_error_and_closed_stderr_is_not() -> None:
    done = run(REPORT.format("c.write('x')"), ">&-")
    assert done.returncode == 1 and b"cannot be written" in done.stderr
    done = run("c.warn('x'); c.write_line('y')", "2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"y\n", b"")


def test_each_piece_is_there_at_once() -> None:
    program = "from localai.terminal.console import Console\nimport sys\nc = Console.standard()\nc.write('one')\nsys.stdin.read()\nc.end()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENV
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert os.read(process.stdout.fileno(), 10) == b"one"
        process.stdin.close()
        assert process.stdout.read() == b"\n"


def test_a_non_blocking_pipe_loses_nothing() -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    program = (
        "from localai.terminal.console import Console\nConsole.standard().write_line('x' * 300_000)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, env=ENV
    )
    os.close(write)
    time.sleep(0.2)
    assert drain(read) == b"x" * 300_000 + b"\n"
    assert process.communicate()[1] == b"" and process.returncode == 0


def test_a_non_blocking_stdin_is_waited_for() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    program = "from localai.terminal.console import Console\nc = Console.standard()\nc.write_line(c.read_stdin())"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=read, stdout=subprocess.PIPE, env=ENV
    )
    os.close(read)
    time.sleep(0.2)
    os.write(write, b"late")
    os.close(write)
    assert process.communicate(timeout=60)[0] == b"late\n"


STDIN = "c.write_json(c.read_stdin())"


def test_stdin_is_read_from_pipes_and_files_only(tmp_path: Path) -> None:
    assert run(STDIN, input=b"\xef\xbb\xbfh\xc3\xa4", stdin=None).stdout == b'"h\xc3\xa4"\n'
    assert run(STDIN).stdout == b'""\n'
    assert run(STDIN, "<&-").stdout == b'""\n'
    file = tmp_path / "in.txt"
    file.write_text("from a file")
    assert run(STDIN, f"< {file}").stdout == b'"from a file"\n'
    master, slave = terminal()
    assert run(STDIN, stdin=slave).stdout == b'""\n'
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"abc\xff", "not UTF-8 text (byte 3)"),
        (b"ab\0c", "a NUL at byte 2"),
        (b"\xff\xfea\0", "byte 0"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(data: bytes, words: str) -> None:
    console = Console(Stream(io.BytesIO(data)), Stream(None), Stream(None))
    with pytest.raises(BadInput) as caught:
        console.read_stdin()
    assert words in caught.value.what


def test_stdin_is_bounded() -> None:
    console = Console(Stream(io.BytesIO(b"12345")), Stream(None), Stream(None))
    with pytest.raises(BadInput):
        console.read_bytes(limit=4)


class Screen(io.BytesIO):
    """A terminal's screen: what was written, emulated."""

    def text(self) -> list[str]:
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(self.getvalue().replace(b"\n", b"\r\n"))
        return [line.rstrip() for line in screen.display if line.strip()]


@pytest.fixture
def screen() -> Iterator[Screen]:
    settings.load.cache_clear()
    yield Screen()
    settings.load.cache_clear()


def on(screen: Screen) -> Console:
    stream = Stream(screen, terminal=True)
    return Console(Stream(None), stream, stream, color=True)


def test_talk_in_the_middle_of_an_answer_gets_its_own_line(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = on(screen)
    console.status("loading")
    console.thinking("let me see")
    console.write("half a li")
    console.status("never over an answer")
    console.warn("slow")
    console.write("ne")
    console.end()
    assert screen.text() == ["let me see", "half a li", "warning: slow", "ne"]


def test_an_error_ends_the_answer() -> None:
    out, err = io.BytesIO(), io.BytesIO()
    console = Console(Stream(None), Stream(out), Stream(err))
    console.write("half")
    console.error(BadInput("stopped"))
    assert (out.getvalue(), err.getvalue()) == (b"half\n", b"localai: stopped\n")


def test_quiet_keeps_errors_only(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = on(screen)
    console.hush()
    console.status("s")
    console.thinking("t")
    console.warn("w")
    console.talk("x")
    console.write_line("answer")
    console.error(UnknownModel("no such model"))
    assert screen.text() == ["answer", "localai: no such model"]


def test_errors_as_json_are_one_object_on_one_line() -> None:
    err = io.BytesIO()
    Console(Stream(None), Stream(None), Stream(err)).error(
        UnknownModel("no\x1b\nmodel", "x"), as_json=True
    )
    assert err.getvalue().count(b"\n") == 1
    expected = {"code": "unknown_model", "exit": 3, "message": "no\x1b\nmodel", "next": "x"}
    assert json.loads(err.getvalue()) == {"error": expected}


def test_markdown_goes_to_terminals_only(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    pipe = io.BytesIO()
    for stream in (Stream(screen, terminal=True), Stream(pipe)):
        console = Console(Stream(None), stream, Stream(None), color=True)
        console.use_markdown()
        console.write("**bold")
        console.write("**\n\n")
        console.end()
    assert pipe.getvalue() == b"**bold**\n"
    assert screen.getvalue() == b"\x1b[1m**bold**\x1b[0m\n"


def test_a_stream_that_fails_later_is_a_closed_pipe() -> None:
    class Gone(io.BytesIO):
        def write(self, data: object) -> int:
            raise BrokenPipeError

    console = Console(Stream(None), Stream(Gone()), Stream(Gone()))
    console.talk("nobody hears it")
    with pytest.raises(ClosedPipe):
        console.write("x")
    with pytest.raises(LocalaiError):
        console.write("nor now")


TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@given(st.lists(st.text("a \n\t", max_size=5), max_size=8))
def test_exactly_one_newline_ends_an_answer(pieces: list[str]) -> None:
    out = io.BytesIO()
    console = Console(Stream(None), Stream(out), Stream(None))
    for piece in pieces:
        console.write(piece)
    console.end()
    whole = "".join(pieces)
    body = whole.rstrip(" \t\n")
    tail = whole[len(body) :].split("\n")[0]
    assert out.getvalue().decode() == (body + tail + "\n" if pieces else "")


@given(TEXT, st.integers(0, 40))
def test_sanitised_text_moves_nothing(text: str, cut: int) -> None:
    shown = sanitise(text)
    assert sanitise(text[:cut]) + sanitise(text[cut:]) == shown == sanitise(shown)
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in shown)
    assert encode(shown).decode() == shown
    assert "\n" not in one_line(text) and "\t" not in one_line(text)
    assert cells(clip(one_line(text), 7)) <= 7


@given(st.binary(max_size=60))
def test_decoding_gives_text_or_bad_input(data: bytes) -> None:
    try:
        assert decode(data, "it").encode() == data.removeprefix(b"\xef\xbb\xbf")
    except BadInput as error:
        assert "it is" in error.what


@given(TEXT)
def test_json_stays_json(text: str) -> None:
    safe = json_safe(json.dumps(text, ensure_ascii=False))
    assert json.loads(safe) == text and sanitise(safe) == safe


def test_file_names_that_are_no_text_come_back_as_bytes() -> None:
    assert encode(os.fsdecode(b"a\xff")) == b"a\xff"
    assert encode("\ud800") == b"\\ud800"


def test_held_knows_whether_a_text_is_open() -> None:
    held = TrailingNewlines()
    assert not held.end()
    assert held.push("\n") == "" and held.push("a") == "\na"
    assert held.end() and not held.end()


class Board:
    """Takes what a progress draws."""

    def __init__(self, animated: bool) -> None:
        self.animated = animated
        self.drawn: list[str] = []

    def status(self, text: str) -> None:
        self.drawn.append(text)

    def clear_status(self) -> None:
        self.drawn.append("")


def test_progress_tells_rate_and_time_left() -> None:
    now = [0.0]
    progress = ProgressLine(Board(True), "reading the prompt", "tokens", clock=lambda: now[0])
    now[0] = 2.0
    assert progress.line() == "reading the prompt  2 s"
    progress.update(1000, 4000)
    assert progress.line() == "reading the prompt  1000/4000 tokens"
    now[0] = 4.0
    progress.update(2000, 4000)
    assert progress.line() == "reading the prompt  2000/4000 tokens  500/s  4 s left"
    transfer = ProgressLine(Board(True), "tiny", "bytes", clock=lambda: now[0])
    transfer.update(5e8, 2e9)
    now[0] = 14.0
    transfer.update(1e9, 2e9)
    assert transfer.line() == "tiny  1.0 GB/2.0 GB  50.0 MB/s  20 s left"


def test_progress_appears_late_and_is_erased() -> None:
    board = Board(True)
    with ProgressLine(board, "fast"):
        pass
    assert board.drawn == [""]
    with ProgressLine(board, "slow") as progress:
        deadline = time.monotonic() + 30
        while len(board.drawn) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    progress.finish()
    assert board.drawn[1].startswith("slow") and board.drawn[-1] == ""


def test_progress_is_silent_in_a_pipe() -> None:
    board = Board(False)
    with ProgressLine(board, "slow") as progress:
        progress.update(1, 2)
        assert progress._thread is None
    assert board.drawn == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1400, "1.4 kB"),
        (999_960, "1.0 MB"),
        (4.7e9, "4.7 GB"),
        (2e12, "2.0 TB"),
    ],
)
def test_amounts(number: float, words: str) -> None:
    assert amount(number) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (89, "89 s"), (100, "2 min"), (4000, "67 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_debug_shows_where_an_error_comes_from_and_what_was_noted() -> None:
    said = io.BytesIO()
    console = Console(Stream(io.BytesIO()), Stream(io.BytesIO()), Stream(said))
    error = BadInput("no")
    error.add_note("the engine's last words:\nhelp")
    console.error(error)
    assert said.getvalue() == b"localai: no\n"
    console.debug = True
    console.error(error)
    assert said.getvalue().endswith(b"the engine's last words:\nhelp\nlocalai: no\n")
