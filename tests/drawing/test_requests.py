"""Prompts and options to requests: wildcards, LoRAs, sizes, and pictures that are drawn again."""

from __future__ import annotations

from pathlib import Path

import pytest

from localai.drawing import prompts
from localai.drawing.options import DrawOptions, aspect_of, size_of
from localai.drawing.requests import model_like, options_like, requests
from localai.errors import BadInput
from localai.media.drawing import DrawRequest
from localai.media.generation_parameters import GenerationParameters


def made(options: DrawOptions, prompt: str, model: str = "tiny") -> list[DrawRequest]:
    return list(requests(options, prompt, model, Path("here")))


def words(home: Path, name: str, text: str) -> None:
    path = home / "data" / "localai" / "wildcards" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_words_by_chance_are_the_same_for_the_same_seed(home: Path) -> None:
    words(home, "animal", "fox\nwolf\n# not this\n\nbear\n")
    words(home, "scene", "a __animal__ in a forest\n")
    found = made(DrawOptions(seed=5, pictures=20), "__scene__, red")
    assert [each.seed for each in found] == list(range(5, 25))
    assert all(each.pictures == 1 for each in found)
    assert {each.prompt for each in found} == {
        f"a {animal} in a forest, red" for animal in ("fox", "wolf", "bear")
    }
    assert found == made(DrawOptions(seed=5, pictures=20), "__scene__, red")
    (plain,) = made(DrawOptions(seed=5, pictures=20), "red_fox __ and snake_case")
    assert plain.pictures == 20


def test_wildcards_that_are_not_there_or_never_end(home: Path) -> None:
    words(home, "animal", "fox")
    with pytest.raises(BadInput, match=r"animl\.txt") as error:
        made(DrawOptions(), "__animl__")
    assert "animal" in error.value.next_step
    words(home, "loop", "__loop__")
    with pytest.raises(BadInput, match="without an end"):
        made(DrawOptions(), "__loop__")
    words(home, "empty", "# nothing\n")
    with pytest.raises(BadInput, match="no words"):
        made(DrawOptions(), "__empty__")
    (outside,) = made(DrawOptions(), "__../../secret__ __a/../../b__")
    assert outside.prompt == "__../../secret__ __a/../../b__", "no folder but ours is looked into"


def test_loras_are_found_by_name_and_in_the_prompt(home: Path, tmp_path: Path) -> None:
    folder = home / "data" / "localai" / "loras"
    folder.mkdir(parents=True)
    (folder / "ink.safetensors").touch()
    own = tmp_path / "own.safetensors"
    own.touch()
    (found,) = made(
        DrawOptions(loras=(prompts.lora_from(f"{own}:0.5"), prompts.lora_from("ink"))),
        "a fox <lora:ink:0.8>, red",
    )
    assert found.prompt == "a fox , red"
    assert [(each.name, each.weight) for each in found.loras] == [
        ("own", 0.5), ("ink", 1.0), ("ink", 0.8),
    ]  # fmt: skip
    for wrong in ("inc", "ink:heavy", "ink:1e9", "../../no-such-lora"):
        with pytest.raises(BadInput):
            prompts.lora_from(wrong)
    with pytest.raises(BadInput, match="no LoRA"):
        made(DrawOptions(), "<lora:gone:1>")


def test_a_bundle_has_settings_of_its_own() -> None:
    (turbo,) = made(DrawOptions(), "fox", "sdxl-turbo")
    assert (turbo.side, turbo.steps, turbo.cfg, turbo.sampler) == (512, 2, 1.0, "euler_a")
    (quick,) = made(DrawOptions(quick=True), "fox", "sdxl-turbo")
    assert quick.steps is None and quick.quick_steps == 1
    (own,) = made(DrawOptions(steps=9, cfg=3.0), "fox", "sdxl-turbo")
    assert (own.steps, own.cfg) == (9, 3.0)
    (file,) = made(DrawOptions(), "fox", "/somewhere/private/dreamshaperXL_lightning.safetensors")
    assert file.steps == 4 and file.cfg == 1.0
    assert file.model == "dreamshaperXL_lightning", "no path of this machine"
    (plain,) = made(DrawOptions(), "fox", "/somewhere/model.safetensors")
    assert plain.steps is None and plain.cfg is None


def test_sizes_and_shapes() -> None:
    assert size_of("768x512") == (768, 512) and size_of("512") == (512, 512)
    assert size_of(" 64 × 32 ") == (64, 32)
    assert aspect_of("wide") == (16, 9) and aspect_of("21:9") == (21, 9)
    for wrong in ("", "x", "0x", "12x13x14", "-5x5", "1e3"):
        with pytest.raises(BadInput):
            size_of(wrong)
    for wrong in ("wid", "0:1", "1:", "a:b"):
        with pytest.raises(BadInput):
            aspect_of(wrong)


LIKE = GenerationParameters(
    "a fox", "blurry",
    {"Steps": "9", "Sampler": "Euler a", "CFG scale": "2.5", "Seed": "77", "Size": "96x64",
     "Model": "tiny", "Clip skip": "2", "Denoising strength": "0.4"},
)  # fmt: skip


def test_a_picture_is_drawn_again_but_for_what_is_said() -> None:
    found = options_like(LIKE, {"cfg": None, "steps": 12, "loras": ()})
    assert found == DrawOptions(
        negative="blurry", width=96, height=64, steps=12, cfg=2.5, sampler="euler_a", seed=77,
        clip_skip=2, strength=0.4,
    )  # fmt: skip
    wide = options_like(LIKE, {"width": 128})
    assert (wide.width, wide.height) == (128, None)
    odd = GenerationParameters("x", "", {"Steps": "many", "Seed": "-1", "Size": "big"})
    assert options_like(odd, {}) == DrawOptions()


def test_a_zero_is_said() -> None:
    found = options_like(LIKE, {"seed": 0, "cfg": 0.0, "strength": 0.0, "quick": False})
    assert (found.seed, found.cfg, found.strength) == (0, 0.0, 0.0)
    assert (found.steps, found.clip_skip) == (9, 2), "what was not said is the picture's"


def test_a_draft_has_fewer_steps_than_the_picture() -> None:
    assert options_like(LIKE, {"quick": True}).steps is None
    assert options_like(LIKE, {"quick": True, "steps": 3}).steps == 3


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e999", "9" * 400, "1.5", "-1", "١"])
def test_numbers_that_cannot_be_meant_are_left_out(number: str) -> None:
    names = ("Seed", "Steps", "Clip skip", "Hires upscale")
    odd = GenerationParameters("x", "", {name: number for name in names})
    assert options_like(odd, {}) == DrawOptions()
    assert options_like(odd._replace(settings={"CFG scale": "inf"}), {}) == DrawOptions()


def test_the_model_of_a_picture_is_known_or_asked_for() -> None:
    assert model_like(LIKE, "a.png") == "tiny"
    for model in ("", "v1-5", "../../x"):
        with pytest.raises(BadInput, match=r"a\.png") as error:
            model_like(GenerationParameters("x", "", {"Model": model}), "a.png")
        assert "-m" in error.value.next_step


def test_lines_of_prompts() -> None:
    assert prompts.lines("a fox\n\n# a note\n  a wolf  \r\n") == ["a fox", "a wolf"]
