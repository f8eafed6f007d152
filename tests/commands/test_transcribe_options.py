"""What `localai transcribe` can be asked for besides the text, and what it tells."""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localai.commands.heard import HeardView
from localai.commands.transcript_files import targets
from localai.errors import BadInput
from localai.media.segments import Segment, Word
from localai.media.sound import open_sound
from localai.media.subtitles import About
from localai.media.transcription import Language
from localai.terminal.confidence import painted
from localai.terminal.console import Console
from localai.terminal.streams import Stream
from localai.types import Event
from tests.conftest import ROOT, Ran, command, run
from tests.support import sounds
from tests.support.terminal_run import TerminalRun

SPEECH = ROOT / "tests" / "speech"
COMMANDS = str(SPEECH / "commands.flac")
QUESTION = str(SPEECH / "capital-of-france.flac")
ASKED = "what is the capital of france"

pytestmark = pytest.mark.usefixtures("warm")


def hear(*arguments: str, stdin: bytes = b"", **more: Any) -> Ran:
    return run("transcribe", "-m", "tiny", *arguments, stdin=stdin, **more)


def samples(name: str) -> sounds.Samples:
    with open_sound(SPEECH / f"{name}.flac") as sound:
        return np.concatenate([block.samples for block in sound.blocks()])


def test_the_language_alone() -> None:
    german = str(SPEECH / "tuer.flac")
    done = hear(german, "--detect-language")
    assert (done.code, done.out, done.err) == (0, "de\n", "")
    both = hear(german, COMMANDS, "--detect-language")
    assert both.out == f"{german}: de\n{COMMANDS}: en\n"
    told = hear(german, "--detect-language", "--json").json
    assert told["language"] == "de" and 0.5 < told["probability"] <= 1
    assert hear(german, "--detect-language", "--languages", "en,fr").out == "en\n"
    silent = hear("-", "--detect-language", "--sample-rate", "16000", stdin=bytes(64000))
    assert (silent.code, silent.out) == (0, "") and "no speech" in silent.err
    assert not [*Path(os.environ["XDG_STATE_HOME"], "localai", "transcripts").glob("*")]


def test_the_language_goes_to_a_file_too(tmp_path: Path) -> None:
    path, bad = tmp_path / "languages", tmp_path / "bad.wav"
    bad.write_bytes(b"none")
    german = str(SPEECH / "tuer.flac")
    done = hear(german, str(bad), COMMANDS, "--detect-language", "-o", str(path))
    assert (done.code, done.out) == (6, "")
    assert path.read_text() == f"{german}: de\n{COMMANDS}: en\n"
    assert hear(german, "--detect-language", "-o", str(path)).code == 2
    assert hear(german, "--detect-language", "-o", str(path), "--force").code == 0
    assert path.read_text() == "de\n"


def test_a_guessed_language_is_told() -> None:
    # The tiny model knows two languages, so that it gives others no probability.
    done = hear(str(SPEECH / "tuer.flac"), "--detect-language", "--languages", "fr,it")
    assert done.code == 0 and "is a guess" in done.err and "-l CODE" in done.err
    heard = hear(str(SPEECH / "tuer.flac"), "--languages", "fr,it")
    assert heard.code == 0 and "tuer.flac is a guess" in heard.err
    assert "is a guess" not in hear(str(SPEECH / "tuer.flac"), "--languages", "fr,de").err


def test_a_part_by_its_begin_and_its_length() -> None:
    whole = hear(COMMANDS).out.split()
    part = hear(COMMANDS, "--offset", "2", "--duration", "0:03").out
    assert part == hear(COMMANDS, "--clip", "2-5").out == "close the window\n"
    assert hear(COMMANDS, "--duration", "2s").out.split() == whole[:3]
    assert hear(COMMANDS, "--offset", "1h").out == ""


@pytest.mark.parametrize("more", [(), ("--detect-language",)])
def test_a_part_behind_the_end_is_told(more: tuple[str, ...]) -> None:
    for part in (("--offset", "1:00"), ("--clip", "1:00-1:10"), ("--clip", "1:00-")):
        done = hear(QUESTION, *part, *more)
        assert (done.code, done.out) == (2, "") and "ends after 3.3 s" in done.err, done.err
    piped = hear("-", "--offset", "1:00", "--sample-rate", "16000", stdin=bytes(64000))
    assert (piped.code, piped.out) == (2, "") and "ends before" in piped.err
    some = hear(QUESTION, "--clip", "0-", "--clip", "1:00-1:10", *more)
    assert some.code == 0 and some.out


def test_each_channel_is_a_speaker(tmp_path: Path) -> None:
    asks, orders = samples("capital-of-france"), samples("open-the-door")
    both = np.zeros((2, len(asks) + len(orders) + 3 * sounds.RATE), np.float32)
    both[0, : len(asks)] = asks
    both[1, len(asks) + sounds.RATE :][: len(orders)] = orders
    stereo = tmp_path / "two.wav"
    sounds.write(stereo, both, codec="pcm_s16le")
    forms = ("txt", "srt", "vtt", "tsv", "json", "jsonl", "lrc", "md")
    flags = [flag for form in forms for flag in ("-F", form)]
    done = hear(str(stereo), "--channels", "split", *flags, "-o", f"{tmp_path}/out/")
    assert done.code == 0, done.err
    for form in forms:
        text = (tmp_path / "out" / f"two.{form}").read_text()
        assert text.index("Speaker 1") < text.index("Speaker 2"), form
        assert text.index("capital") < text.index("door"), form
    assert (tmp_path / "out" / "two.txt").read_text() == (
        f"Speaker 1: {ASKED}\nSpeaker 2: open the door\n"
    )
    told = json.loads((tmp_path / "out" / "two.json").read_text())
    assert [each["speaker"] for each in told["segments"]] == ["Speaker 1", "Speaker 2"]
    journals = Path(os.environ["XDG_STATE_HOME"], "localai", "transcripts")
    before = set(journals.iterdir())
    through = hear("-", "--channels", "split", stdin=stereo.read_bytes())
    assert set(journals.iterdir()) == before  # nobody could go on with a pipe's
    assert through.out == (tmp_path / "out" / "two.txt").read_text()
    mixed = hear(str(stereo))
    assert "Speaker" not in mixed.out and ASKED in mixed.out
    alone = hear(QUESTION, "--channels", "split")
    assert alone.out == f"{ASKED}\n" and "one channel" in alone.err


def test_captions_are_as_wide_and_as_high_as_asked() -> None:
    narrow = hear(COMMANDS, "-F", "srt", "--max-line-width", "12", "--max-line-count", "1").out
    lines = [line for line in narrow.splitlines() if re.search("[a-z]", line)]
    assert max(map(len, lines)) <= 12 and len(lines) == narrow.count("-->") > 4
    words = hear(COMMANDS, "-F", "vtt", "--highlight-words").out
    marked, said = re.findall("<u>([^<]+)</u>", words), hear(COMMANDS).out.split()
    # A word that the model gives no time of its own is never the one that is said.
    assert len(marked) >= len(said) - 1 and marked == said[: len(marked)]
    assert "<00:00" in hear(COMMANDS, "-F", "lrc", "--highlight-words").out


def test_what_cannot_be_kept_together_is_told() -> None:
    for arguments in (
        ("-l", "xx"),
        ("--languages", "en,xx"),
        ("--clip", "1-2", "--offset", "1"),
        ("--duration", "0"),
        ("--highlight-words", "-F", "tsv"),
        ("--channels", "split", "--sample-rate", "8000"),
        ("--detect-language", "-l", "en"),
        ("--max-line-width", "0"),
        ("-o", "/dev/null/x/"),
    ):
        done = hear(COMMANDS, *arguments)
        assert (done.code, done.out) == (2, ""), (arguments, done.err)
        assert done.err.startswith("localai: ") and "Traceback" not in done.err, arguments
    assert "did you mean" in hear(COMMANDS, "-l", "germann").err
    assert hear(COMMANDS, "-l", "English").out == hear(COMMANDS, "-l", "en-GB").out != ""


def test_two_sounds_never_go_to_one_file(tmp_path: Path) -> None:
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).write_bytes(Path(QUESTION).read_bytes())
    done = hear(str(tmp_path / "a.flac"), str(tmp_path / "a.wav"))
    assert done.code == 2 and "would both be written to" in done.err
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    ("output", "names"),
    [
        ("talk", ["talk.srt", "talk.txt"]),
        ("talk.srt", ["talk.srt", "talk.txt"]),
        ("d/ep.1", ["d/ep.1.srt", "d/ep.1.txt"]),
        ("d/", ["d/sound.srt", "d/sound.txt"]),
        (None, ["in/sound.srt", "in/sound.txt"]),
    ],
)
def test_names_of_several_formats(output: str | None, names: list[str]) -> None:
    found = targets(["in/sound.flac"], ("srt", "txt"), output)["in/sound.flac"]
    assert [str(path) for path in found.values()] == names


def test_two_names_of_one_file_are_no_two_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    files = [str(tmp_path / "a.flac"), str(tmp_path / "link" / "a.wav")]
    with pytest.raises(BadInput, match="both"):
        targets(files, ("srt",), None)


@pytest.mark.parametrize(
    "arguments",
    [
        (".", QUESTION), ("-F", "srt", "-F", "txt", "."), ("-F", "srt", "/", QUESTION),
        ("-o", "", QUESTION), ("-o", "", "-F", "srt", "-F", "txt", QUESTION), ("", QUESTION),
        ("-F", "srt", "-F", "txt", "-o", "/dev/null", QUESTION),
    ],
)  # fmt: skip
def test_a_name_to_which_nothing_can_be_written_is_refused(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = hear(*arguments, cwd=tmp_path)
    assert (done.code, done.out) == (2, "") and "next:" in done.err, done.err
    assert "should not have happened" not in done.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_a_pipe_is_written_and_what_a_link_points_to(
    force: tuple[str, ...], tmp_path: Path
) -> None:
    pipe, link, target = (tmp_path / name for name in ("pipe", "link", "target"))
    os.mkfifo(pipe)
    link.symlink_to(target)
    if force:
        target.write_text("old")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert hear(QUESTION, "-o", str(pipe), *force).code == 0
        assert pipe.is_fifo() and os.read(reader, 100).decode() == f"{ASKED}\n"
    finally:
        os.close(reader)
    assert hear(QUESTION, "-o", str(link), *force).code == 0
    assert link.is_symlink() and target.read_text() == f"{ASKED}\n"
    assert hear(QUESTION, "-o", str(link)).code == 2  # it exists now


def test_damage_is_told_and_the_rest_is_heard(tmp_path: Path) -> None:
    file = tmp_path / "damaged.m4a"
    sounds.write(file, samples("commands"), codec="aac")
    data, r = bytearray(file.read_bytes()), random.Random(3)
    for at in range(len(data) // 2, len(data) // 2 + len(data) // 20):
        data[at] = r.randrange(256)
    file.write_bytes(data)
    done = hear(str(file))
    assert done.code == 0
    assert done.out.startswith("open the door")
    assert "damaged.m4a is damaged" in done.err and "left out" in done.err


def test_who_goes_first_is_told_and_a_short_sound_does(tmp_path: Path) -> None:
    files = []
    once = np.concatenate([samples("commands"), np.zeros(sounds.RATE, np.float32)])
    for name, times in (("long", 30), ("other", 4)):
        files.append(tmp_path / f"{name}.wav")
        sounds.write(files[-1], np.tile(once, times), codec="pcm_s16le")
    alone = [hear(str(file), "--temp", "0").out for file in files]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    long = subprocess.Popen(
        command("transcribe", "-m", "tiny", "--temp", "0", str(files[0])),
        stdout=subprocess.PIPE,
        bufsize=0,
        env=env,
    )
    assert long.stdout is not None and long.stdout.read(4) == b"open"
    other = subprocess.Popen(
        command("transcribe", "-m", "tiny", "--temp", "0", str(files[1])),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
    )
    short = hear(QUESTION)
    assert (short.out, short.err) == (f"{ASKED}\n", "")
    assert long.poll() is None, "a question of three seconds does not wait for a long file"
    rest, _ = long.communicate(timeout=120)
    assert f"open{rest.decode()}" == alone[0], "it goes on as if nothing had come between"
    out, err = other.communicate(timeout=120)
    told = rb"other.wav waits: (another transcription is|2 other transcriptions are) ahead\n"
    assert re.fullmatch(told, err), err
    assert out.decode() == alone[1]


class Invented:
    """A transcription of one segment, whose words are more and less sure."""

    summary = None
    about = About("a.wav")

    def __init__(self) -> None:
        words = (Word(0, 1, " good", 0.9), Word(1, 2, " \x1b[31mbad", 0.1), Word(2, 3, " so", 0.6))
        self.segments = [Segment(0, 3, "good \x1b[31mbad so", words)]

    def events(self) -> Iterator[Event]:
        from localai.media.segments import tidy

        yield Language("en", 0.3)
        yield from map(tidy, self.segments)


@pytest.mark.parametrize("color", [True, False])
def test_words_are_coloured_by_how_sure_the_model_is(color: bool) -> None:
    out, err = io.BytesIO(), io.BytesIO()
    console = Console(Stream(None), Stream(out, True), Stream(err), None if color else False)
    hearing = Invented()
    HeardView(console, show=True).listen(hearing, hearing.events())
    text = out.getvalue().decode()
    if color:
        assert text.startswith("good \x1b[31m\\x1b[31mbad\x1b[0m \x1b[33mso\x1b[0m\n")
    else:
        assert "\x1b" not in text
    assert b"is a guess: en (30%)" in err.getvalue()


def test_painted_words_obey_nothing() -> None:
    assert painted([(" a", 1.0), (" \x07b", 0.6), ("", 0.0)]) == " a \x1b[33m\\x07b\x1b[0m"


@pytest.mark.parametrize("columns", [40, 120])
def test_on_a_terminal_the_text_stands_alone(columns: int) -> None:
    with TerminalRun("transcribe", "-m", "tiny", COMMANDS, columns=columns) as shown:
        shown.read()
        assert shown.process.returncode == 0
        assert "".join(shown.lines).split() == hear(COMMANDS).out.replace("\n", "").split() or (
            " ".join(shown.lines).split() == hear(COMMANDS).out.split()
        )
        assert shown.screen.cursor.x == 0
