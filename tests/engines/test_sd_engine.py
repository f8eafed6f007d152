"""The picture engine with the tiny model: what is drawn, by its colours and its bytes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from localai.engines import registry
from localai.errors import BadInput, BadModel, LocalaiError
from localai.media.drawing import DrawRequest, InitImage, LoraUse
from localai.media.generation_parameters import parse
from localai.pool.client import DedicatedClient
from localai.system.files import adopt
from localai.tiny import draw_model
from localai.types import FileReady
from tests.support.draw_models import (
    Result,
    client,
    lora,
    mean,
    nearest_colour,
    random_dit,
    size_of,
    spec_of,
    tiny_folder,
    upscaler,
)

__all__ = ["client", "tiny_folder"]  # fixtures


def draw(engine: Any, folder: Path, prompt: str = "a red apple", **more: Any) -> Result:
    files = more.pop("files", ())
    return Result(engine, DrawRequest(prompt, folder=str(folder), **{"seed": 1, **more}), files)


def close(rgb: tuple[int, int, int], wanted: tuple[int, int, int], most: int = 40) -> bool:
    return all(abs(a - b) <= most for a, b in zip(rgb, wanted, strict=True))


@pytest.mark.parametrize("word", list(draw_model.COLOURS))
def test_the_colour_that_is_named_is_drawn(client: Any, tmp_path: Path, word: str) -> None:
    found = draw(client, tmp_path, f"a {word} apple on a table")
    (path,) = found.paths
    assert nearest_colour(mean(path)) == word
    assert close(mean(path), draw_model.COLOURS[word][0])
    assert size_of(path) == (64, 64)
    assert nearest_colour(mean(draw(client, tmp_path, f"{word.title()} sky").paths[0])) == word


def test_the_same_seed_draws_the_same_bytes(client: Any, tmp_path: Path, tiny_folder: Path) -> None:
    first, again = draw(client, tmp_path), draw(client, tmp_path)
    assert first.paths[0].read_bytes() == again.paths[0].read_bytes()
    with DedicatedClient(spec_of(tiny_folder)) as another:
        assert draw(another, tmp_path).pixels == first.pixels, "another process"


def test_whatever_is_changed_changes_the_picture(client: Any, tmp_path: Path) -> None:
    base = draw(client, tmp_path, "an orange apple", cfg=1.5)
    seen = {base.pixels[0]}
    for change in (
        {"prompt": "a brown apple"},
        {"prompt": "an orange house"},
        {"negative": "blue"},
        {"seed": 2},
        {"steps": 5},
        {"width": 80},
        {"height": 48},
        {"sampler": "heun"},
        {"sampler": "euler_a"},
        {"scheduler": "karras"},
        {"cfg": 1.0},
    ):
        asked = {"prompt": "an orange apple", "cfg": 1.5, **change}
        (pixels,) = draw(client, tmp_path, **asked).pixels  # type: ignore[arg-type]
        assert pixels not in seen, change
        seen.add(pixels)


def test_a_negative_prompt_drives_the_colour_away(client: Any, tmp_path: Path) -> None:
    plain = draw(client, tmp_path, "a house", cfg=2.0)
    less = draw(client, tmp_path, "a house", cfg=2.0, negative="red")
    assert mean(less.paths[0])[0] < mean(plain.paths[0])[0] - 40
    told = draw(client, tmp_path, "a house", negative="red")
    assert "negative prompt does nothing" in told.notices[0]
    assert told.pixels == draw(client, tmp_path, "a house").pixels


def test_four_pictures_are_four_single_ones(client: Any, tmp_path: Path) -> None:
    four = draw(client, tmp_path, seed=7, pictures=4)
    singles = [draw(client, tmp_path, seed=7 + at) for at in range(4)]
    assert four.pixels == [each.pixels[0] for each in singles]
    assert [path.read_bytes() for path in four.paths] == [
        each.paths[0].read_bytes() for each in singles
    ]
    assert four.seeds == [7, 8, 9, 10]
    assert [parse(each.parameters).settings["Seed"] for each in four.drawn] == ["7", "8", "9", "10"]


def test_seeds_go_round_at_32_bits(client: Any, tmp_path: Path) -> None:
    assert draw(client, tmp_path, seed=2**32 - 1, pictures=2).seeds == [2**32 - 1, 0]


def test_a_picture_to_begin_with_keeps_its_size(client: Any, tmp_path: Path) -> None:
    blue = tmp_path / "blue.png"
    Image.new("RGB", (96, 64), (20, 40, 220)).save(blue)
    reds = []
    for strength in (0.1, 0.5, 0.9):
        found = draw(
            client, tmp_path, "red", init=InitImage("blue", str(blue)), strength=strength, steps=10
        )
        assert size_of(found.paths[0]) == (96, 64)
        reds.append(mean(found.paths[0])[0])
    assert reds[0] < 120 < reds[1] < reds[2]
    assert parse(found.drawn[0].parameters).settings["Denoising strength"] == "0.9"
    wide = draw(client, tmp_path, "red", init=InitImage("blue", str(blue)), width=48)
    assert size_of(wide.paths[0]) == (48, 32), "the other side follows"


def test_a_picture_to_begin_with_is_seen_as_people_see_it(client: Any, tmp_path: Path) -> None:
    """Upright (EXIF), on white where it is transparent, in colours whatever its mode."""
    first = tmp_path / "first"
    turned = Image.new("RGB", (64, 32), (0, 0, 255))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned.save(first, "JPEG", exif=exif)
    init = InitImage("first", str(first))
    assert size_of(draw(client, tmp_path, init=init).paths[0]) == (32, 64)
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(first, "PNG")
    kept = draw(client, tmp_path, "house", init=init, strength=0.01, steps=10)
    assert close(mean(kept.paths[0]), (255, 255, 255))
    for mode in ("L", "P", "1", "CMYK", "I;16"):
        Image.new(mode, (64, 64)).save(first, "TIFF")
        assert draw(client, tmp_path, init=init).paths


def test_a_picture_may_come_by_a_descriptor(client: Any, tmp_path: Path) -> None:
    file = tmp_path / "blue.png"
    Image.new("RGB", (64, 64), (0, 0, 255)).save(file)
    for _ in range(2):
        with file.open("rb") as opened:
            init = InitImage("stdin", file=0)
            found = draw(
                client,
                tmp_path,
                "house",
                init=init,
                strength=0.01,
                steps=10,
                files=(opened.fileno(),),
            )
        assert close(mean(found.paths[0]), (0, 0, 255))
    with pytest.raises(LocalaiError, match="descriptor"):
        draw(client, tmp_path, init=InitImage("stdin", file=3))


@pytest.mark.parametrize(
    "change",
    [
        {"width": 4}, {"width": 10_000}, {"steps": 0}, {"steps": 9999}, {"cfg": -1.0}, {"cfg": 1e9},
        {"sampler": "eular"}, {"scheduler": "x"}, {"seed": -1}, {"seed": 2**32}, {"pictures": 0},
        {"strength": 2.0}, {"upscale": 0}, {"upscale": 99}, {"clip_skip": 0}, {"width": 8192, "height": 8192, "upscale": 9},
    ],
)  # fmt: skip
def test_settings_out_of_bounds_are_refused(
    client: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(BadInput):
        draw(client, tmp_path, **change)
    assert draw(client, tmp_path).paths, "and the worker goes on"


def test_odd_sizes_are_told_of(client: Any, tmp_path: Path) -> None:
    found = draw(client, tmp_path, width=65, height=30)
    assert size_of(found.paths[0]) == (80, 32)
    assert "80x32" in found.notices[0]
    wide = draw(client, tmp_path, aspect=(16, 9))
    width, height = size_of(wide.paths[0])
    assert width > height


def test_strange_prompts_are_drawn(client: Any, tmp_path: Path) -> None:
    for prompt in ("", "ü 日本語 🍎", "(((a", "x " * 300, "a\nb\0c", "<|im_end|>", "\ud800 red"):
        assert draw(client, tmp_path, prompt, steps=1).paths


# The defects of the binding that are worked round, one test each


def test_an_ancestral_sampler_keeps_its_noise(client: Any, tmp_path: Path) -> None:
    """The binding's class sets eta to 0, which makes `euler_a` a plain `euler`."""
    assert (
        draw(client, tmp_path, sampler="euler_a").pixels
        != draw(client, tmp_path, sampler="euler").pixels
    )


def test_callbacks_outlive_the_call(client: Any, tmp_path: Path) -> None:
    """The binding's are freed after the call that they were made for, and called after that."""
    for preview in (True, False, True, False):
        found = draw(client, tmp_path, preview=preview)
        assert bool(found.previews) == preview
    assert draw(
        client, tmp_path, loras=(LoraUse("l", str(lora(tmp_path / "l.safetensors"))),)
    ).paths


def test_a_failed_load_is_told_and_ends_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    """The binding takes the NULL pointer for a model, and crashes when it frees it."""
    spec = spec_of(tiny_folder)
    header_only = tmp_path / "vae.safetensors"
    from tests.support.draw_models import joined, parts_of

    header, data = parts_of(tiny_folder / draw_model.AUTOENCODER)
    header.pop("decoder.layers.18.weight")
    header_only.write_bytes(joined(header, data))
    files = (spec.files[0], str(header_only))
    with (
        DedicatedClient(spec._replace(files=files)) as broken,
        pytest.raises(BadModel, match=r"cannot load .*decoder.layers.18.weight"),
    ):
        draw(broken, tmp_path)


def test_the_first_bytes_of_the_process_are_its_own(client: Any, tmp_path: Path) -> None:
    """The binding points 1 and 2 of the whole process elsewhere; ours says nothing on them."""
    import subprocess
    import sys

    code = (
        "from localai.engines.sd import SdEngine; from localai.engines.base import Call\n"
        "from tests.support.draw_models import spec_of; from localai.media.drawing import DrawRequest\n"
        "from pathlib import Path; import sys, threading, os\n"
        "done = threading.Event()\n"
        "def emit(events):\n"
        "    for _, event in events:\n"
        "        if type(event).__name__ in ('Finished', 'Failed'): done.set()\n"
        "engine = SdEngine(spec_of(Path(sys.argv[1])), emit)\n"
        "engine.submit(Call('1', '', DrawRequest('red', folder=sys.argv[2], preview=True)))\n"
        "done.wait(60); engine.close(); print('said'); print('told', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(client._spec.files[0].rpartition("/")[0]), str(tmp_path)],
        capture_output=True,
        timeout=120,
        text=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("said", "told\n")


def test_a_lora_that_fits_nothing_is_told(client: Any, tmp_path: Path) -> None:
    """The library only warns, and the binding hides warnings and drops what is not there."""
    unfit = LoraUse("unfit", str(lora(tmp_path / "unfit.safetensors", fits=False)))
    with pytest.raises(LocalaiError, match="unfit does not fit this model"):
        draw(client, tmp_path, loras=(unfit,))
    with pytest.raises(BadInput, match="gone"):
        draw(client, tmp_path, loras=(LoraUse("gone", str(tmp_path / "gone.safetensors")),))
    assert draw(client, tmp_path).paths


def test_a_field_that_the_library_does_not_have_is_an_error(tiny_folder: Path) -> None:
    """ctypes takes any name; so the binding's settings for "hires" go nowhere."""
    from localai.engines.sd_library import DiffusionContext

    with pytest.raises(AttributeError, match="no_such_flag"):
        DiffusionContext({"model_path": "x"}, no_such_flag=True)


def test_the_librarys_records_are_as_the_binding_has_them(tiny_folder: Path) -> None:
    """A field too many or too few would shift all others: the library's own words tell."""
    import ctypes

    from stable_diffusion_cpp import stable_diffusion_cpp as native

    from localai.engines import sd_library

    record = sd_library._initialised(native.sd_img_gen_params_t(), "sd_img_gen_params_init")
    kept = sd_library._fill(
        record, sd_library.GenerateParams("a", "b", 320, 200, 7, 2.5, 9, "lcm", "karras", 2)
    )
    tell = native._lib.sd_img_gen_params_to_str
    tell.restype, tell.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    said = tell(ctypes.byref(record)).decode()
    assert kept
    for part in ("prompt: a\n", "negative_prompt: b", "clip_skip: 2", "width: 320", "height: 200",
                 "txt_cfg: 2.50", "scheduler: karras", "sample_method: lcm", "sample_steps: 7",
                 "eta: inf", "seed: 9", "batch_count: 1", "VAE tiling: false", "enabled=false"):  # fmt: skip
        assert part in said, said


# LoRA, upscaler, previews, other VAEs


def test_a_lora_changes_the_colour_and_leaves_nothing_behind(client: Any, tmp_path: Path) -> None:
    use = LoraUse("blue", str(lora(tmp_path / "blue.safetensors")))
    before = draw(client, tmp_path)
    full = draw(client, tmp_path, loras=(use,))
    half = draw(client, tmp_path, loras=(use._replace(weight=0.5),))
    assert nearest_colour(mean(full.paths[0])) == "blue"
    assert 60 < mean(half.paths[0])[0] < 200 and 60 < mean(half.paths[0])[2] < 200
    assert draw(client, tmp_path).pixels == before.pixels
    assert "<lora:blue:0.5>" in half.drawn[0].parameters


def test_pictures_are_enlarged(client: Any, tmp_path: Path) -> None:
    model = str(upscaler(tmp_path / "x4.safetensors"))
    for factor in (2, 4):
        found = draw(client, tmp_path, upscale=factor, upscaler=model)
        assert size_of(found.paths[0]) == (64 * factor, 64 * factor)
        assert close(mean(found.paths[0]), (233, 20, 20))
    plain = draw(client, tmp_path, upscale=2)
    assert size_of(plain.paths[0]) == (128, 128)
    assert "adds no detail" in plain.notices[0]
    with pytest.raises(BadInput, match="no upscaler"):
        draw(client, tmp_path, upscale=2, upscaler=str(lora(tmp_path / "l.safetensors")))


def test_previews_show_the_colour_on_its_way(client: Any, tmp_path: Path) -> None:
    found = draw(client, tmp_path, "a blue car", preview=True, width=128, steps=6)
    assert len(found.previews) == 3, "as many as are worth their time"
    for frame in found.previews:
        rgb = base64.b64decode(frame.rgb)
        assert len(rgb) == 3 * frame.width * frame.height and frame.width <= 96
    assert nearest_colour(mean(rgb)) == "blue"
    assert draw(client, tmp_path, "a blue car", width=128, steps=6).pixels == found.pixels


def test_progress_counts_the_steps_of_all_pictures(client: Any, tmp_path: Path) -> None:
    from localai.types import Progress

    found = draw(client, tmp_path, steps=5, pictures=3)
    told = [
        (each.done, each.total)
        for each in found.events
        if isinstance(each, Progress) and each.total
    ]
    assert told[-1] == (15, 15) and {total for _, total in told} == {15}
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_another_vae_is_taken(tiny_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.safetensors"
    own.write_bytes((tiny_folder / draw_model.AUTOENCODER).read_bytes())
    spec = spec_of(tiny_folder, vae=str(own))
    with DedicatedClient(spec._replace(files=(*spec.files, str(own)))) as engine:
        assert draw(engine, tmp_path).paths
    wrong = spec_of(tiny_folder, vae=spec.files[0])
    with DedicatedClient(wrong) as engine, pytest.raises(BadInput, match="no VAE"):
        draw(engine, tmp_path)


def test_weights_by_chance_draw(tmp_path: Path) -> None:
    """A transformer family on its real blocks: something is drawn, and the prompt matters."""
    files = tuple(map(str, random_dit(tmp_path)))
    from localai.types import ModelSpec

    with DedicatedClient(ModelSpec("image", files, "random", {"threads": 1})) as engine:
        # Looked at while the worker lives: it takes along what nobody adopted.
        one = draw(engine, tmp_path, "a red apple").pixels
        other = draw(engine, tmp_path, "a boat at sea").pixels
    assert one != other
    assert len(set(one[0])) > 20


def test_the_row_knows_what_the_engine_says() -> None:
    row = registry.ENGINES["image"]
    assert {"vae", "vram"} <= set(row.identity)
    assert set(registry.event_types("image")) >= {"Drawn", "PreviewFrame", "FileReady", "Notice"}


def test_a_picture_that_nobody_waits_for_leaves_no_file(client: Any, tmp_path: Path) -> None:
    """It is finished after its request was cancelled: nobody was told of its file."""
    other = tmp_path / "other"
    other.mkdir()
    for _ in range(3):
        events = client.ask(DrawRequest("red", folder=str(tmp_path), seed=1, pictures=50))
        first = next(event for event in events if isinstance(event, FileReady))
        events.close()
        adopt(Path(first.path), tmp_path / "first.png", overwrite=True)
        draw(client, other)  # its turn comes when the first has ended
        assert [each.name for each in tmp_path.glob("*.*")] == ["first.png"]
