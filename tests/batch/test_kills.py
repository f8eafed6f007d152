"""Killed with -9 at random moments and started again: every row once, in order, as if uncut."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import command, ours, run, until

ROWS = [{"id": f"r{a}+{b}", "q": f"What is {a} + {b}?"} for a in range(1, 11) for b in range(1, 11)]
TRIES = 6


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def words(source: Path, output: Path) -> list[str]:
    return command("batch", str(source), "-o", str(output), "-m", "tiny", "--temp", "0", "-q")


def uncut(source: Path, output: Path) -> tuple[bytes, float]:
    """The output of a run that nobody cuts, and its seconds."""
    begin = time.monotonic()
    subprocess.run(words(source, output), check=True, timeout=120)
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert [each["id"] for each in answers] == [row["id"] for row in ROWS]
    assert (
        sum(
            each["answer"].startswith(f"{each['id'][1:].replace('+', ' + ')} = ")
            for each in answers
        )
        > 90
    )
    return output.read_bytes(), time.monotonic() - begin


def kill(home: Path, whom: str, client: subprocess.Popen[bytes]) -> None:
    if whom == "client":
        client.kill()
    for process in ours(home) if whom != "client" else ():
        try:
            if any(f"localai.pool.{whom}" in part for part in process.cmdline()):
                process.kill()
        except psutil.Error:
            pass


def cut(home: Path, source: Path, output: Path, whom: str, at: float) -> int:
    """Run and kill somebody after `at` seconds, until the output is there; return how often."""
    runs = 0
    while not output.exists():
        runs += 1
        assert runs <= TRIES
        with subprocess.Popen(words(source, output), stderr=subprocess.PIPE) as client:
            if runs == 1:
                time.sleep(at)
                kill(home, whom, client)
            _, told = client.communicate(timeout=120)
            assert b"Traceback" not in told
    return runs


def check(home: Path, source: Path, kills: list[str], seed: int) -> None:
    chance = random.Random(seed)
    whole, seconds = uncut(source, source.with_name("whole.jsonl"))
    for number, whom in enumerate(kills):
        output = source.with_name(f"out{number}.jsonl")
        at = chance.uniform(0.05, 1.1 * seconds)
        cut(home, source, output, whom, at)
        assert output.read_bytes() == whole, f"{whom} killed after {at:.2f} s"
        assert not output.with_name(output.name + ".journal").exists()


@pytest.mark.parametrize("whom, times", [("client", 4), ("worker", 4), ("daemon", 2)])
def test_killed_at_a_random_moment_it_goes_on(
    warm: Path, sums: Path, whom: str, times: int
) -> None:
    check(warm, sums, [whom] * times, seed=times)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fifty_kills(warm: Path, sums: Path) -> None:
    check(warm, sums, ["client"] * 20 + ["worker"] * 20 + ["daemon"] * 10, seed=50)


def test_a_changed_row_is_done_anew_and_a_new_one_added(sums: Path, tmp_path: Path) -> None:
    output, journal = tmp_path / "out.jsonl", tmp_path / "out.jsonl.journal"
    with subprocess.Popen(words(sums, output)) as client:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 40)
        client.kill()
    kept = journal.read_bytes().count(b"\n") - 1
    changed = [{"id": "new", "q": "What is the capital of Peru?"}, *ROWS]
    changed[3] = {**changed[3], "q": "What is the capital of France?"}
    sums.write_text("".join(json.dumps(row) + "\n" for row in changed))
    done = run(*words(sums, output)[3:-1], "--stats")
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert [each["id"] for each in answers] == [row["id"] for row in changed]
    assert "Lima" in answers[0]["answer"] and "Paris" in answers[3]["answer"]
    assert answers[1]["answer"] == "1 + 1 = 2."
    asked = int(done.err.split(" rows in ")[0].split()[-1])
    assert len(changed) - kept <= asked <= len(changed) - kept + 2


def test_other_settings_do_all_rows_anew(sums: Path, tmp_path: Path) -> None:
    output, journal = tmp_path / "out.jsonl", tmp_path / "out.jsonl.journal"
    with subprocess.Popen(words(sums, output)) as client:
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 40)
        client.kill()
    done = run(*words(sums, output)[3:-1], "--stats", "-n", "3")
    assert done.code == 0 and "100 rows in" in done.err
    answers = [json.loads(line) for line in output.read_text().splitlines()]
    assert {each["usage"]["completion_tokens"] for each in answers} == {3}


def test_a_cut_between_the_output_and_the_end_goes_on(sums: Path, tmp_path: Path) -> None:
    from localai.batch.journal import BatchJournal

    output = tmp_path / "out.jsonl"
    whole, _ = uncut(sums, tmp_path / "whole.jsonl")
    # As if killed after the output had its name and before the journal was removed.
    with subprocess.Popen(words(sums, output)) as client:
        journal = tmp_path / "out.jsonl.journal"
        until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 40)
        client.kill()
    opened = BatchJournal.open(journal)
    opened.will_write()
    opened.close()
    output.write_bytes(b"not whole yet")
    assert run(*words(sums, output)[3:]).code == 0
    assert output.read_bytes() == whole


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_thousand_rows(warm: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "many.txt", tmp_path / "many.jsonl"
    pairs = itertools.islice(itertools.cycle(itertools.product(range(1, 300), repeat=2)), 100_000)
    source.write_text("".join(f"What is {a} + {b}?\n" for a, b in pairs))
    peaks, begin, first = [], time.monotonic(), None
    journal = tmp_path / "many.jsonl.journal"
    with subprocess.Popen([*words(source, output), "-n", "1"]) as client:  # rows are what counts
        process = psutil.Process(client.pid)
        while client.poll() is None:
            time.sleep(1)
            if first is None and journal.exists() and journal.stat().st_size > 1000:
                first = time.monotonic() - begin
            try:
                peaks.append(process.memory_info().rss)
            except psutil.Error:
                break
    print(
        f"first rows after {first:.1f} s; {time.monotonic() - begin:.0f} s; peak {max(peaks) >> 20} MB"
    )
    assert first is not None and first < 10
    assert len(output.read_text().splitlines()) == 100_000
    early, late = max(peaks[:20]), max(peaks)
    assert late - early < 32 << 20, (early, late)
