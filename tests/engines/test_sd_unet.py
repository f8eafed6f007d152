"""A U-Net family on its real blocks, with weights by chance (442 MB, written for this test)."""

from __future__ import annotations

from pathlib import Path

from localai.catalog.diffusion.families import family_of
from localai.catalog.diffusion.parts import read_part
from localai.media.drawing import DrawRequest
from localai.pool.client import DedicatedClient
from localai.types import ModelSpec
from tests.support import sdxs_random
from tests.support.draw_models import Result, size_of


def test_a_unet_draws_from_weights_by_chance(tmp_path: Path) -> None:
    path = sdxs_random.write(tmp_path / "model.safetensors")
    assert family_of([read_part(path)]).name == "sdxs"
    spec = ModelSpec("image", (str(path),), "random", {"threads": 1})
    with DedicatedClient(spec) as engine:
        base = DrawRequest("a red apple", width=64, height=64, seed=1, folder=str(tmp_path))
        one = Result(engine, base)
        other = Result(engine, base._replace(prompt="a boat at sea"))
        again = Result(engine, base)
        skipped = Result(engine, base._replace(clip_skip=2))
        assert size_of(one.paths[0]) == (64, 64)
        assert "Steps: 1, Sampler: Euler a, CFG scale: 1" in one.drawn[0].parameters
        assert one.pixels == again.pixels
        assert len({one.pixels[0], other.pixels[0], skipped.pixels[0]}) == 3
    path.unlink()
