"""The table of known models: the form of every row, and which one a machine is offered."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from localai.catalog import known
from localai.catalog.known import Known, default_for, find, names, rows

GB = 10**9
GIB = 1024**3
ROWS = {row.name: row for row in rows()}
CHAT = [row for row in rows() if row.kind == "text" and not row.base]
BASE = [row for row in rows() if row.kind == "text" and row.base]


@pytest.fixture(params=ROWS.values(), ids=ROWS)
def row(request: pytest.FixtureRequest) -> Known:
    found = request.param
    assert isinstance(found, Known)
    return found


def test_names_are_short_and_said_once(row: Known) -> None:
    assert re.fullmatch(r"[a-z]+(-?\d+(\.\d+)?)?(-[a-z]+)?-e?\d+(\.\d+)?b(-[a-z]+)?", row.name) or (
        row.name == "phi-4-mini"  # its maker gives it no size
    )
    assert len(row.name) <= 16
    assert names().count(row.name) == 1
    assert row.name.endswith("-base") == row.base


def test_the_name_tells_the_size(row: Known) -> None:
    said = re.search(r"-(e?)(\d+(?:\.\d+)?)b", row.name)
    if said and not said[1]:  # e2b: 2 billion in effect, more in the file
        least = 0.8 if row.projector else 0.9  # a name counts the encoder, too
        assert float(said[2]) * least <= row.billions <= float(said[2]) * 1.25


def test_names_cannot_be_taken_for_paths_or_the_tiny_model(row: Known) -> None:
    assert row.name != "tiny" and not re.search(r"[/:~*]|\.gguf$", row.name)


def test_where_the_file_lies(row: Known) -> None:
    part = r"[A-Za-z0-9][A-Za-z0-9._-]*"
    assert re.fullmatch(f"{part}/{part}", row.repo) and ".." not in row.repo
    for file in filter(None, (row.file, row.projector)):
        path = PurePosixPath(file)
        assert not path.is_absolute() and ".." not in path.parts
        assert re.fullmatch(f"({part}/)*{part}", file), file
    if row.kind in ("text", "vision"):
        assert row.file.endswith(".gguf")
        assert not re.search(r"-\d{5}-of-\d{5}", row.file), "one file a row"


def test_the_repository_is_a_maker_s_or_a_known_quantiser_s(row: Known) -> None:
    makers = {"Qwen", "mistralai", "ibm-granite", "google", "ggml-org", "lmstudio-community"}
    quantisers = {"unsloth", "bartowski", "mradermacher", "TheBloke"}
    assert row.repo.partition("/")[0] in makers | quantisers


def test_bytes_fit_the_parameters_and_the_quantisation(row: Known) -> None:
    bits = row.bytes * 8 / (row.billions * GB)
    assert 3.5 <= bits <= 9, f"{bits:.2f} bits a weight"
    if row.file.endswith("Q8_0.gguf"):
        assert bits >= 8.4
    if row.file.endswith("Q4_K_M.gguf"):
        assert 4.5 <= bits <= 6


def test_the_other_fields(row: Known) -> None:
    assert row.kind in ("text", "vision", "image", "hear", "speak")
    assert re.fullmatch(r"\d+(\.\d+)?B", row.parameters)
    assert row.licence.strip() == row.licence != ""
    assert row.context >= 2048 and row.context % 1024 == 0
    assert 0 < len(row.good_for) <= 43  # `localai models` at 80 columns
    assert row.good_for[0].islower() and row.good_for[-1] not in ".;,"
    assert all(re.fullmatch(r"[a-z]{2}", language) for language in row.languages)
    assert bool(row.projector) == bool(row.projector_bytes)
    for digest in filter(None, (row.sha256, row.projector_sha256)):
        assert re.fullmatch(r"[0-9a-f]{64}", digest)


def test_revisions_are_commits() -> None:
    found = [row.revision for row in rows() if row.revision]
    assert len(found) >= len(rows()) - 3
    assert all(re.fullmatch("[0-9a-f]{40}", each) for each in found)


def test_no_two_rows_are_one_file() -> None:
    assert len({(row.repo, row.file) for row in rows()}) == len(rows())
    digests = [row.sha256 for row in rows() if row.sha256]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("least", "most", "count"), [(0.5, 1, 1), (1, 2.5, 1), (2.5, 4.5, 2), (7, 9.5, 2), (11, 15, 2)]
)
def test_there_are_chat_models_of_every_size(least: float, most: float, count: int) -> None:
    assert len([row for row in CHAT if least <= row.billions <= most]) >= count


def test_there_are_chat_models_for_1_to_16_gb() -> None:
    assert len(CHAT) >= 8
    assert min(row.memory for row in CHAT) < 2 * GB
    assert 10 * GB < max(row.memory for row in CHAT) < 16 * GB


def test_there_are_base_models_and_one_knows_german() -> None:
    assert len(BASE) >= 3
    assert any("de" in row.languages for row in BASE)
    assert all(row.languages for row in BASE)  # which one to call depends on it


def test_rows_stand_by_their_size() -> None:
    for group in (CHAT, BASE):
        assert [row.billions for row in group] == sorted(row.billions for row in group)


def test_finding() -> None:
    found = find("qwen3-4b")
    assert found and found.repo == "unsloth/Qwen3-4B-Instruct-2507-GGUF"
    assert found.bytes == found.download == 2_497_281_120
    assert [find(name) for name in ("Qwen3-4B", "qwen3", "", "tiny")] == [None] * 4


def test_names() -> None:
    assert names() == tuple(ROWS)
    assert names("text") == tuple(row.name for row in rows() if row.kind == "text")
    assert names("smell") == ()


def test_memory_counts_the_projector() -> None:
    sees = Known(
        name="x-1b", kind="vision", repo="a/b", file="c.gguf", bytes=1000, licence="MIT",
        context=2048, parameters="1.0B", good_for="x", projector="p.gguf", projector_bytes=500,
    )  # fmt: skip
    assert sees.download == 1500
    assert sees.memory == 1800 + GIB


@pytest.mark.parametrize(
    ("free", "name"),
    [
        (0, None),
        (GIB, None),
        (1_600_000_000, None),
        (2 * GB, "qwen3.5-0.8b"),
        (3_700_000_000, "ministral-3-3b"),
        (4_300_000_000, "qwen3-4b"),
        (6_500_000_000, "gemma-4-e2b"),  # mistral-7b-base would fit, but does not answer
        (8 * GB, "ministral-3-8b"),
        (64 * GB, "ministral-3-8b"),  # never more than the 8B class
    ],
)
def test_what_a_machine_is_offered(free: int, name: str | None) -> None:
    offered = default_for("text", free)
    assert (offered and offered.name) == name


def test_the_offer_fits_and_nothing_larger_of_its_class_does() -> None:
    class_of_8b = [row for row in CHAT if row.billions <= 8.5]
    for row in class_of_8b:
        offered = default_for("text", row.memory)
        assert offered and not offered.base and offered.memory <= row.memory
        assert offered.billions >= row.billions
        less = default_for("text", row.memory - 1)
        assert less != row


def test_nothing_is_offered_of_a_kind_without_rows() -> None:
    assert default_for("smell", 64 * GB) is None


def test_nothing_is_read_at_import() -> None:
    code = (
        "import sys, localai.catalog.known as known;"
        "assert 'tomllib' not in sys.modules and not known.rows.cache_info().currsize"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert known.rows() is known.rows()


def test_a_key_that_no_field_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "known.toml"
    table.write_text('model = [ { name = "a-1b", kind = "text", weight = 3 } ]', "utf-8")
    monkeypatch.setattr(known, "_TABLE", table)
    with pytest.raises(TypeError, match="weight"):
        known.rows.__wrapped__()
