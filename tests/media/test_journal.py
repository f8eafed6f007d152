"""The journal: nothing that was written is lost, nothing damaged is believed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localai.errors import BadInput, LocalaiError
from localai.media.identity import identity, key_of
from localai.media.journal import SUFFIX, Journal, prune
from localai.media.segments import Segment, Word, tidy
from localai.media.subtitles import FORMATS, render
from tests.conftest import ROOT

SEGMENTS = [
    Segment(at * 2.0, at * 2.0 + 1.5, f" line {at} \x1b[2J ü 東",
            (Word(at * 2.0, at * 2.0 + 1.5, f" line {at} \x1b[2J ü 東", 0.5),), 0.1, -0.3)
    for at in range(6)
]  # fmt: skip
CLEAN = [tidy(segment) for segment in SEGMENTS]


def filled(folder: Path) -> Path:
    """A journal of two whole pieces and two segments more."""
    with Journal.open(folder, "key", resume=False) as journal:
        journal.note(language="en", duration=12.0)
        for at, segment in enumerate(SEGMENTS):
            assert journal.add(segment) == CLEAN[at]
            if at in (1, 3):
                journal.piece((at + 1) * 32_000)
    return folder / f"key{SUFFIX}"


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    filled(tmp_path)
    with Journal.open(tmp_path, "key", resume=True) as journal:
        assert journal.segments == CLEAN
        assert journal.notes == {"language": "en", "duration": 12.0}
        assert journal.heard == 4 * 32_000
        assert journal.position == 11.5
        assert not journal.finished
        journal.finish()
    with Journal.open(tmp_path, "key", resume=True) as journal:
        assert journal.finished and journal.segments == CLEAN
        assert journal.rewind() == 4 * 32_000
        assert journal.segments == CLEAN  # what is finished is not taken back


def test_a_run_goes_on_at_the_last_whole_piece_as_if_it_had_never_ended(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole").read_bytes()
    filled(tmp_path / "cut")
    with Journal.open(tmp_path / "cut", "key", resume=True) as journal:
        assert journal.rewind() == 4 * 32_000
        assert journal.segments == CLEAN[:4]
        assert journal.position == 8.0
        for segment in SEGMENTS[4:]:
            journal.add(segment)
        assert {kind: render(kind, journal.segments) for kind in FORMATS} == {
            kind: render(kind, SEGMENTS) for kind in FORMATS
        }
    assert (tmp_path / "cut" / f"key{SUFFIX}").read_bytes() == whole


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    filled(tmp_path)
    with Journal.open(tmp_path, "key", resume=False) as journal:
        assert journal.segments == [] and journal.notes == {} and journal.rewind() == 0


def test_a_segment_without_text_is_not_written(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "key", resume=False) as journal:
        assert journal.add(Segment(0, 1, " \n")) is None
        assert journal.segments == []


def test_cut_off_anywhere_it_keeps_all_whole_lines(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        lines = data[:size].count(b"\n")
        segments = sum(b'"segment"' in line for line in data.split(b"\n")[:lines])
        with Journal.open(tmp_path, "key", resume=True) as journal:
            assert journal.segments == CLEAN[:segments]
            journal.add(SEGMENTS[5])
        with Journal.open(tmp_path, "key", resume=True) as journal:
            assert journal.segments == [*CLEAN[:segments], CLEAN[5]]
            assert journal.rewind() in (0, 64_000, 128_000)
            assert len(journal.segments) == journal.heard / 32_000


def test_damage_is_not_believed(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data, r = path.read_bytes(), random.Random(3)
    for number in range(300):
        broken = bytearray(data)
        if number % 3 == 0:
            broken[r.randrange(len(data))] = r.randrange(256)
        elif number % 3 == 1:
            at = r.randrange(len(data))
            broken[at : at + r.randrange(1, 100)] = r.randbytes(r.randrange(50))
        else:
            lines = data.split(b"\n")
            r.shuffle(lines)
            broken = bytearray(b"\n".join(lines))
        path.write_bytes(bytes(broken))
        with Journal.open(tmp_path, "key", resume=True) as journal:
            for segment in journal.segments:
                assert tidy(segment) == segment
            journal.rewind()
            journal.add(SEGMENTS[0])
            kept = list(journal.segments)
        with Journal.open(tmp_path, "key", resume=True) as journal:
            assert journal.segments == kept


@pytest.mark.parametrize(
    "lines",
    [
        b"", b"\n", b"[]\n", b"null\n", b'{"kind":"begin","version":99}\n', b'{"kind":"segment"}\n',
        b'{"kind":"begin"}\n', b"[" * 5000 + b"\n", b'{"kind":"end"}\n', b"\x00\xff\n",
    ],
)  # fmt: skip
def test_what_is_no_journal_begins_anew(lines: bytes, tmp_path: Path) -> None:
    (tmp_path / f"key{SUFFIX}").write_bytes(lines)
    with Journal.open(tmp_path, "key", resume=True) as journal:
        assert journal.segments == [] and not journal.finished
        journal.add(SEGMENTS[0])
    with Journal.open(tmp_path, "key", resume=True) as journal:
        assert journal.segments == CLEAN[:1]


def test_a_killed_process_leaves_all_that_it_wrote(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from localai.media.journal import Journal\n"
        "from localai.media.segments import Segment\n"
        "journal = Journal.open(Path(sys.argv[1]), 'key', resume=False)\n"
        "for at in range(100):\n"
        "    journal.add(Segment(at, at + 1, f'line {at}'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT)
    assert done.returncode == -9
    with Journal.open(tmp_path, "key", resume=True) as journal:
        assert [segment.text for segment in journal.segments] == [f"line {at}" for at in range(100)]


def test_two_at_once_are_told(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "key", resume=False):
        with pytest.raises(BadInput, match="another command"):
            Journal.open(tmp_path, "key", resume=True)
        Journal.open(tmp_path, "other", resume=True).close()
    Journal.open(tmp_path, "key", resume=True).close()


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "new" / "folder")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalaiError, match="cannot be written"):
        Journal.open(tmp_path / "file", "key", resume=False)


def test_a_full_disk_is_told() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    journal = Journal(Path("/dev/full"), os.open("/dev/full", os.O_RDWR))
    with journal, pytest.raises(LocalaiError, match="No space left"):
        journal.add(SEGMENTS[0])


def test_a_file_is_known_again_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(os.urandom(300_000))
    first = identity(path)
    moved = path.rename(tmp_path / "moved.wav")
    assert identity(moved) == first
    stamp = moved.stat().st_mtime_ns
    for at in (0, 299_999):
        data = bytearray(moved.read_bytes())
        data[at] ^= 1
        moved.write_bytes(data)
        os.utime(moved, ns=(stamp, stamp))
        assert identity(moved) != first
    os.utime(moved, ns=(stamp, stamp + 1))
    assert identity(moved) != first


def test_what_is_read_once_has_no_identity_and_what_is_missing_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert identity(tmp_path / "pipe") is None
    with pytest.raises(BadInput, match="No such file"):
        identity(tmp_path / "missing.wav")
    empty = tmp_path / "empty"
    empty.touch()
    assert identity(empty) is not None


def test_the_key_tells_options_and_sources_apart() -> None:
    one = key_of({"size": 1}, {"model": "tiny", "language": None})
    assert one == key_of({"size": 1}, {"language": None, "model": "tiny"})
    assert one != key_of({"size": 2}, {"model": "tiny", "language": None})
    assert one != key_of({"size": 1}, {"model": "tiny", "language": "de"})
    assert key_of(None, {}) != key_of(None, {})
    assert len(one) == 32 and one.isalnum()


def test_old_journals_are_pruned_and_open_ones_are_not(tmp_path: Path) -> None:
    for key in ("old", "open", "new"):
        Journal.open(tmp_path, key, resume=False).close()
    past = time.time() - 90 * 86400
    for key in ("old", "open"):
        os.utime(tmp_path / f"{key}{SUFFIX}", (past, past))
    with Journal.open(tmp_path, "open", resume=True):
        os.utime(tmp_path / f"open{SUFFIX}", (past, past))
        assert prune(tmp_path) == 1
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["new", "open"]
    assert prune(tmp_path / "missing") == 0


def test_removed_is_gone(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "key", resume=False)
    journal.remove()
    assert not list(tmp_path.iterdir())
