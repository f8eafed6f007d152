"""Every exit code, and how errors are told: in words, as JSON, with a guess at what was meant."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from localai import cli, errors
from localai.errors import ExitCode, LocalaiError
from tests.conftest import ROOT, Ran, ask, command, run

pytestmark = pytest.mark.usefixtures("warmth")

CAPITAL = "What is the capital of France?"
LONG = ("--unbuffered", "--regex", "([a-z]{3} ){900}", "--temp", "0", "go")


def environment() -> dict[str, str]:
    """This test's environment, for a process of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def told(done: Ran, code: int) -> str:
    """Assert the manners of every error; return what was said."""
    assert done.code == code, done
    assert done.stdout == b""
    first, *rest = done.err.splitlines()
    assert first.startswith("localai: ") and len(first) > len("localai: ")
    assert "Traceback" not in done.err and "should not have happened" not in done.err
    assert all(line.startswith("  next: ") for line in rest)
    return done.err


# The codes, one by one.


def test_0_is_done() -> None:
    assert ask("-n", "3", CAPITAL).code == 0
    assert run("--version").code == run("--help").code == 0


def test_1_is_a_failure() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("ask", "-m", "tiny", "-n", "3", "hi"),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=120,
        )
    assert "disk is full" in told(Ran(b"", done.stderr, done.returncode), 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ask", "--nonsense", "x"], ["--nonsense", "localai ask --help"]),
        (["ask", "-n", "x", "hi"], ["-n", "localai ask --help"]),
        (["ask", "--choices"], ["--choices"]),
        (["ask", "-p", "none such", "x"], ["none such"]),
        (["completion", "tcsh"], ["tcsh"]),
        (["--nonsense"], ["--nonsense", "localai --help"]),
    ],
    ids=" ".join,
)
def test_2_is_wrong_usage(arguments: list[str], words: list[str]) -> None:
    said = told(run(*arguments), 2)
    assert all(word in said for word in words)


def test_2_is_an_input_that_cannot_be_read() -> None:
    assert "UTF-8" in told(ask(stdin=b"\xff\xfe"), 2)


def test_3_is_a_model_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    assert "-m tiny" in told(run("ask", "hi"), 3)
    assert "nowhere.gguf" in told(run("ask", "-m", "nowhere.gguf", "hi"), 3)
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(64))
    assert "damaged.gguf" in told(run("ask", "-m", str(tmp_path / "damaged.gguf"), "hi"), 3)
    (tmp_path / "empty.gguf").write_bytes(b"")
    assert "empty.gguf" in told(run("ask", "-m", str(tmp_path / "empty.gguf"), "hi"), 3)
    assert str(tmp_path) in told(run("ask", "-m", str(tmp_path), "hi"), 3)


def test_5_is_a_constraint_that_was_not_met(tmp_path: Path) -> None:
    done = ask("--regex", "[a-z]{50}", "-n", "3", "x", "-o", "-")
    # What has been streamed cannot be taken back; the error stands beside it.
    assert "-n" in told(Ran(b"", done.stderr, done.code), 5)
    assert told(ask("-o", "answer.txt", "--regex", "[a-z]{50}", "-n", "3", "x", cwd=tmp_path), 5)
    assert not list(tmp_path.iterdir())


def test_7_is_an_input_too_long() -> None:
    assert "4096" in told(ask(stdin="The wolves sleep. " * 2000), 7)


def test_130_is_ctrl_c() -> None:
    client = subprocess.Popen(
        command("ask", "-m", "tiny", *LONG),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert client.stdout is not None and client.stdout.read(1)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=60)
    assert (client.returncode, err.strip()) == (130, b"localai: stopped")


def test_141_is_a_closed_pipe_and_is_silent() -> None:
    client = subprocess.Popen(
        command("ask", "-m", "tiny", *LONG),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert client.stdout is not None and client.stdout.read(1)
    client.stdout.close()
    assert client.stderr is not None
    assert (client.stderr.read(), client.wait(60)) == (b"", 141)
    client.stderr.close()


# Every class of error, forced: what it becomes is decided in one place.


def family(kind: type[LocalaiError]) -> list[type[LocalaiError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in family(child))]


OURS = [kind for kind in family(LocalaiError) if kind.__module__ == errors.__name__]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes `localai ask` fail in the middle with this error."""

    def force(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("localai.terminal.console.Console.read_stdin", fail)

    return force


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"(\w+) +(\d+)  ", errors.__doc__ or "")
    assert dict(drawn) == {kind.__name__: str(int(kind.code)) for kind in OURS}
    assert {int(kind.code) for kind in OURS} == {int(code) for code in ExitCode} - {0}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_each_error_becomes_its_code_and_its_words(
    kind: type[LocalaiError],
    fails: Callable[[BaseException], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    fails(kind("it went wrong", "try this"))
    code = cli.main(["ask", "-m", "tiny", "hi"])
    out, err = capfd.readouterr()
    assert (code, out) == (int(kind.code), "")
    quiet = kind is errors.ClosedPipe
    assert err == ("" if quiet else "localai: it went wrong\n  next: try this\n")
    if quiet:
        return
    assert cli.main(["ask", "-m", "tiny", "--json", "hi"]) == code
    (error,) = json.loads(capfd.readouterr().err).values()
    assert set(error) == {"code", "exit", "message", "next"}
    assert (error["exit"], error["message"], error["next"]) == (code, "it went wrong", "try this")
    assert re.fullmatch("[a-z]+(_[a-z]+)*", error["code"])


def test_4_is_not_enough_memory(
    fails: Callable[[BaseException], None], capfd: pytest.CaptureFixture[str]
) -> None:
    fails(errors.NotEnoughMemory("it needs 9 GB, 4 GB are free", "a smaller --ctx"))
    assert cli.main(["ask", "-m", "tiny", "hi"]) == 4
    assert "9 GB" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "stopped"),
        (RuntimeError("oops"), 1, "RuntimeError: oops"),
        (OSError(28, "No space left on device"), 1, "No space left"),
        (RecursionError("deep"), 1, "deep"),
        (click.UsageError("no such thing"), 2, "no such thing"),
        (click.FileError("x.txt", "gone"), 2, "x.txt"),
    ],
    ids=repr,
)
def test_an_error_that_is_not_ours_is_told_too(
    error: BaseException,
    code: int,
    words: str,
    fails: Callable[[BaseException], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    fails(error)
    assert cli.main(["ask", "-m", "tiny", "hi"]) == code
    err = capfd.readouterr().err
    assert words in err and "Traceback" not in err


@pytest.mark.parametrize(
    "error",
    [
        errors.LocalaiError("it broke"), errors.WorkerDied("it died"), errors.NoDaemon("none"),
        OSError(28, "No space left on device"), RecursionError("deep"), AssertionError(),
    ],
    ids=repr,
)  # fmt: skip
def test_no_failure_of_a_test_is_a_no(
    error: BaseException,
    fails: Callable[[BaseException], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    fails(error)
    assert cli.main(["ask", "-m", "tiny", "--test", "--json", "hi"]) == 2
    told = json.loads(capfd.readouterr().err)["error"]
    assert (told["code"], told["exit"]) == ("undecided", 2), "as the exit code says"
    assert cli.main(["ask", "-m", "tiny", "--", "--test"]) == 1, "a word of the prompt"


# How errors are told.


def test_errors_as_json_are_one_object_on_stderr() -> None:
    for arguments, code, name in (
        (["ask", "--json", "-m", "tinny", "hi"], 3, "unknown_model"),
        (["ask", "-m", "tiny", "--json", "--nonsense"], 2, "bad_input"),
        (["ask", "-m", "tiny", "--json", "--regex", "(", "x"], 2, "bad_constraint"),
        (
            ["ask", "-m", "tiny", "--json", "--regex", "[a-z]{9}", "-n", "1", "x"],
            5,
            "constraint_not_met",
        ),
    ):
        done = run(*arguments)
        assert (done.code, done.stdout) == (code, b"")
        assert done.err.count("\n") == 1
        error = json.loads(done.err)["error"]
        assert (error["code"], error["exit"]) == (name, code) and error["message"]


def test_a_slip_of_the_finger_gets_a_guess() -> None:
    def guess(code: int, *arguments: str) -> str:
        said = told(run(*arguments), code)
        return "".join(re.findall(r"did you mean [`'\"]?([\w-]+)", said, re.IGNORECASE)) or said

    assert guess(2, "aks", "hi") == "ask"
    assert guess(2, "prompt", "list") == "prompts"
    assert guess(3, "ask", "-m", "tinny", "hi") == "tiny"
    assert guess(2, "ask", "-m", "tiny", "-p", "sumarize", "hi") == "summarize"
    assert "'--model'" in told(run("ask", "--modle", "tiny", "hi"), 2)
    assert "localai --help" in guess(2, "xyzzy")


def test_only_debug_shows_a_traceback_and_the_code_stays() -> None:
    plain = run("ask", "-m", "nowhere.gguf", "hi")
    told(plain, 3)
    for done in (
        run("ask", "--debug", "-m", "nowhere.gguf", "hi"),
        run("ask", "-m", "nowhere.gguf", "hi", env={"LOCALAI_DEBUG": "1"}),
    ):
        assert "Traceback" in done.err and "UnknownModel" in done.err
        assert done.code == 3


def test_no_command_at_all_is_the_help_and_exit_2() -> None:
    done = run()
    assert (done.code, done.stdout) == (2, b"")
    assert done.err.startswith("Usage: localai")


def test_names_from_outside_cannot_draw_on_the_terminal() -> None:
    for done in (
        run("ask", "-m", "\x1b[2J\u202e.gguf", "hi"),
        run("\x1b]0;title\x07"),
        run("ask", "-m", "tiny", "-p", "\x1b[31m", "hi"),
        run("ask", "-m", "tiny", "--\x1b[31m", "hi"),
    ):
        assert done.code in (2, 3)
        assert "\x1b" not in done.err and "\x07" not in done.err and "\u202e" not in done.err


@pytest.mark.parametrize("moment", ["localai.errors", "localai.cli"])
def test_ctrl_c_while_the_command_itself_is_imported_is_no_traceback(moment: str) -> None:
    client = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "localai", "ask", "-m", "tiny", "hi"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert client.stderr is not None
    for line in client.stderr:
        if line.split()[-1].decode() == moment:  # its import is done; much or little is to come
            break
    client.send_signal(signal.SIGINT)
    out, err = client.communicate(timeout=60)
    assert client.returncode in (130, -signal.SIGINT)
    assert out == b"" and b"Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "code", "what", "hint"),
    [
        (("--stop", "e", "--test", "x"), 2, "--stop and a constraint", "leave out --stop"),
        (("--stop", "re", "--choices", "red,green", "x"), 2, "--stop and a constraint", "--stop"),
        (("--test", "-o", "file", "x"), 2, "--test has no output", "leave out -o"),
        (("-p", "summarize"), 2, "summarize wants an input", "on stdin"),
        (("-p", "commit-message"), 2, "wants an input", "argument"),
        (("-p", "", "x"), 2, "no prompt called ''", "localai prompts"),
        (("--raw", "-p", "code-review", "x"), 2, "the prompt file has one", "leave out --raw"),
        (("-p", "./bad.md", "x"), 2, "bad.md: `regex`: the regex is not valid", "Correct"),
        (("-p", "translate", "--var", "language=@", "x"), 2, "names no file", "language=@FILE"),
        (("--var",), 2, "requires an argument", "localai ask --help"),
        (("-e", "abc\\"), 2, "a backslash escapes nothing", ""),
        (("-e", "a\\q"), 2, "there is no escape \\q", ""),
        (("-o", "folder", "--force", "x"), 2, "folder is a folder", "name a file"),
        (("-o", "", "x"), 2, "names no file", "-o FILE"),
        (("--schema", "./folder", "x"), 2, "folder cannot be read", ""),
        (("-m", "", "x"), 3, "name is empty", "localai models"),
        (("-m", "./dangling.gguf", "x"), 3, "a link to a file that is not there", "mend"),
    ],
)
def test_what_is_wrong_is_named(
    arguments: tuple[str, ...],
    code: int,
    what: str,
    hint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("dangling.gguf").symlink_to("nowhere")
    Path("bad.md").write_text('---\ndescription: bad\nregex: "[a-"\n---\n{{input}}\n')
    done = run("ask", *(() if "-m" in arguments else ("-m", "tiny")), *arguments)
    first, *rest = told(done, code).splitlines()
    assert what in first and (hint in rest[0] if hint else True)
    assert sorted(each.name for each in tmp_path.iterdir() if each.name != "home") == [
        "bad.md",
        "dangling.gguf",
        "folder",
    ]


@pytest.mark.parametrize("arguments", ["--help", "ask --help", "--version", "prompts new --help"])
def test_help_has_a_reader_and_a_disk_like_any_output(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for out, code in ((writing, 141), (os.open("/dev/full", os.O_WRONLY), 1)):
        done = subprocess.run(
            command(*arguments.split()), stdout=out, stderr=subprocess.PIPE, env=environment()
        )
        os.close(out)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr and (b"disk is full" in done.stderr) == (code == 1)


@pytest.mark.parametrize("columns", [24, 40, 59, 60, 80, 200])
def test_help_is_as_wide_as_the_terminal(columns: int) -> None:
    done = run("ask", "--help", env={"COLUMNS": str(columns)})
    lines = done.out.partition("Options:")[2].splitlines()
    longest = max(map(len, lines))
    names = max(len(line.split("  ")[1]) for line in lines if line.startswith("  -"))
    assert longest <= max(min(columns, 100), names + 2)
    assert done.code == 0 and len(lines) > 30


@pytest.mark.parametrize("command_line", ["bench nowhere.gguf", "models show nowhere.gguf"])
def test_every_command_can_be_traced(command_line: str) -> None:
    assert "Traceback" not in run(*command_line.split()).err
    for words in (f"{command_line} --debug", f"--debug {command_line}"):
        done = run(*words.split())
        assert done.code == 3 and "Traceback" in done.err and "nowhere.gguf" in done.err


def test_codes_of_errors_in_json_are_pinned() -> None:
    """Scripts compare them: renaming a class must not change one, and no class inherits another's."""
    from localai import errors
    from localai.pool import protocol

    pinned = {
        errors.LocalaiError: "localai_error",
        errors.WorkerDied: "worker_died",
        errors.ModelStopped: "model_stopped",
        errors.NoDaemon: "no_host",
        errors.Undecided: "undecided",
        errors.BadInput: "bad_input",
        errors.BadConstraint: "bad_constraint",
        errors.InUse: "in_use",
        errors.Unavailable: "unavailable",
        errors.UnknownModel: "unknown_model",
        errors.BadModel: "bad_model",
        errors.EngineMissing: "engine_missing",
        errors.NotEnoughMemory: "not_enough_memory",
        errors.ConstraintNotMet: "constraint_not_met",
        errors.SomeFailed: "some_failed",
        errors.TooLong: "too_long",
        errors.Interrupted: "interrupted",
        errors.ClosedPipe: "closed_pipe",
        protocol.ProtocolError: "wire_error",
        protocol.OtherVersion: "other_version",
    }
    found = set(errors._family(errors.LocalaiError).values())
    assert {each.__name__ for each in found} == {each.__name__ for each in pinned}
    assert {each: each("x").to_json()["code"] for each in pinned} == pinned
