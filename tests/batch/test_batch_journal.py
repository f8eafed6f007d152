"""The journal of a batch: what is whole is kept, what was cut off is not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.batch.journal import BatchJournal
from localai.errors import BadInput


def written(path: Path, count: int) -> None:
    journal = BatchJournal.open(path)
    journal.add([(at, 100 + at, {"answer": str(at), "error": None}) for at in range(count)])
    journal.close()


def test_what_was_written_is_found_by_row_and_key(tmp_path: Path) -> None:
    written(tmp_path / "j", 3)
    journal = BatchJournal.open(tmp_path / "j")
    offset = journal.find(1, 101)
    assert offset is not None and journal.read(offset)["answer"] == "1"
    assert journal.find(1, 999) is None and journal.find(3, 103) is None
    journal.close()


def test_a_line_that_was_cut_off_is_cut_away(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, 3)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        try:
            journal = BatchJournal.open(path)
        except BadInput:  # not even its first line is whole
            assert length < whole.index(b"\n") + 1
            continue
        found = [at for at in range(3) if journal.find(at, 100 + at) is not None]
        assert found == list(range(whole[:length].count(b"\n") - 1)) or length == 0
        journal.add([(0, 100, {"answer": "new", "error": None})])
        journal.close()
        again = BatchJournal.open(path)
        assert again.read(again.find(0, 100) or 0)["answer"] == "new"
        again.close()


def test_what_comes_after_damage_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{damage}\n", *lines[3:]]))
    journal = BatchJournal.open(path)
    assert journal.find(0, 100) is not None and journal.find(3, 103) is None
    journal.close()


def test_rows_that_moved_are_found_by_their_key(tmp_path: Path) -> None:
    written(tmp_path / "j", 3)
    journal = BatchJournal.open(tmp_path / "j")
    for row in (1, 2, 3):  # one was put in before them
        offset = journal.find(row, 99 + row)
        assert offset is not None
        journal.update(row, 99 + row, offset, {"id": row + 1})
    moved = list(journal.in_order(4))[1:]
    assert [(record["answer"], record["id"]) for record in moved] == [("0", 2), ("1", 3), ("2", 4)]
    journal.close()


def test_equal_rows_that_moved_keep_an_answer_each(tmp_path: Path) -> None:
    journal = BatchJournal.open(tmp_path / "j")
    journal.add([(at, 7, {"answer": str(at), "error": None}) for at in range(3)])
    assert journal.find(0, 8) is None  # another row stands before them
    found = [journal.find(row, 7) for row in (3, 4, 5, 6)]
    assert [offset and journal.read(offset)["answer"] for offset in found] == ["0", "1", "2", None]
    journal.close()


def test_failures_are_known_and_a_later_word_counts(tmp_path: Path) -> None:
    journal = BatchJournal.open(tmp_path / "j")
    journal.add([(0, 1, {"answer": None, "error": {"message": "x"}})])
    offset = journal.find(0, 1)
    assert offset is not None and journal.has_failed(offset)
    journal.add([(0, 1, {"answer": "y", "error": None})])
    offset = journal.find(0, 1)
    assert offset is not None and not journal.has_failed(offset)
    journal.close()


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "j").write_text('{"some": "json"}\n')
    with pytest.raises(BadInput, match="no journal"):
        BatchJournal.open(tmp_path / "j")
    assert (tmp_path / "j").read_text() == '{"some": "json"}\n'


def test_one_at_a_time(tmp_path: Path) -> None:
    journal = BatchJournal.open(tmp_path / "j")
    with pytest.raises(BadInput, match="another"):
        BatchJournal.open(tmp_path / "j")
    journal.close()
    BatchJournal.open(tmp_path / "j").close()
