"""Picture models: families and parts told from headers, and the bundles of the table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localai.catalog.diffusion import bundles, families
from localai.catalog.diffusion.families import FAMILIES, check_whole, family_of
from localai.catalog.diffusion.parts import ModelPart, read_part, role_of
from localai.catalog.names import ModelFile, Reference
from localai.catalog.sd_models import SdModels
from localai.engines.sd_memory import GIB, MemoryLayout, PartSizes, layout
from localai.errors import BadModel, UnknownModel
from tests.conftest import ROOT
from tests.support.diffusion_headers import MODELS, PARTS, Shapes, sparse, sparse_gguf

# Without the prefix, as split files and GGUF files have them.
BARE = "model.diffusion_model."


@pytest.mark.parametrize("name", MODELS)
def test_a_family_is_told_by_its_tensors(name: str, tmp_path: Path) -> None:
    family, _, shapes = MODELS[name]
    for path in (
        sparse(tmp_path / "whatever.safetensors", shapes),
        sparse(tmp_path / "flux1-dev.safetensors", shapes, "F8_E4M3"),
        sparse_gguf(tmp_path / "v1-5.gguf", shapes),
        sparse(
            tmp_path / "x",
            {
                f"{BARE}{key.removeprefix(BARE)}": value
                for key, value in shapes.items()
                if not key.startswith(("cond", "first"))
            },
        ),
    ):
        part = read_part(path)
        assert family_of([part]).name == family
        assert part.role in ("checkpoint", "diffusion")


AGREE = """
import os, sys
from localai.engines import sd_talk
take = sd_talk.LibraryTalk._take_line
def listen(self, level, text, data):
    line = text.decode()
    if "Version:" in line:
        os.write(1, line.split("Version:")[1].strip().encode())
        os._exit(0)
sd_talk.LibraryTalk._take_line = listen
sd_talk.TALK = sd_talk.LibraryTalk()
from localai.engines.sd_library import DiffusionContext
DiffusionContext({sys.argv[1]: sys.argv[2]})
"""


@pytest.mark.parametrize("name", MODELS)
def test_the_library_tells_the_same_family(name: str, tmp_path: Path) -> None:
    _, theirs, shapes = MODELS[name]
    path = sparse(tmp_path / "model.safetensors", shapes)
    whole = read_part(path).role == "checkpoint"
    field = "model_path" if whole else "diffusion_model_path"
    done = subprocess.run(
        [sys.executable, "-c", AGREE, field, str(path)],
        capture_output=True, text=True, timeout=60, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout == theirs, done.stderr


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_told_by_its_tensors(name: str, tmp_path: Path) -> None:
    role, shapes = PARTS[name]
    assert read_part(sparse(tmp_path / "x.safetensors", shapes)).role == role
    assert read_part(sparse_gguf(tmp_path / "x.gguf", shapes)).role == role


def test_what_is_not_drawn_with_has_a_sentence(tmp_path: Path) -> None:
    for shapes, words in (
        (
            {"blocks.0.cross_attn.norm_k.weight": (5120,), "patch_embedding.weight": (5, 1, 1, 2)},
            "videos",
        ),
        ({**MODELS["flux1-dev"][2], "img_in.weight": (3072, 384)}, "edits"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (320, 9, 3, 3)}, "inpainting"),
    ):
        with pytest.raises(BadModel, match=words):
            family_of([read_part(sparse(tmp_path / "x.safetensors", shapes))])
    assert role_of({"some.tensor": (1,)}) is None


def part(role: str, shapes: Shapes | None = None) -> ModelPart:
    return ModelPart(Path(f"{role}.safetensors"), role, shapes or {})  # type: ignore[arg-type]


def test_a_part_that_is_missing_is_named() -> None:
    family = FAMILIES["z-image"]
    have = [part("diffusion"), part("llm"), part("vae")]
    check_whole(family, have)
    for missing, words in (("llm", "a language model"), ("vae", "a VAE")):
        with pytest.raises(BadModel, match=words):
            check_whole(family, [each for each in have if each.role != missing])
    check_whole(family, [part("diffusion"), part("llm"), part("taesd")])
    with pytest.raises(BadModel, match="1000 tokens"):
        check_whole(
            family,
            [part("diffusion"), part("llm", {"token_embd.weight": (1000, 2560)}), part("vae")],
        )
    with pytest.raises(BadModel, match="is a LoRA"):
        check_whole(family, [*have, part("lora")])


def test_every_bundle_is_of_a_known_family_and_whole() -> None:
    rows = bundles.rows()
    assert len({FAMILIES[row.family].title for row in rows}) >= 6
    for row in rows:
        assert row.family in FAMILIES and row.licence and row.good_for and row.bytes > 10**8
        needs = FAMILIES[row.family].needs
        assert len(row.files) >= (
            1 if row.family in ("sd1", "sd2", "sdxs", "sdxl") else 1 + len(needs)
        )
        assert bundles.find(row.name) == row and bundles.defaults(row.name) is not None
    assert families.FAMILIES["sdxs"].steps == 1


def test_a_bundle_is_fetched_part_by_part(home: Path) -> None:
    source = SdModels()
    first = source.resolve("z-image-turbo")
    assert isinstance(first, Reference) and first.repo == "leejet/Z-Image-Turbo-GGUF"
    offer = source.about(first)
    assert offer is not None and offer.licence == "Apache-2.0" and offer.bytes > 6 * 10**9
    hub = home / "cache" / "huggingface" / "hub"
    row = bundles.find("z-image-turbo")
    assert row is not None
    for at, file in enumerate(row.files):
        folder = hub / f"models--{file.repo.replace('/', '--')}" / "snapshots" / ("a" * 40)
        (folder / file.name).parent.mkdir(parents=True)
        (folder / file.name).touch()
        meant = source.resolve("z-image-turbo")
        if at < 2:
            assert isinstance(meant, Reference) and meant.repo == row.files[at + 1].repo
            assert source.model(first, [folder]) == meant
    assert isinstance(meant, ModelFile) and len(meant.more) == 2


def test_files_and_folders_are_models(home: Path, tmp_path: Path) -> None:
    source = SdModels()
    for name in ("b.safetensors", "a.gguf", "note.txt"):
        (tmp_path / name).touch()
    assert source.resolve(str(tmp_path)) == ModelFile(
        str(tmp_path), tmp_path / "a.gguf", (tmp_path / "b.safetensors",)
    )
    for wrong, words in (
        ("./gone.safetensors", "gone"),
        ("z-imag-turbo", "z-image-turbo"),
        ("owner/repo", "picture model"),
    ):
        with pytest.raises(UnknownModel) as error:
            source.resolve(wrong)
        assert words in error.value.what + error.value.next_step
    place = source.resolve("hf:owner/repo/file.safetensors")
    assert isinstance(place, Reference) and place.wanted == "file.safetensors"


def test_a_folder_of_diffusers_is_one_model(tmp_path: Path) -> None:
    for name, shapes in (
        ("unet/diffusion_pytorch_model", {"conv_in.weight": (320, 4, 3, 3), "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768), "mid_block.resnets.1.conv1.weight": (1280, 1280, 3, 3)}),
        ("vae/diffusion_pytorch_model", {"decoder.conv_in.weight": (512, 4, 3, 3)}),
        ("text_encoder/model", {"text_model.embeddings.token_embedding.weight": (49408, 768)}),
    ):  # fmt: skip
        path = tmp_path / f"{name}.safetensors"
        path.parent.mkdir()
        sparse(path, shapes)  # type: ignore[arg-type]
    found = read_part(tmp_path)
    assert found.role == "checkpoint" and family_of([found]).name == "sd1"
    assert SdModels().resolve(str(tmp_path)) == ModelFile(str(tmp_path), tmp_path)


def test_the_ladder_goes_as_far_as_it_must() -> None:
    sizes = PartSizes(diffusion=4 * GIB, encoder=3 * GIB, vae=GIB // 3)
    pixels = 1024 * 1024
    assert layout(sizes, 0, pixels) == MemoryLayout()
    steps = [layout(sizes, int(budget * GIB), pixels) for budget in (24, 9, 8, 6, 4.5, 3)]
    assert steps[0] == MemoryLayout(flash_attention=True)
    assert steps[1].tiles_from == 0 and not steps[1].offload
    assert steps[3].offload and not steps[3].max_vram
    assert steps[5].encoder_on_cpu and steps[5].max_vram == 2.0
    said = [str(step).count(",") for step in steps]
    assert said == sorted(said), "each rung adds something"
    big = PartSizes(diffusion=2 * GIB, encoder=8 * GIB, vae=0)
    assert layout(big, 6 * GIB, pixels).encoder_on_cpu and not layout(big, 6 * GIB, pixels).max_vram
