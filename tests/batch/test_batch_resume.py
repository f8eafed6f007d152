"""A batch that was cut off and asked again otherwise: other rows, another form, fewer of them."""

from __future__ import annotations

import csv
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command, run

SUMS = [f"What is {a} + {b}?" for a in range(1, 13) for b in range(1, 13)]


def batch(source: Path, output: Path, *more: str) -> tuple[str, ...]:
    return ("batch", str(source), "-o", str(output), "-m", "tiny", "--temp", "0", *more)


def journal_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.journal")


def cut(words: tuple[str, ...], output: Path, rows: int = 8) -> None:
    """Run until some rows are in the journal, and kill it."""
    journal = journal_of(output)
    with subprocess.Popen(command(*words, "-q")) as process:
        while not journal.exists() or journal.read_bytes().count(b"\n") < rows + 1:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    assert not output.exists()


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    path = tmp_path / "sums.txt"
    path.write_text("".join(f"{each}\n" for each in SUMS))
    return path


@pytest.mark.parametrize("above", ["What is 99 + 1?\n", "\n"])
def test_rows_that_moved_have_the_number_of_the_line_where_they_are(
    sums: Path, tmp_path: Path, above: str
) -> None:
    output, fresh = tmp_path / "out.jsonl", tmp_path / "fresh.jsonl"
    cut(batch(sums, output), output)
    sums.write_text(above + sums.read_text())
    again = run(*batch(sums, output, "--stats"))
    asked = sums.read_text().split("\n")[:-1]
    assert again.code == 0 and int(again.err.split(" rows in ")[0].split()[-1]) < len(SUMS)
    numbers = [at for at, text in enumerate(asked, start=1) if text]
    assert [each["id"] for each in answers(output)] == numbers
    assert run(*batch(sums, fresh, "-q")).code == 0
    assert output.read_bytes() == fresh.read_bytes()


def test_fewer_rows_do_not_cost_those_that_were_answered(sums: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    cut(batch(sums, output), output)
    few = run(*batch(sums, output, "--limit", "2"))
    assert few.code == 0 and "stay in out.jsonl.journal" in few.err
    assert len(answers(output)) == 2
    kept = journal_of(output).read_bytes().count(b'"answer"')
    whole = run(*batch(sums, output, "--stats"))
    assert whole.code == 0 and len(answers(output)) == len(SUMS)
    assert f"{len(SUMS) - kept} rows in" in whole.err
    assert not journal_of(output).exists()


@pytest.mark.parametrize("forms", [("jsonl", "csv"), ("csv", "jsonl")])
def test_another_form_finds_what_was_answered(
    sums: Path, tmp_path: Path, forms: tuple[str, str]
) -> None:
    output, fresh = tmp_path / "out", tmp_path / "fresh"
    cut(batch(sums, output, "-F", forms[0]), output)
    again = run(*batch(sums, output, "-F", forms[1], "--stats"))
    assert again.code == 0 and f"{len(SUMS)} rows in" not in again.err
    assert run(*batch(sums, fresh, "-F", forms[1], "-q")).code == 0
    assert output.read_bytes() == fresh.read_bytes()


def test_force_does_all_rows_of_a_run_that_has_ended_anew(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"input": "What is 1 + 2?"}\n{"other": 1, "more": 2}\n')
    assert run(*batch(source, output)).code == 6
    plain = run(*batch(source, output))
    assert plain.code == 2 and "--retry-failed" in plain.err and "--force" in plain.err
    assert "1 rows in" in run(*batch(source, output, "--force", "--stats")).err
    cut_again = run(*batch(source, output, "--retry-failed", "--stats"))
    assert "0 rows in" in cut_again.err, "the row that was answered is not asked again"


def test_the_output_in_the_folder_of_the_input_is_no_row(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    folder.mkdir()
    for at, text in enumerate(SUMS):
        (folder / f"{at:03}.txt").write_text(text)
    output = folder / "out.jsonl"
    cut(batch(folder, output), output)
    assert run(*batch(folder, output)).code == 0
    assert [each["id"] for each in answers(output)] == [f"{at:03}.txt" for at in range(len(SUMS))]


def test_csv_goes_on_behind_a_row_that_is_none(tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(
        b"\n\nname,input\nfirst,What is 1 + 2?\n"
        b'stray,"He said "hi" to me"\n'
        b"ragged\nlatin\xe9,What is 2 + 2?\n"
        b"last,What is 2 + 3?\n"
    )
    done = run(*batch(source, output))
    assert done.code == 6 and "3 of 5 rows failed" in done.err
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["1 + 2 = 3.", "", "", "", "2 + 3 = 5."]
    assert "in.csv:5: this is not CSV" in rows[1]["error"]
    assert rows[2]["name"] == "ragged" and "in.csv:6: 1 fields" in rows[2]["error"]
    assert rows[3]["name"] == "latin\ufffd" and "in.csv:7" in rows[3]["error"]


def test_every_field_of_a_csv_comes_back(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    odd = 'a\rb "c"\r\nd;\te,'
    rows = [{"note": odd, "input": "What is 1 + 2?"}, {"input": "What is 2 + 2?", "extra": "x"}]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(*batch(source, output))
    assert done.code == 0 and "leaves out: extra" in done.err
    with output.open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["note"], first["answer"]) == (odd, "1 + 2 = 3.")
    assert (second["note"], second["answer"]) == ("", "2 + 2 = 4.")
