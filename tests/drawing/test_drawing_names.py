"""Names of pictures: from prompts, folders, patterns and counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.drawing.names import OutputNames, PictureName, slug
from localai.errors import BadInput
from localai.media.drawing import Planned

FOX = PictureName("A red fox!", 5, 1, "tiny")


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red fox!", "a-red-fox"),
        ("Grüße, Köln", "grusse-koln"),
        ("日本語", "picture"),
        ("", "picture"),
        ("../../etc/passwd\0\n", "etc-passwd"),
        ("a <lora:ink:0.8> fox", "a-fox"),
        ("word " * 40, "word-word-word-word-word-word-word-word-word-word-word-word"),
        ("x" * 500, "x" * 60),
        ("-rf *", "rf"),
    ],
)
def test_a_prompt_becomes_a_part_of_a_name(prompt: str, name: str) -> None:
    assert slug(prompt) == name


def test_without_a_name_the_prompt_and_the_seed_are_it() -> None:
    assert OutputNames(None, 1).path(FOX) == Path("a-red-fox-5.png")
    assert OutputNames(None, 1, "webp").path(FOX) == Path("a-red-fox-5.webp")


def test_folders_files_and_patterns(tmp_path: Path) -> None:
    assert OutputNames(f"{tmp_path}", 1).path(FOX) == tmp_path / "a-red-fox-5.png"
    assert OutputNames("new/", 1).path(FOX) == Path("new/a-red-fox-5.png")
    assert OutputNames("fox.JPG", 1).path(FOX) == Path("fox.JPG")
    assert OutputNames("fox.JPG", 1).format == "jpeg"
    assert OutputNames("fox", 1, "png").path(FOX) == Path("fox")
    assert OutputNames("fox.png", 3).path(FOX._replace(number=2)) == Path("fox-2.png")
    names = OutputNames("a/{model}/%03d-{seed}-{slug}.webp", 3)
    assert names.path(FOX._replace(number=2)) == Path("a/tiny/002-5-a-red-fox.webp")
    assert names.folder == Path("a") and names.format == "webp"
    sized = OutputNames("{width}x{height}-{steps}.png", 1)
    assert sized.needs_plan and not names.needs_plan
    assert sized.path(FOX._replace(planned=Planned(64, 48, 4))) == Path("64x48-4.png")
    assert OutputNames("{date}-{time}-{i}.png", 1).path(FOX).name.endswith("-1.png")


VARIED = ("{i}", "%d", "x-%03d", "{seed}", "{seed}/x", "%02d/{model}", "{slug}-{seed}")
SAME = ("{model}", "{date}-{time}", "{slug}", "{model}/x", "{width}x{height}-{steps}", "x")


@pytest.mark.parametrize("pattern", [*VARIED, *SAME])
def test_several_pictures_have_several_names(pattern: str) -> None:
    """Whatever is the same in all of them does not tell them apart."""
    names = OutputNames(f"{pattern}.png", 3)
    planned = Planned(64, 48, 4)
    found = [
        names.path(FOX._replace(seed=5 + at, number=1 + at, planned=planned)) for at in range(3)
    ]
    assert len(set(found)) == 3
    alone = OutputNames(f"{pattern}.png", 1).path(FOX._replace(planned=planned))
    assert (alone == found[0]) == (pattern in VARIED), "numbered where that is needed"


def test_what_is_no_name_is_refused() -> None:
    with pytest.raises(BadInput, match="no field"):
        OutputNames("{sead}.png", 1)
    with pytest.raises(BadInput, match="does not end"):
        OutputNames("fox.bmp", 1)
    with pytest.raises(BadInput, match="names no file"):
        OutputNames("", 1)
