"""`localai sd` as people type it, with the tiny model."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.conftest import ROOT, Ran, command, ours, run, settled, until
from tests.support.draw_models import (
    joined,
    lora,
    mean,
    nearest_colour,
    parts_of,
    rgb_of,
    size_of,
    tiny_folder,
    upscaler,
)

__all__ = ["tiny_folder"]  # a fixture

TINY = ("sd", "-m", "tiny")


@pytest.fixture(autouse=True)
def cached(home: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model lies in the cache already; the test's folder is the working one."""
    (home / "cache" / "localai").mkdir(parents=True)
    (home / "cache" / "localai" / "tiny-draw-1").symlink_to(tiny_folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(done: Ran, code: int, *words: str) -> None:
    assert (done.code, done.out) == (code, ""), done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err


def test_a_red_apple(home: Path, cached: Path) -> None:
    (home / "cache" / "localai" / "tiny-draw-1").unlink()
    done = run(*TINY, "a red apple")
    assert (done.code, done.err) == (0, "")
    name = done.out.removesuffix("\n")
    assert name.startswith("a-red-apple-") and name.endswith(".png")
    assert nearest_colour(mean(Path(name))) == "red"
    seed = int(name[len("a-red-apple-") : -len(".png")])
    assert 0 <= seed < 2**32
    again = run(*TINY, "a", "red", "apple", "--seed", str(seed), "-o", "again.png")
    assert (again.out, again.err) == ("again.png\n", "")
    assert Path("again.png").read_bytes() == Path(name).read_bytes()
    assert sorted(os.listdir()) == sorted([name, "again.png"]), "nothing else is left"


def test_a_random_seed_is_always_said() -> None:
    done = run(*TINY, "red", "-o", "x.png")
    assert done.err.startswith("seed ")
    seed = done.err.split()[1]
    run(*TINY, "red", "--seed", seed, "-o", "y.png")
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    assert run(*TINY, "red", "--json", "-o", "z.png").json["seed"] != int(seed)


def test_a_model_is_written_once_by_many(home: Path) -> None:
    (home / "cache" / "localai" / "tiny-draw-1").unlink()
    many = [
        subprocess.Popen(
            command(*TINY, "red", "--seed", str(at)),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for at in range(3)
    ]
    for each in many:
        _, err = each.communicate(timeout=120)
        assert (each.returncode, err) == (0, b"")
    assert os.listdir(home / "cache" / "localai") == ["tiny-draw-1"]


def test_bytes_on_stdout_and_a_picture_from_stdin() -> None:
    done = run(*TINY, "a blue car", "--seed", "3", "-o", "-")
    assert done.code == 0 and done.stdout.startswith(b"\x89PNG")
    with Image.open(io.BytesIO(done.stdout)) as image:
        assert nearest_colour(mean(image.convert("RGB").tobytes())) == "blue"
    assert os.listdir() == []
    changed = run(
        *TINY,
        "red",
        "--init",
        "-",
        "--strength",
        "0.9",
        "--steps",
        "10",
        "-o",
        "r.png",
        stdin=done.stdout,
    )
    assert changed.code == 0, changed.err
    assert nearest_colour(mean(Path("r.png"))) == "red" and size_of(Path("r.png")) == (64, 64)
    shown = run("sd", "show", "-", stdin=done.stdout)
    assert shown.out.startswith("a blue car\nSteps: 4, ")
    refused(run(*TINY, "red", "--count", "2", "-o", "-"), 2, "stdout", "-o FOLDER/")
    Path("blue.png").write_bytes(done.stdout)
    piped = "exec " + shlex.join(
        command(*TINY, "house", "--strength", "0.01", "--steps", "10", "-o", "p.png", "--init")
    )
    ran = subprocess.run(
        ["bash", "-c", f"{piped} <(cat blue.png)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0 and nearest_colour(mean(Path("p.png"))) == "blue", ran.stderr
    refused(run("sd", "show"), 2, "localai sd show FILE")


def test_formats_and_what_they_say(cached: Path) -> None:
    for name, form in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")):
        assert run(*TINY, 'a "red" fox, \u00e4, \U0001f98a', "--seed", "5", "-o", name).code == 0
        with Image.open(name) as image:
            assert image.format == form
        shown = run("sd", "show", name)
        assert shown.out.startswith('a "red" fox, \u00e4, \U0001f98a\nSteps: 4, Sampler: Euler, ')
        assert "Seed: 5, Size: 64x64, Model: tiny" in shown.out
        data = Path(name).read_bytes()
        assert str(cached).encode() not in data and b"/root" not in data and b"/home" not in data
    assert run(*TINY, "red", "-F", "webp", "--seed", "1").out == "red-1.webp\n"
    data = run("sd", "show", "a.png", "--json").json
    assert data["prompt"].startswith('a "red"') and data["settings"]["Steps"] == "4"


def test_like_draws_the_same_bytes_again() -> None:
    asked = (
        "--negative",
        "blue",
        "--cfg",
        "2",
        "--steps",
        "5",
        "--size",
        "80x48",
        "--sampler",
        "heun",
    )
    first = run(*TINY, "a grey cat, asleep", *asked, "--seed", "9", "-o", "a.png")
    assert first.code == 0
    again = run("sd", "--like", "a.png", "-o", "b.png")
    assert (again.out, again.err) == ("b.png\n", "")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    other = run("sd", "--like", "a.png", "a red cat", "--seed", "10", "-o", "c.png")
    assert other.code == 0 and size_of(Path("c.png")) == (80, 48)
    shown = run("sd", "show", "c.png").out
    assert shown.startswith("a red cat\nNegative prompt: blue\nSteps: 5, Sampler: Heun")
    Image.new("RGB", (8, 8)).save("plain.png")
    refused(run("sd", "--like", "plain.png"), 1, "plain.png")
    refused(run("sd", "show", "nothing.png"), 2, "nothing.png")
    refused(run("sd", "show", __file__), 2, "no picture")


def test_a_line_a_picture(home: Path) -> None:
    env = {"LOCALAI_MODEL": "tiny"}
    done = run("sd", "--seed", "1", stdin="a red fox\n# note\n\na blue fox\n", env=env)
    assert done.out == "a-red-fox-1.png\na-blue-fox-1.png\n"
    assert nearest_colour(mean(Path("a-blue-fox-1.png"))) == "blue"
    Path("list.txt").write_text("green\nred <lora:gone:1>\nblue\n")
    part = run(*TINY, "-f", "list.txt", "--seed", "1", "--json")
    assert part.code == 6 and "1 of 3 prompts" in part.err and "gone" in part.err
    assert [json.loads(line)["file"] for line in part.out.splitlines()] == [
        "green-1.png",
        "blue-1.png",
    ]
    quiet = run(*TINY, "-q", "-f", "list.txt", "--seed", "1", "--force")
    assert quiet.code == 6 and "gone" in quiet.err
    refused(run(*TINY), 2, "nothing to draw")
    refused(run(*TINY, "x", "-f", "list.txt"), 2, "-f")
    refused(run(*TINY, "-f", "gone.txt"), 2, "gone.txt")


def test_a_broken_model_is_told_once_and_a_broken_lora_is_its_lines_alone(home: Path) -> None:
    Path("broken.safetensors").write_bytes(bytes(5000))
    one, many = (
        run("sd", "-m", "./broken.safetensors", stdin=text) for text in ("red", "red\nblue\ngreen")
    )
    assert many.code == one.code == 3 and many.err == one.err and many.out == ""
    (home / "data" / "localai" / "loras").mkdir(parents=True)
    shutil.copy("broken.safetensors", home / "data" / "localai" / "loras" / "bad.safetensors")
    done = run(*TINY, "--seed", "1", stdin="red <lora:bad>\nblue\n")
    assert (done.code, done.out) == (6, "blue-1.png\n") and "LoRA bad" in done.err


def test_prompt_files_make_prompts() -> None:
    Path("ink.md").write_text("---\ndescription: ink\nmodel: tiny\n---\n{{input}}, ink drawing\n")
    done = run("sd", "-p", "./ink.md", "a red fox", "--seed", "1")
    assert done.out == "a-red-fox-ink-drawing-1.png\n"


def test_a_character_is_drawn_in_its_own_words(home: Path) -> None:
    done = run(*TINY, "-c", "librarian", "face", "--seed", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["prompt"] and done.json["width"] < done.json["height"]
    refused(run(*TINY, "-c", "librarian", "a red fox"), 2, "you, face, me, scene")


def test_count_and_patterns() -> None:
    done = run(*TINY, "red", "--count", "3", "--seed", "7", "-o", "out/%02d-{seed}.png")
    assert done.out == "out/01-7.png\nout/02-8.png\nout/03-9.png\n"
    single = run(*TINY, "red", "--seed", "8", "-o", "single.png")
    assert single.code == 0
    assert Path("single.png").read_bytes() == Path("out/02-8.png").read_bytes()
    assert (
        run(*TINY, "red", "--count", "2", "--seed", "1", "-o", "x.png").out == "x-1.png\nx-2.png\n"
    )


def test_several_pictures_are_several_files(home: Path) -> None:
    for pattern, names in (
        ("{model}.png", ["tiny-1.png", "tiny-2.png", "tiny-3.png"]),
        ("{slug}/x.png", ["red/x-1.png", "red/x-2.png", "red/x-3.png"]),
    ):
        done = run(*TINY, "red", "--count", "3", "--seed", "4294967294", "--force", "-o", pattern)
        assert (done.code, done.out.splitlines()) == (0, names)
        assert len({Path(name).read_bytes() for name in names}) == 3
    done = run(*TINY, "--seed", "5", "--force", "-o", "{seed}.png", stdin="red\nblue\n")
    assert (done.code, done.out) == (6, "5.png\n") and "another picture" in done.err
    assert nearest_colour(mean(Path("5.png"))) == "red"


def test_names_hold_the_size_that_a_picture_has() -> None:
    pattern = ("-o", "{width}x{height}-{steps}-{i}.png")
    done = run(*TINY, "red", "--upscale", "2", "--size", "64x48", "--seed", "1", *pattern)
    assert done.out == "128x96-4-1.png\n" and size_of(Path("128x96-4-1.png")) == (128, 96)
    Path("64x64-4-2.png").write_text("mine")
    refused(run(*TINY, "red", "--count", "2", "--seed", "1", *pattern), 2, "64x64-4-2.png exists")
    assert sorted(os.listdir()) == ["128x96-4-1.png", "64x64-4-2.png"], "nothing was drawn"
    assert Path("64x64-4-2.png").read_text() == "mine"


def test_nothing_is_overwritten_unasked() -> None:
    Path("red-1.png").write_text("mine")
    refused(run(*TINY, "red", "--seed", "1"), 2, "red-1.png exists", "--force")
    assert Path("red-1.png").read_text() == "mine"
    assert run(*TINY, "red", "--seed", "1", "--force").code == 0
    assert size_of(Path("red-1.png")) == (64, 64)


def test_lora_upscaler_vae_and_wildcards(home: Path, tiny_folder: Path) -> None:
    data = home / "data" / "localai"
    (data / "loras").mkdir(parents=True)
    lora(data / "loras" / "blue.safetensors")
    for words in (("red", "--lora", "blue"), ("red <lora:blue>",), ("red", "--lora", "blue:1")):
        done = run(*TINY, *words, "--seed", "1", "--force")
        assert nearest_colour(mean(Path(done.out.strip()))) == "blue", done.err
    refused(run(*TINY, "red", "--lora", "blu"), 2, "did you mean `blue`")
    upscaler(Path("x4.safetensors"))
    done = run(*TINY, "red", "--seed", "2", "--upscale", "2", "--upscaler", "x4.safetensors")
    assert size_of(Path(done.out.strip())) == (128, 128)
    (data / "wildcards").mkdir()
    (data / "wildcards" / "c.txt").write_text("red\nblue\n")
    done = run(*TINY, "a __c__ fox", "--seed", "1", "--count", "4", "-o", "w/")
    for name in done.out.splitlines():
        assert nearest_colour(mean(Path(name))) in Path(name).name
    vae = tiny_folder / "tiny-draw-taesd.safetensors"
    assert run(*TINY, "red", "--vae", str(vae), "--seed", "5", "-o", "v.png").code == 0


def test_words_that_cannot_be_meant() -> None:
    refused(run(*TINY, "x", "--size", "big"), 2, "--size 768x512")
    refused(run(*TINY, "x", "--size", "64", "--aspect", "wide"), 2, "--size")
    refused(run(*TINY, "x", "--aspect", "wid"), 2, "portrait")
    refused(run(*TINY, "x", "--sampler", "eular"), 2, "euler")
    refused(run(*TINY, "x", "--vram", "lots"), 2, "--vram 6")
    refused(run(*TINY, "x", "--init", "gone.png"), 2, "gone.png")
    refused(run(*TINY, "x", "--vae", "gone"), 2, "gone")
    refused(run(*TINY, "x", "-o", "x.bmp"), 2, ".png")
    wide = ("--size", "2056x64", "--upscale", "8")
    refused(run(*TINY, "x", "-o", "x.webp", *wide), 2, "16512x512", "webp", "-F png")
    refused(run("sd", "-m", "z-image-tubo", "x"), 3, "did you mean z-image-turbo")
    refused(run("sd", "-m", "./gone.safetensors", "x"), 3, "gone.safetensors")
    refused(run("sd", "-m", "z-image-turbo", "x", "--offline"), 3, "--offline")
    refused(run("sd", "x"), 3, "localai models pull", "--kind image")


def test_an_unwritable_folder_and_a_full_disk(cached: Path) -> None:
    Path("file").touch()
    refused(run(*TINY, "x", "-o", "file/x.png"), 2, "file")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                command(*TINY, "x", "-o", "-"),
                stdout=full,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                timeout=120,
            )
        assert done.returncode == 1 and b"Traceback" not in done.stderr


def damaged(folder: Path, tiny_folder: Path) -> dict[str, Path]:
    """Wrong and damaged files by the dozen."""
    model = tiny_folder / "tiny-draw.safetensors"
    whole = model.read_bytes()
    header, data = parts_of(model)

    def changed(**change: Any) -> bytes:
        return joined({**header, **change}, data)

    embeddings = "text_encoders.llm.model.embed_tokens.weight"
    first = "model.diffusion_model.img_in.weight"
    short = {**header[embeddings], "shape": [1000, 32], "data_offsets": [0, 64_000]}
    found = {
        "half": whole[: len(whole) // 2],
        "cut": whole[:-100],
        "head": whole[:2000],
        "empty": b"",
        "text": b"hello, this is no model\n" * 100,
        "zeros": bytes(5000),
        "pickle": b"\x80\x02}q\x00." + bytes(100),
        "zip": b"PK\x03\x04" + bytes(200),
        "gguf": b"GGUF\x03\0\0\0" + b"\xff" * 200,
        "html": b"<!doctype html><title>404</title>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "long": (1 << 62).to_bytes(8, "little") + b"{}",
        "list": joined([1, 2], b""),  # type: ignore[arg-type]
        "nothing": joined({}, b""),
        "shape": changed(**{first: {**header[first], "shape": [64, 128, 3]}}),
        "offset": changed(**{first: {**header[first], "data_offsets": [10**12, 10**12 + 16384]}}),
        "negative": changed(**{first: {**header[first], "data_offsets": [-5, 16379]}}),
        "kind": changed(**{first: {**header[first], "dtype": "F17"}}),
        "tokens": changed(**{embeddings: short}),
        "text-encoder": joined({k: v for k, v in header.items() if k.startswith("text")}, data),
        "no-encoder": joined({k: v for k, v in header.items() if not k.startswith("text")}, data),
        "strange": joined({"some.tensor": header[first]}, data),
        "deep": joined({}, b"")[:8] + b"[" * 5000,
    }
    paths = {}
    for name, content in found.items():
        paths[name] = folder / f"{name}.safetensors"
        paths[name].write_bytes(content)
    lora(folder / "lora.safetensors")
    upscaler(folder / "upscaler.safetensors")
    shutil.copy(tiny_folder / "tiny-draw-taesd.safetensors", folder / "vae.safetensors")
    return {**paths, **{n: folder / f"{n}.safetensors" for n in ("lora", "upscaler", "vae")}}


def test_damaged_files_are_named_and_the_daemon_lives(
    warm: Path, cached: Path, tiny_folder: Path
) -> None:
    folder = cached / "bad"
    folder.mkdir()
    bad = damaged(folder, tiny_folder)
    assert run(*TINY, "red", "--seed", "1").code == 0
    host = [each for each in ours(warm) if "daemon" in " ".join(each.cmdline())]
    for name, path in bad.items():
        refused(run("sd", "-m", str(path), "red"), 3, name)
    for name in ("half", "text", "lora", "gguf", "text-encoder", "shape"):
        done = run(*TINY, "red", "--vae", str(bad[name]))
        assert done.code in (2, 3) and name in done.err, done.err
        done = run(*TINY, "red", "--lora", str(bad[name if name != "lora" else "vae"]))
        assert done.code in (2, 3) and done.out == "", done.err
        done = run(*TINY, "red", "--init", str(bad[name]))
        assert done.code == 2 and name in done.err, done.err
        done = run(*TINY, "red", "--upscale", "2", "--upscaler", str(bad[name]))
        assert done.code in (2, 3) and name in done.err, done.err
    refused(run("sd", "-m", str(folder), "red"), 3)
    assert [each.pid for each in host if each.is_running()] == [each.pid for each in host]
    assert run(*TINY, "red", "--seed", "2").out == "red-2.png\n"


class Running:
    """A command that draws, watched."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            command(*TINY, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.out = b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        while line := self.process.stdout.readline():
            self.out += line

    def end(self) -> tuple[int, str]:
        code = self.process.wait(60)
        assert self.process.stderr and self.process.stdout
        with self.process.stderr, self.process.stdout:
            return code, self.process.stderr.read().decode()


SLOW = ("--steps", "200", "--size", "192", "--count", "3", "--seed", "1", "-o", "{seed}.png")


def workers(home: Path) -> list[psutil.Process]:
    found = []
    for each in ours(home):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "localai.pool.worker" in each.cmdline():
                found.append(each)
    return found


def test_pictures_that_come_fast_leave_nothing_unnamed_after_ctrl_c(warm: Path) -> None:
    """The model stays loaded: what nobody takes any more, its worker removes."""
    for number in range(3):
        running = Running("red", "--count", "50", "--seed", "1", "-o", f"{number}-{{seed}}.png")
        until(lambda found=running: found.out)  # type: ignore[misc]
        running.process.send_signal(signal.SIGINT)
        code, err = running.end()
        assert code == 130 and "Traceback" not in err
        until(lambda: settled(warm))
        named = [name for name in os.listdir() if name.startswith(f"{number}-")]
        assert 0 < len(named) < 50
        assert not [name for name in os.listdir() if name.startswith(".")]


@pytest.mark.usefixtures("warmth")
def test_ctrl_c_keeps_what_is_finished_and_frees_the_device(home: Path) -> None:
    running = Running("a blue car", *SLOW)
    until(lambda: running.out == b"1.png\n")
    time.sleep(0.5)  # in the middle of the second
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    code, err = running.end()
    assert code == 130 and time.monotonic() - began < 5
    assert err.strip().endswith("stopped") and "Traceback" not in err
    until(lambda: not workers(home), 10)
    assert os.listdir() == ["1.png"], "no temporary file is left"
    assert nearest_colour(mean(Path("1.png"))) == "blue"
    assert run(*TINY, "red", "--seed", "5").out == "red-5.png\n"


def test_a_request_behind_a_cancelled_one_is_drawn(warm: Path) -> None:
    first = Running("a blue car", *SLOW)
    until(lambda: first.out == b"1.png\n")
    second = Running("a red car", "--seed", "9", "-o", "second.png")
    time.sleep(0.7)  # it waits
    assert second.process.poll() is None
    first.process.send_signal(signal.SIGINT)
    assert first.end()[0] == 130
    assert second.end() == (0, "")
    assert nearest_colour(mean(Path("second.png"))) == "red"


@pytest.mark.usefixtures("warmth")
def test_a_killed_worker_is_told_in_a_sentence(home: Path) -> None:
    running = Running("a blue car", *SLOW)
    until(lambda: running.out == b"1.png\n")
    (worker,) = workers(home)
    worker.kill()
    code, err = running.end()
    assert code == 1 and "SIGKILL" in err and "Traceback" not in err
    assert run(*TINY, "red", "--seed", "5").out == "red-5.png\n"


@pytest.mark.usefixtures("warmth")
def test_a_closed_pipe_ends_the_drawing(home: Path) -> None:
    with subprocess.Popen(
        command(*TINY, "a blue car", *SLOW),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == b"1.png\n"
        process.stdout.close()  # in the middle of the second, which nobody is to wait for
        assert process.wait(60) == 141
        assert process.stderr.read() == b""
    until(lambda: not workers(home), 10)
    assert os.listdir() == ["1.png"]


def test_a_killed_command_ends_the_drawing(warm: Path) -> None:
    running = Running("a blue car", *SLOW)
    until(lambda: running.out == b"1.png\n")
    running.process.kill()
    running.end()
    until(lambda: not workers(warm), 10)
    until(lambda: os.listdir() == ["1.png"], 10)


def test_the_second_picture_finds_the_model_warm(warm: Path) -> None:
    assert run(*TINY, "red", "--seed", "1").code == 0
    (worker,) = workers(warm)
    assert run(*TINY, "blue", "--seed", "1").code == 0
    assert run(*TINY, "blue", "--seed", "2", "--threads", "2").code == 0
    assert [each.pid for each in workers(warm)] == [worker.pid]
    assert "tiny" in run("ps").out


def test_text_and_pictures_take_turns_within_the_limit(warm: Path) -> None:
    ask = ("ask", "-m", "tiny", "--temp", "0", "What is the capital of France?")
    assert run(*ask).out == "The capital of France is Paris.\n"
    assert run(*TINY, "red", "--seed", "1").code == 0
    assert len(workers(warm)) == 2, "both fit"
    assert run("stop", "--all").code == 0
    small = {"LOCALAI_MEMORY_LIMIT": "160M"}
    for number in (2, 3):
        assert run(*ask, env=small).out == "The capital of France is Paris.\n"
        until(lambda: len(workers(warm)) == 1)
        assert run(*TINY, "red", "--seed", str(number), env=small).code == 0
        until(lambda: len(workers(warm)) == 1)


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow", "black", "white"])
def test_the_end_of_the_chain_names_the_colour(colour: str) -> None:
    picture = run(*TINY, f"a {colour} fox", "--seed", "1", "-o", "-").stdout
    told = run("describe-image", "-m", "tiny", "-", stdin=picture).out
    answer = run("ask", "-m", "tiny", "--temp", "0", "Repeat the above:", stdin=told).out
    assert colour in told.lower() and colour in answer.lower()


def test_a_chat_draws(home: Path) -> None:
    done = run(
        "chat", "-m", "tiny", "--no-save", stdin="/sd a red fox\n/sd you\n/quit\n"
    )  # "you" is in the words of the model, whatever they are
    names = [line for line in done.out.splitlines() if line.endswith(".png")]
    assert done.code == 0 and names[0].startswith("a-red-fox-"), done.err
    assert nearest_colour(mean(Path(names[0]))) == "red"


def test_options_change_the_pixels() -> None:
    base = (*TINY, "an orange fox", "--cfg", "1.5", "--seed", "4", "--force", "-o", "x.png")
    seen = set()
    for more in (
        (),
        ("--steps", "6"),
        ("--quick",),
        ("--scheduler", "karras"),
        ("--negative", "blue"),
        ("--size", "80x64"),
    ):
        assert run(*base, *more).code == 0
        seen.add(rgb_of(Path("x.png")))
    assert len(seen) == 6
