"""Names of files: safe on every system, and told from those that cameras give."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.captioning.file_names import (
    FORM,
    LONGEST,
    check_pattern,
    from_pattern,
    reads_well,
    slug,
)
from localai.errors import BadInput

SLUGS = {
    "Three lemurs on a branch.": "three-lemurs-on-a-branch",
    "süße-äpfel-in-der-straße": "suesse-aepfel-in-der-strasse",
    "Élève à l'école": "eleve-a-l-ecole",
    "smørrebrød & æbler": "smorrebrod-aebler",
    "../../etc/passwd": "etc-passwd",
    "a\x1b[31m red\nfox": "a-31m-red-fox",
    "CON": "con-picture",
    "lpt1": "lpt1-picture",
    "...": "",
    "東京": "",
    "e\u0301te\u0301": "ete",
}


@pytest.mark.parametrize("text", SLUGS)
def test_words_become_a_name(text: str) -> None:
    assert slug(text) == SLUGS[text]


def test_a_long_name_ends_with_a_whole_word() -> None:
    name = slug("wonderful " * 30)
    assert len(name) <= LONGEST and set(name.split("-")) == {"wonderful"}
    assert slug("x" * 300) == "x" * LONGEST


@given(st.text(max_size=200))
def test_any_text_gives_a_safe_name(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", slug(text))
    assert len(slug(text)) <= LONGEST + len("-picture")
    assert slug(slug(text)) == slug(text)


@given(st.from_regex(FORM, fullmatch=True))
def test_what_a_model_may_answer_has_three_to_eight_words(answer: str) -> None:
    assert 3 <= len(answer.split("-")) <= 8
    assert slug(answer)


BAD = [
    "IMG_1234", "img-20240501-wa0007", "DSC01234", "DSCN0042", "PXL_20240501_123456789", "P1000123",
    "Screenshot 2024-05-01 at 12.30.00", "Screenshot_20240501-123000", "20240501_123456", "0001",
    "Bildschirmfoto 2024-05-01 um 12.30.00", "photo", "image (3)", "untitled", "download",
    "9f86d081884c7d659a2feaa0c55ad015", "scan0001", "FB_IMG_1700000000000", "GOPR0123",
    "WhatsApp Image 2024-05-01 at 12.30.00", "a1b2c3d4-e5f6-7890-abcd-ef0123456789",
]  # fmt: skip
GOOD = [
    "three-lemurs-on-a-branch", "Mount Fuji at dawn", "lemurs_sleeping", "Oma und Opa 1962",
    "2024-05-01 birthday party", "red-circle-on-white",
]  # fmt: skip


@pytest.mark.parametrize("stem", BAD)
def test_what_a_camera_writes_is_no_name(stem: str) -> None:
    assert not reads_well(stem)


@pytest.mark.parametrize("stem", GOOD)
def test_words_are_a_name(stem: str) -> None:
    assert reads_well(stem)


def test_patterns_leave_no_hyphen_for_what_is_not_known() -> None:
    assert from_pattern("{date}-{name}", "red-fox", "2024-05-01", "IMG_1") == "2024-05-01-red-fox"
    assert from_pattern("{date}-{name}", "red-fox", "", "IMG_1") == "red-fox"
    assert from_pattern("{name}__{old}", "red-fox", "", "IMG_1") == "red-fox__IMG_1"


@pytest.mark.parametrize(
    "pattern", ["{nme}", "{}", "x/{name}", "../{name}", ".{name}", "", "{name}{i}"]
)
def test_a_pattern_that_gives_no_name_is_refused(pattern: str) -> None:
    with pytest.raises(BadInput, match="--pattern"):
        check_pattern(pattern)


@pytest.mark.parametrize("pattern", ["{name}", "{date}-{name}", "{old} ({name})", "holiday", "a{b"])
def test_other_patterns_are_taken(pattern: str) -> None:
    check_pattern(pattern)
