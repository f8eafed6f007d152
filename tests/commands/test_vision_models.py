"""Models that see, by name: their projectors are found, fetched, checked, and missed by name."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from localai.catalog import known, projectors
from localai.catalog.gguf.projector import check_projector
from localai.catalog.gguf_models import GgufModels
from localai.catalog.hub.repository import HubFile
from localai.catalog.names import TINY, TINY_VISION, ModelFile, Reference
from localai.errors import BadModel, UnknownModel
from tests.conftest import ROOT, Ran, command, run
from tests.support.damage import Editor, flips
from tests.support.hub import Hub, Repo
from tests.support.vision_models import pair, write_projector

PROJECTOR = TINY_VISION.with_name("tiny-vision-mmproj.gguf")
REPO = "owner/sees-GGUF"
SEES = [row for row in known.rows() if row.kind == "vision"]


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    made = Hub()
    files = {"sees-Q4_K_M.gguf": TINY_VISION, "mmproj-F16.gguf": PROJECTOR, "mmproj-F32.gguf": TINY}
    made.repos[REPO] = Repo({name: path.read_bytes() for name, path in files.items()})
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    yield made
    made.close()


@pytest.fixture
def red(tmp_path: Path) -> str:
    """A picture file of a red disc."""
    image = Image.new("RGB", (56, 56), "white")
    ImageDraw.Draw(image).ellipse((14, 14, 42, 42), fill=(220, 30, 30))
    image.save(tmp_path / "red.png")
    return str(tmp_path / "red.png")


def see(model: str | Path, picture: str, *more: str) -> Ran:
    return run(
        *("ask", "-m", str(model), "--temp", "0", "--image", picture, *more),
        "What is in the picture?",
    )


def refused(done: Ran, *words: str) -> None:
    assert (done.code, done.stdout) == (3, b""), done
    assert done.err.startswith("localai: ") and "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err


def test_the_tiny_model_sees(red: str) -> None:
    done = see("tiny", red)
    assert (done.code, done.err) == (0, "")
    assert "red" in done.out


def test_a_picture_may_come_through_a_pipe(red: str) -> None:
    asked = ("ask", "-m", "tiny", "--temp", "0", "What is in the picture?", "--image")
    right = see("tiny", red).out
    assert run(*asked, "-", stdin=Path(red).read_bytes()).out == right
    command_line = shlex.join([*command(*asked), "/dev/fd/9"]) + f" 9< <(cat {shlex.quote(red)})"
    done = subprocess.run(
        ["bash", "-c", command_line],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.decode() == right, done
    twice = run(*asked, "-", "--image", "-", stdin=b"x")
    assert (twice.code, twice.out) == (2, "")


def test_pictures_have_tokens_in_the_shown_prompt(red: str) -> None:
    done = see("tiny", red, "--show-prompt", "--json")
    assert json.loads(done.out)["tokens"]["parts"]["pictures"] == 49


@pytest.mark.parametrize(
    "arguments",
    [
        ("--image", "nowhere.png"),
        ("--image", str(TINY)),
        ("--image-tokens", "64"),
        ("--image", "RED", "--raw"),
        ("--image", "RED", "--image-tokens", "0"),
    ],
)
def test_what_is_wrong_is_told_before_a_model_is_looked_for(
    red: str, arguments: tuple[str, ...]
) -> None:
    given = [red if each == "RED" else each for each in arguments]
    done = run("ask", "-m", "no-such-model", *given, "What?")
    assert (done.code, done.stdout) == (2, b""), done
    assert "no-such-model" not in done.err


def test_there_are_models_that_see_for_1_to_8_gb() -> None:
    assert len(SEES) >= 6
    for row in SEES:
        assert row.projector and row.projector_sha256 and row.revision
        assert projectors.is_projector(row.projector)
        assert 1e9 < row.memory < 9e9
    assert known.default_for("vision", 4 * 10**9) in SEES


def test_a_model_is_fetched_with_its_projector_and_found_through_the_links(
    hub: Hub, red: str
) -> None:
    done = run("models", "pull", "--kind", "vision", REPO)
    assert done.code == 0, done.err
    assert done.out.strip().endswith("sees-Q4_K_M.gguf")
    assert hub.sent == TINY_VISION.stat().st_size + PROJECTOR.stat().st_size
    hub.seen.clear()
    assert "red" in see(REPO, red).out
    assert "red" in see(done.out.strip(), red, "--offline").out  # the link's path
    assert hub.seen == []


def test_the_projector_alone_is_fetched_where_the_model_is_there(hub: Hub, red: str) -> None:
    assert run("models", "pull", REPO).code == 0
    before = hub.sent
    assert "red" in see(REPO, red).out
    assert hub.sent - before == PROJECTOR.stat().st_size


def test_a_repository_without_a_projector_is_told(hub: Hub, red: str) -> None:
    hub.repos["owner/blind"] = Repo({"blind-Q8_0.gguf": TINY.read_bytes()})
    refused(see("owner/blind", red), "owner/blind", "no projector")


def test_a_local_model_without_a_projector_is_told(tmp_path: Path, red: str) -> None:
    shutil.copy(TINY, tmp_path / "blind.gguf")
    refused(see(tmp_path / "blind.gguf", red), "blind.gguf", "no projector")


@pytest.mark.parametrize(
    ("names", "model", "best"),
    [
        (("mmproj-F32.gguf", "mmproj-F16.gguf", "mmproj-BF16.gguf"), "x.gguf", "mmproj-F16.gguf"),
        (("mmproj-BF16.gguf", "mmproj-F32.gguf"), "x.gguf", "mmproj-BF16.gguf"),
        (("mmproj-a-2b-f16.gguf", "mmproj-a-4b-Q8_0.gguf"), "a-4b-Q4_K_M.gguf", "mmproj-a-4b-Q8_0.gguf"),
        (("mmproj-x-Q8_0.gguf", "mmproj-x-F16.gguf"), "x-Q4_0.gguf", "mmproj-x-F16.gguf"),
        (("b-mmproj-f16.gguf", "a-mmproj-f16.gguf"), "b-Q4_0.gguf", "b-mmproj-f16.gguf"),
    ],
)  # fmt: skip
def test_which_projector_of_several(names: tuple[str, ...], model: str, best: str) -> None:
    assert projectors.best(names, model) == best


def test_a_projector_beside_the_link_goes_before_one_where_it_leads(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    shutil.copy(TINY_VISION, blobs / "abc")
    (snapshot / "m.gguf").symlink_to("../blobs/abc")
    link = tmp_path / "mine.gguf"
    link.symlink_to("snapshot/m.gguf")
    assert projectors.beside(link) is None
    (snapshot / "mmproj.gguf").write_bytes(b"x")
    assert projectors.beside(link) == snapshot / "mmproj.gguf"
    (tmp_path / "mmproj.gguf").write_bytes(b"x")
    assert projectors.beside(link) == tmp_path / "mmproj.gguf"


def test_the_row_of_a_known_model_names_its_projector() -> None:
    row = next(row for row in SEES if row.name == "qwen3-vl-2b")
    files = [HubFile(name, 1) for name in ("mmproj-F16.gguf", row.file, row.projector)]
    meant = Reference(row.name, row.repo, row.file, row.revision, row)
    for role in ("vision", "text"):
        needed = GgufModels(role).needed(files, meant)
        assert [file.name for file in needed] == [row.file, row.projector]


def test_tiny_stands_for_the_model_that_sees_where_pictures_are_asked_of() -> None:
    found = GgufModels("vision").resolve("tiny")
    assert found == ModelFile("tiny", TINY_VISION, (PROJECTOR,))
    assert GgufModels("text").resolve("tiny") == ModelFile("tiny", TINY)


# Damage


def beside(folder: Path, projector: bytes) -> tuple[Path, Path]:
    model, other = folder / "sees.gguf", folder / "mmproj.gguf"
    if not model.exists():
        shutil.copy(TINY_VISION, model)
    other.write_bytes(projector)
    return model, other


def damages() -> list[tuple[str, bytes]]:
    edit = Editor(PROJECTOR)
    found = [(f"cut at {part}/20", edit.data[: len(edit.data) * part // 20]) for part in range(20)]
    for key in ("embedding_length", "patch_size", "image_size", "block_count"):
        for new in (0, 0x7FFF_FFFF):
            found.append((f"{key} = {new}", edit.value(f"clip.vision.{key}", new)))
    for key in ("clip.vision.patch_size", "clip.use_gelu", "clip.has_vision_encoder"):
        kind = struct.pack("<I", 5)  # int32, which the library asserts it is not
        found.append((f"type of {key}", edit.put(edit.after_name(key), kind)))
    for name in ("mm.2.weight", "v.blk.1.ffn_up.weight", "v.patch_embd.weight"):
        found.append((f"no {name}", edit.data.replace(name.encode(), b"x" * len(name))))
    found.append(("heads", edit.value("clip.vision.attention.head_count", 7)))
    found.append(("epsilon", edit.real("clip.vision.attention.layer_norm_epsilon", float("nan"))))
    found.append(("html", b"<!DOCTYPE html><html>404</html>"))
    found.append(("a model", TINY.read_bytes()))
    return found


@pytest.mark.parametrize(("name", "data"), damages(), ids=[name for name, _ in damages()])
def test_damage_is_seen_before_the_library_is(tmp_path: Path, name: str, data: bytes) -> None:
    _, path = beside(tmp_path, data)
    with pytest.raises(BadModel) as caught:
        check_projector(path)
    assert str(path) in caught.value.what
    assert caught.value.next_step


def test_healthy_projectors_pass(tmp_path: Path) -> None:
    assert check_projector(PROJECTOR).tensors
    for kind in ("idefics3", "gemma3", "qwen3vl"):
        assert check_projector(pair(tmp_path, kind).projector).tensors


def test_a_damaged_projector_exits_3_with_its_name(tmp_path: Path, red: str) -> None:
    for _, data in damages()[7::14]:
        model, path = beside(tmp_path, data)
        refused(see(model, red), str(path))


def test_a_projector_of_another_model_exits_3_with_its_name(tmp_path: Path, red: str) -> None:
    made = pair(tmp_path, "gemma3")
    write_projector(made.projector, "gemma3", width=32)
    refused(see(made.model, red), str(made.projector), "mismatch")


def test_flipped_bits_answer_or_exit_3(tmp_path: Path, red: str) -> None:
    for _, data in flips(PROJECTOR, 8, seed=3, header_share=0.9):
        model, _ = beside(tmp_path, data)
        done = see(model, red, "-n", "8")
        assert done.code in (0, 3), done
        assert "Traceback" not in done.err


def test_a_model_file_of_no_role_is_missed(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="no model file"):
        GgufModels("vision").resolve(str(tmp_path / "none.gguf"))
