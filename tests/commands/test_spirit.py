"""`localai spirit` with the tiny models: for scripts, with sound, with a log, and what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import wave
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from localai.commands import options
from localai.commands.spirit import spirit as spirit_command
from localai.errors import BadInput
from localai.media.sound import open_sound
from localai.seance import opening
from localai.seance.log import read
from localai.seance.opening import SeanceWishes
from localai.seance.seed import image_seed
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from tests.conftest import ROOT, command, run
from tests.seance.test_box import share_within
from tests.tiny.chat_ghost import is_ghostly

SPEECH = ROOT / "tests" / "speech"
QUESTION = str(SPEECH / "capital-of-france.flac")
NOTE = "All voices are machine-made; no one is there. Seed 7.\n"


def spirit(*arguments: str, **more: Any) -> Any:
    return run("spirit", "-m", "tiny", "--seed", "7", *arguments, **more)


def sound(path: Path) -> tuple[np.ndarray, int]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data.astype(np.float32) / 32767, file.getframerate()


def test_one_question_one_line() -> None:
    done = spirit("--once", "Is anybody there?")
    assert done.code == 0 and done.err == NOTE + "[en] Is anybody there?\n"
    assert done.out.count("\n") == 1 and done.out.strip()
    quiet = spirit("-q", "--once", "Is anybody there?")
    assert (quiet.out, quiet.err) == (done.out, "")


def test_the_tiny_model_is_a_ghost() -> None:
    lines = []
    for seed in range(6):
        done = run(
            "spirit", "-m", "tiny", "--seed", str(seed), "--count", "4", "--once", "Who are you?"
        )
        lines += done.out.splitlines()
    said = [line for line in lines if line != "..."]
    assert len(lines) == 24 and sum(map(is_ghostly, said)) > len(said) * 0.6, lines


def test_a_spoken_question_gives_three_lines_the_same_each_time() -> None:
    runs = [spirit("--audio", QUESTION, "--count", "3", "--silent", "--cold") for _ in range(3)]
    assert [done.code for done in runs] == [0, 0, 0]
    assert runs[0].out == runs[1].out == runs[2].out and runs[0].out.count("\n") == 3
    assert runs[0].err == NOTE + "[en] what is the capital of france\n"
    other = run(
        "spirit", "-m", "tiny", "--seed", "8", "--audio", QUESTION, "--count", "3", "--cold"
    )
    assert other.out != runs[0].out


@pytest.mark.usefixtures("warm")
def test_a_spoken_question_is_heard_in_the_best_of_the_languages() -> None:
    for name, code, words in (
        ("tuer", "de", "öffne die tür"),
        ("open-the-door", "en", "open the door"),
    ):
        done = spirit("--audio", str(SPEECH / f"{name}.flac"), "--languages", "en,German", "--json")
        asked, answered = map(json.loads, done.out.splitlines())
        assert (asked["event"], asked["language"], asked["text"]) == ("asked", code, words)
        assert answered["language"] == code
    piped = spirit("--audio", "-", stdin=(SPEECH / "open-the-door.flac").read_bytes())
    assert piped.code == 0 and "open the door" in piped.err


def microphone(tmp_path: Path, said: str = "capital-of-france") -> dict[str, str]:
    """The environment of a machine whose microphone says a spoken file, or `none`."""
    if said != "none":
        with open_sound(SPEECH / f"{said}.flac") as spoken:
            whole = np.concatenate([block.samples for block in spoken.blocks()])
        path = tmp_path / "microphone.raw"
        path.write_bytes((whole * 32767).astype("<i2").tobytes())
        said = str(path)
    folder = ROOT / "tests" / "support" / "fake_sound"
    return {"FAKE_MICROPHONE": said, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_a_question_into_the_microphone(tmp_path: Path) -> None:
    done = spirit("--mic", "--count", "2", env=microphone(tmp_path))
    assert done.code == 0 and done.out.count("\n") == 2, done.err
    assert "listening" in done.err and "[en] what is the capital of france\n" in done.err
    deaf = spirit("--mic", env=microphone(tmp_path, "none"))
    assert deaf.code == 3 and "no microphone" in deaf.err and deaf.out == ""


def test_no_option_of_sampling_is_taken_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"--temp-first": [], "--top-p": ["0.5"], "--repeat-penalty": ["1.5"]}
    plans = []

    def hold(console: object, engines: object, wishes: SeanceWishes, *more: object) -> None:
        plans.append(opening.plan(wishes))

    monkeypatch.setattr("localai.seance.holding.hold", hold)

    @click.command()
    @options.sampling
    def every(**_: object) -> None: ...

    console = Console(Stream(None), Stream(None), Stream(None))
    arguments = ["-m", "tiny", "--once", "Who?"]
    names = [each.opts[-1] for each in every.params]
    for more in ([], *([name, *values.get(name, ["1"])] for name in names)):
        seed = [] if "--seed" in more else ["--seed", "7"]
        spirit_command.main([*arguments, *more, *seed], obj=console, standalone_mode=False)
    usual, *changed = plans
    assert len(changed) == len(names) > 8
    for name, plan in zip(names, changed, strict=True):
        assert plan.options != usual.options, name


def test_questions_on_stdin_a_line_each() -> None:
    done = spirit(stdin="Who are you?\n\n  Wer bist du?  \n")
    assert done.code == 0 and done.out.count("\n") == 2
    assert "[en] Who are you?\n[de] Wer bist du?\n" in done.err


def test_what_is_recorded_lies_in_the_stated_band(tmp_path: Path) -> None:
    for band, (low, high) in (("am", (300, 3400)), ("fm", (100, 9000))):
        path = tmp_path / f"{band}.wav"
        done = spirit(
            "--once",
            "Who are you?",
            "--record",
            str(path),
            "--band",
            band,
            "--voice",
            "espeak:croak",
        )
        assert done.code == 0, done.err
        heard, rate = sound(path)
        assert rate == 22_050 and len(heard) > rate
        assert share_within(heard, low, high, rate) > 0.99
        assert float(np.abs(heard).max()) > 0.1
    assert not list(tmp_path.glob(".*"))


def test_the_log_its_labels_and_the_replay(tmp_path: Path) -> None:
    log, labels = tmp_path / "seance.jsonl", tmp_path / "labels.txt"
    files = ("--log", str(log), "--labels", str(labels))
    done = spirit("--once", "Who are you?", "--count", "3", "--sweep", "bounce", *files)
    begin, asked, *answered = map(json.loads, log.read_text().splitlines())
    assert begin["event"] == "begin" and "machine-made" in begin["note"]
    assert (asked["event"], asked["text"], asked["language"]) == ("asked", "Who are you?", "en")
    assert [line["answer"] for line in answered] == done.out.splitlines()
    for line in answered:
        assert line["question"] == "Who are you?" and line["seed"] == 7 and line["model"] == "tiny"
        assert 88 <= line["frequency"] <= 108 and line["unit"] == "MHz" and line["time"][:2] == "20"
    assert [line["turn"] for line in answered] == [0, 1, 2]
    assert [line["elapsed"] for line in answered] == sorted(line["elapsed"] for line in answered)
    words = [line.split("\t") for line in labels.read_text().splitlines()]
    assert " ".join(word for _, _, word in words).split() == done.out.split()
    assert all(float(start) <= float(end) for start, end, _ in words)
    again = run("spirit", "replay", str(log))
    assert (again.code, again.out) == (0, done.out) and "Seed 7" in again.err


def test_the_voice_alone_can_be_recorded(tmp_path: Path) -> None:
    whole, voice = tmp_path / "whole.wav", tmp_path / "voice.wav"
    done = spirit("--once", "Who are you?", "--record", str(whole), "--record-voice", str(voice))
    assert done.code == 0, done.err
    (heard, _), (dry, _) = sound(whole), sound(voice)
    assert len(heard) == len(dry) and float(np.abs(dry).max()) > 0.1
    # It speaks within its own words and is silent at the end, where the noise goes on.
    assert not np.any(dry[-2000:]) and np.any(heard[-2000:])


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    flags = ("--log", "--labels", "--record", "--record-voice")
    paths = [tmp_path / flag.strip("-") for flag in flags]
    for flag, path in zip(flags, paths, strict=True):
        path.write_text("mine")
        done = spirit("--once", "Who?", flag, str(path))
        assert done.code == 2 and "--force" in done.err and path.read_text() == "mine"
    pairs = [word for flag, path in zip(flags, paths, strict=True) for word in (flag, str(path))]
    assert spirit("--once", "Who?", *pairs, "--force").code == 0
    assert all(path.read_bytes() != b"mine" for path in paths)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_seance_that_never_begins_leaves_no_file_and_those_that_are_there(
    force: tuple[str, ...], tmp_path: Path
) -> None:
    flags = ("--log", "--labels", "--record", "--record-voice")
    paths = [tmp_path / flag.strip("-") for flag in flags]
    pairs = [word for flag, path in zip(flags, paths, strict=True) for word in (flag, str(path))]
    assert spirit(*pairs, *force).code == 2  # there is no question
    assert not list(tmp_path.iterdir())
    paths[-1].write_text("mine")
    assert spirit(*pairs, *force).code == 2
    assert [each.read_text() for each in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("--record", "--record-voice"), ("--record", "--log"), ("--log", "--labels")],
)
def test_two_files_of_a_seance_are_never_one(one: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("file")
    done = spirit("--once", "Who?", "--force", one, "file", other, "link", cwd=tmp_path)
    assert done.code == 2 and "one file" in done.err
    assert one in done.err and other in done.err
    assert (tmp_path / "file").read_text() == "mine"


def test_what_a_full_disk_took_of_a_recording_is_kept(tmp_path: Path) -> None:
    path, log = tmp_path / "a.wav", tmp_path / "a.jsonl"
    arguments = command("spirit", "-m", "tiny", "--seed", "7", "--once", "Who?", "--count", "999")
    line = 'ulimit -f 300; "$@" | cat'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, "bash", *arguments, "--record", path, "--log", log],
        capture_output=True, timeout=120, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1 and b"a.wav cannot be written" in done.stderr
    heard, rate = sound(path)
    assert len(heard) / rate > 3 and path.stat().st_size == 44 + 2 * len(heard)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.jsonl", "a.wav"]


def test_a_pipe_is_recorded_into_and_what_a_link_points_to(tmp_path: Path) -> None:
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    with (tmp_path / "heard").open("wb") as out, subprocess.Popen(["cat", pipe], stdout=out) as cat:
        flags = ("--record", str(pipe), "--record-voice", str(link))
        done = spirit("--once", "Who?", *flags)
        assert done.code == 0 and cat.wait(30) == 0, done.err
    heard = (tmp_path / "heard").read_bytes()
    assert pipe.is_fifo() and link.is_symlink()
    assert heard[:4] == b"RIFF" and len(heard) == target.stat().st_size
    assert len(sound(target)[0]) == (len(heard) - 44) // 2
    for flag in ("--record", "--log"):
        done = spirit("--once", "Who?", flag, "", cwd=tmp_path)
        assert done.code == 2 and f"{flag} names no file" in done.err


def test_a_card_and_prompts_of_ones_own(tmp_path: Path) -> None:
    prompts = tmp_path / "p.yaml"
    prompts.write_text('en:\n  question: "{{question}} Who is there?"\n  monologue: "{{said}}"\n')
    done = spirit(
        "--prompts", str(prompts), "--languages", "en", "--once", "Hello.", "--count", "2"
    )
    assert done.code == 0 and done.out.count("\n") == 2
    done = spirit("-c", "ghost", "--once", "Who are you?")
    assert done.code == 0 and done.out.count("\n") == 1


def test_the_seed_of_a_picture(tmp_path: Path) -> None:
    from fractions import Fraction

    import av

    path = tmp_path / "picture.png"
    image = np.zeros((8, 16, 3), np.uint8)
    image[..., 0], image[..., 1] = 10, 200
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("png", rate=Fraction(1))
        stream.width, stream.height, stream.pix_fmt = 16, 8, "rgb24"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    done = run("spirit", "-m", "tiny", "--seed-image", str(path), "--once", "Who?")
    assert done.code == 0 and "Seed 1280." in done.err  # 8 x 16 x 10
    for bad in (Path(QUESTION), Path("/dev/null"), tmp_path, Path("nowhere.png")):
        with pytest.raises(BadInput, match="seed"):
            image_seed(bad)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):  # damaged ones by the dozen
        path.write_bytes(whole[:cut] + bytes(3) + whole[cut + 3 :])
        with contextlib.suppress(BadInput):
            assert 0 <= image_seed(path) < 2**31


def test_without_a_seed_one_is_said_and_repeats_the_seance() -> None:
    first = run("spirit", "-m", "tiny", "--once", "Who?", "--count", "2", "--cold")
    seed = first.err.partition("Seed ")[2].partition(".")[0]
    again = run("spirit", "-m", "tiny", "--once", "Who?", "--count", "2", "--cold", "--seed", seed)
    assert again.out == first.out and 0 <= int(seed) <= 50_000


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--once", " "), 2, "empty"),
        ((), 2, "no question"),
        (("--once", "x", "--band", "xm"), 2, "no band xm"),
        (("--once", "x", "--step", "7"), 2, "50"),
        (("--once", "x", "--sweep", "sideways"), 2, "sideways"),
        (("--once", "x", "--languages", "xx"), 2, "no spirit prompts"),
        (("--once", "x", "-l", "de", "--languages", "en"), 2, "--languages"),
        (("--once", "x", "--prompts", "nowhere"), 2, "nowhere"),
        (("--once", "x", "-c", "nobody-here"), 2, "nobody-here"),
        (("--once", "x", "--voice", "nobody-here"), 3, "no voice"),
        (("--once", "x", "--record", "/nowhere/a.wav"), 2, "/nowhere/a.wav"),
        (("--once", "x", "--log", "/nowhere/a"), 2, "/nowhere/a"),
        (("--once", "x", "--record", "a.wav", "--record-voice", "./a.wav"), 2, "one file"),
        (("--audio", "nowhere.wav"), 2, "nowhere.wav"),
        (("--audio", "/dev/null"), 2, "/dev/null"),
        (("--audio", str(ROOT / "README.md")), 2, "README.md"),
        (("--audio", str(SPEECH / "hello.flac"), "--hear", "no-such-size"), 3, "no-such-size"),
        (("--once", "x", "-n", "4000"), 2, "no room"),
        (("--once", "word " * 9000), 7, "tokens"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    done = spirit(*arguments, cwd=tmp_path)
    assert done.code == code and told in done.err and done.out == "", done.err
    assert "Traceback" not in done.err and not list(tmp_path.iterdir())


def test_logs_that_are_none(tmp_path: Path) -> None:
    good = b'{"event": "asked", "text": "Who?", "language": "en", "number": 1}\n'
    path = tmp_path / "log.jsonl"
    for data in (
        b"", b"{", b"[]", b"1\n", b"\xff\xfe", b"\x00", b'{"event": "begin"}\n', good + b"{}\n",
        b'{"event": "answered"}\n', good.replace(b'"Who?"', b"7"), good.replace(b"1", b'"1"'),
        b"[" * 9999, good.replace(b"asked", b"[]"), good[:-5], b"null\n",
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"log\.jsonl"):
            read(path)
    done = run("spirit", "replay", str(path))
    assert done.code == 2 and "log.jsonl:1" in done.err and done.out == ""
    assert run("spirit", "replay", str(tmp_path / "nothing")).code == 2


def test_a_log_that_was_cut_off_is_replayed_up_to_there(tmp_path: Path) -> None:
    log, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    spirit("--once", "Wer bist du, Geist der T\u00fcr?", "--count", "2", "--log", str(log))
    whole, lines = log.read_bytes(), log.read_bytes().splitlines(keepends=True)
    events = read(log).events
    assert len(events) == 3 and read(log).cut is False
    log.write_bytes(whole[:-1])  # a line without its end is one
    assert read(log).events == events and read(log).cut is False
    for line in (2, 3):
        for size in range(1, len(lines[line]) - 1):
            cut.write_bytes(b"".join(lines[:line]) + lines[line][:size])
            assert read(cut) == (events[: line - 1], 7, "fm", True)
    done = run("spirit", "replay", str(cut))
    assert done.code == 0 and done.out.count("\n") == 1 and "cut.jsonl was cut off" in done.err
    cut.write_bytes(b"".join(lines[:2]) + lines[2][:9] + b"\n" + lines[3])  # damage is no end
    with pytest.raises(BadInput, match=r"cut\.jsonl:3"):
        read(cut)


def test_silence_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(64_000))
    done = spirit("--audio", str(path))
    assert done.code == 2 and "nothing was said" in done.err


def test_without_the_extra_and_any_voice_the_text_still_comes(tmp_path: Path) -> None:
    """The library is hidden by one of its name that cannot be imported; no program is on the path."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'espeakng_loader' else found(name, *more)\n"
    )
    env = {"PATH": str(tmp_path), "PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"}
    done = spirit("--once", "Who?", "--record", str(tmp_path / "a.wav"), env=env)
    assert done.code == 0 and done.out.count("\n") == 1
    warnings = [line for line in done.err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1 and "voice" in warnings[0] and "pip install" in warnings[0]
    heard, _ = sound(tmp_path / "a.wav")
    assert np.any(heard)  # the noise is there


def test_a_reader_who_leaves_ends_it() -> None:
    line = f"{' '.join(command('spirit', '-m', 'tiny'))} --seed 7 -q --once Who --count 100000 | head -2"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=60, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout.count(b"\n") == 2 and done.stderr == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_interrupted_is_whole(number: int, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    process = subprocess.Popen(
        command("spirit", "-m", "tiny", "--once", "Who?", "--count", "100000", "--record", str(path)),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(4):
        assert process.stdout.readline()
    process.send_signal(number)
    process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == (130 if number == signal.SIGINT else 143)
    heard, rate = sound(path)
    assert len(heard) > rate and not list(tmp_path.glob(".*"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_hour_of_monologue_keeps_its_memory_flat(tmp_path: Path) -> None:
    """About 1,200 lines, as fast as they come."""
    import psutil

    process = subprocess.Popen(
        command("spirit", "-m", "tiny", "--once", "Who?", "--count", "1200", "--log", str(tmp_path / "l"), "-q"),
        stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    client, engine = [], []
    for number, _ in enumerate(process.stdout):
        if number % 100 == 99 and process.poll() is None:
            ours = psutil.Process(process.pid)
            client.append(ours.memory_info().rss)
            engine.append(sum(each.memory_info().rss for each in ours.children(True)))
    process.stdout.close()
    assert process.wait() == 0 and len(client) >= 10
    assert max(client) < client[0] * 1.1, client
    # The engine keeps memories of idle texts, 512 MB of them at most (`prompt_cache`).
    assert max(engine) < engine[0] + (560 << 20), engine
