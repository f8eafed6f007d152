"""What pictures say of how they were made: ours read by others, others' read by us."""

from __future__ import annotations

import json
import random
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from localai.errors import BadInput
from localai.media.drawing import PictureFormat
from localai.media.generation_parameters import GenerationParameters, parse, render
from localai.media.picture_metadata import check_writable, read, save

PROMPTS = (
    "a red fox",
    "a fox, \"quoted\", 'twice', (red:1.2), [blue], {x}",
    "two\nlines, and\n\nan empty one",
    "Grüße aus Köln, 日本語, 🦊",
    "Steps: 20, Sampler: Euler",
    "ends with a colon:",
    "back\\slash, tab\tand, , commas",
    "Negative prompt: not one",
    " blanks around ",
    "a <lora:ink:0.8> fox",
    "\nbegins with a line break",
    "x" * 3000,
)
NEGATIVES = ("", "blurry", 'ugly, "bad hands"\nlow quality', "schlecht, 悪い")


def thirty() -> list[GenerationParameters]:
    chance = random.Random(5)
    found = []
    for number in range(30):
        settings = {
            "Steps": str(chance.randrange(1, 60)),
            "Sampler": chance.choice(["Euler", "Euler a", "DPM++ 2M", "res_2s"]),
            "CFG scale": f"{chance.uniform(1, 12):g}",
            "Seed": str(chance.randrange(2**32)),
            "Size": "512x768",
            "Model": chance.choice(["tiny", "model, with: marks", 'a "b"']),
            "Version": "localai 0.1.0",
        }
        found.append(
            GenerationParameters(
                PROMPTS[number % len(PROMPTS)], NEGATIVES[number % len(NEGATIVES)], settings
            )
        )
    return found


def chunks(data: bytes) -> dict[str, str]:
    """The text chunks of a PNG, by the specification alone."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(data[at + 8 + length : at + 12 + length])
        at += 12 + length
        if kind == b"tEXt":
            key, _, text = body.partition(b"\0")
            found[key.decode()] = text.decode("latin-1")
        elif kind == b"iTXt":
            key, _, rest = body.partition(b"\0")
            packed, text = rest[0], rest[2:].split(b"\0", 2)[2]
            found[key.decode()] = (zlib.decompress(text) if packed else text).decode()
    return found


def their_pairs(line: str) -> list[tuple[str, str]]:
    pattern = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
    return pattern.findall(line)


def their_reading(text: str) -> dict[str, str]:
    """The settings as AUTOMATIC1111 reads them: its expression, its rule for the last line."""
    *_, last = text.strip().split("\n")
    pairs = their_pairs(last)
    if len(pairs) < 3:
        return {}
    return {k: json.loads(v) if v[:1] == v[-1:] == '"' else v for k, v in pairs}


@pytest.mark.parametrize("number", range(30))
def test_thirty_pictures_are_read_back(number: int, tmp_path: Path) -> None:
    parameters = thirty()[number]
    path = tmp_path / "picture.png"
    save(Image.new("RGB", (8, 8)), path, "png", parameters)
    assert read(path) == read(path.read_bytes()) == parameters
    text = chunks(path.read_bytes())["parameters"]
    with Image.open(path) as image:
        assert image.text["parameters"] == text  # type: ignore[attr-defined]
    assert their_reading(text) == dict(parameters.settings)
    assert text.startswith(parameters.prompt)
    for form in ("jpeg", "webp"):
        other = tmp_path / f"picture.{form}"
        save(Image.new("RGB", (8, 8)), other, form, parameters)  # type: ignore[arg-type]
        assert read(other) == parse(render(parameters))


def png(texts: dict[str, str], path: Path) -> Path:
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text) if not text.isascii() else info.add_text(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


LONG = 1_000_000  # characters: work that grows with their square would take hours


PIECES = (
    "a", " ", "-", "/", "\\", '"', ":", "a b, ", "ab: ", "ab:\t", 'ab: "', 'ab: "\\"',
    'ab: "\\", ', 'ab: "x"y, ', "Negative prompt:", ", SDCPP: {",
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_any_text_is_read_in_one_go(piece: str) -> None:
    text = piece * (LONG // len(piece))
    assert any(parse(text))
    assert parse(f"a fox\nSteps: 4, Seed: 5, Size: 8x8, x{text}").settings["Seed"] == "5"


def test_a_packet_of_beginnings_is_read_in_one_go(tmp_path: Path) -> None:
    begin, end = "<sdcpp:parameters>", "</sdcpp:parameters>"
    path = tmp_path / "a.webp"
    for text, found in (
        (begin * (LONG // len(begin)), None),
        (f"{begin}a &lt;fox&gt;{end}", GenerationParameters("a <fox>")),
    ):
        Image.new("RGB", (8, 8)).save(path, xmp=text.encode())
        assert read(path) == found


@given(st.text(alphabet='ab1-/ :,"\\\t', max_size=40))
def test_pairs_are_those_that_the_other_program_reads(text: str) -> None:
    found = parse(f"a fox\n{text}").settings
    theirs = their_pairs(text)
    assert list(found) == list(dict(theirs) if len(theirs) >= 3 else {})


HARD = 'a "quoted" fox, red,\nsecond line: here'


def test_pictures_of_automatic1111_are_read(tmp_path: Path) -> None:
    text = (
        f"{HARD}\nNegative prompt: blurry, (bad:1.3)\nsecond negative\n"
        "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 965400086, Size: 512x640, "
        'Model hash: 45dee52b, Model: v1-5, Clip skip: 2, Lora hashes: "ink: a1, wash: b2", Version: v1.9.4'
    )
    found = read(png({"parameters": text}, tmp_path / "a.png"))
    assert found is not None
    assert found.prompt == HARD
    assert found.negative == "blurry, (bad:1.3)\nsecond negative"
    assert found.sampler() == ("dpm++2m", "karras")
    assert (found.number("Seed"), found.number("CFG scale")) == (965400086, 6.5)
    assert found.size() == (512, 640)
    assert found.settings["Lora hashes"] == "ink: a1, wash: b2"


def test_pictures_of_sd_cli_are_read(tmp_path: Path) -> None:
    text = (
        f"{HARD}\nNegative prompt: blurry\nSteps: 4, CFG scale: 1.000000, Guidance: 3.500000, "
        "Eta: 0.000000, Seed: 42, Size: 512x512, Model: m.gguf, RNG: cuda, Sampler: euler_a karras, "
        'Version: stable-diffusion.cpp, SDCPP: {"prompt": "x", "Seed": 5, "a": [1, 2]}'
    )
    found = read(png({"parameters": text}, tmp_path / "a.png"))
    assert found is not None
    assert (found.prompt, found.negative) == (HARD, "blurry")
    assert found.sampler() == ("euler_a", "karras")
    assert found.number("Seed") == 42 and found.number("CFG scale") == 1
    from html import escape

    xmp = f"<x><sdcpp:parameters>{escape(text)}</sdcpp:parameters></x>".encode()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", xmp=xmp)
    assert read(tmp_path / "a.webp") == found


def comfy(**sampler: Any) -> dict[str, Any]:
    return {
        "3": {"class_type": "KSampler", "inputs": {
            "seed": 156680208700286, "steps": 20, "cfg": 8.0, "sampler_name": "dpmpp_2m",
            "scheduler": "karras", "denoise": 1.0, "model": ["10", 0], "positive": ["6", 0],
            "negative": ["7", 0], "latent_image": ["5", 0], **sampler}},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 640, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": HARD, "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["4", 1]}},
        "8": {"class_type": "String", "inputs": {"string": "blurry"}},
        "10": {"class_type": "LoraLoader", "inputs": {"model": ["4", 0], "lora_name": "x"}},
    }  # fmt: skip


def test_pictures_of_comfyui_are_read(tmp_path: Path) -> None:
    texts = {"prompt": json.dumps(comfy()), "workflow": json.dumps({"nodes": []})}
    found = read(png(texts, tmp_path / "a.png"))
    assert found is not None
    assert (found.prompt, found.negative) == (HARD, "blurry")
    assert found.sampler() == ("dpm++2m", "karras")
    assert found.size() == (512, 640)
    assert (
        found.settings["Seed"] == "156680208700286"
        and found.settings["Model"] == "v1-5.safetensors"
    )
    for broken in (
        comfy(positive=["99", 0]),
        comfy(positive=["3", 0]),
        {"3": 5},
        {"3": {"inputs": []}},
        [],
    ):
        read(png({"prompt": json.dumps(broken)}, tmp_path / "a.png"))


def test_pictures_of_invokeai_are_read(tmp_path: Path) -> None:
    document = {
        "positive_prompt": HARD, "negative_prompt": "blurry", "width": 768, "height": 512,
        "seed": 7, "steps": 30, "cfg_scale": 7.5, "scheduler": "euler_ancestral",
        "model": {"name": "dreamshaper", "hash": "x"},
    }  # fmt: skip
    found = read(png({"invokeai_metadata": json.dumps(document)}, tmp_path / "a.png"))
    assert found is not None
    assert (found.prompt, found.negative, found.size()) == (HARD, "blurry", (768, 512))
    assert found.sampler()[0] == "euler_a" and found.settings["Model"] == "dreamshaper"
    old = {"model_weights": "sd-1.4", "image": {"prompt": [{"prompt": HARD, "weight": 1}], "steps": 50, "cfg_scale": 7.5, "sampler": "ddim", "seed": 9, "width": 512, "height": 512}}  # fmt: skip
    found = read(png({"sd-metadata": json.dumps(old)}, tmp_path / "a.png"))
    assert found is not None and found.prompt == HARD and found.sampler()[0] == "ddim_trailing"


def test_texts_behind_the_pixels_are_found(tmp_path: Path) -> None:
    data = png({}, tmp_path / "a.png").read_bytes()
    body = b"tEXtparameters\0red\nSteps: 1, Seed: 2, Size: 8x8"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk + data[-12:])
    found = read(tmp_path / "a.png")
    assert found is not None and found.prompt == "red"


def test_other_byte_orders_of_exif_are_read(tmp_path: Path) -> None:
    text = "ein Fuchs, rot\nSteps: 1, Seed: 2, Size: 8x8"
    for comment in (
        b"UNICODE\0" + text.encode("utf-16-be"),
        b"UNICODE\0" + text.encode("utf-16-le"),
        b"ASCII\0\0\0" + text.encode(),
    ):
        image = Image.new("RGB", (8, 8))
        exif = image.getexif()
        exif.get_ifd(0x8769)[0x9286] = comment
        image.save(tmp_path / "a.jpg", exif=exif.tobytes())
        found = read(tmp_path / "a.jpg")
        assert found is not None and found.prompt == "ein Fuchs, rot"


def test_a_picture_that_says_nothing(tmp_path: Path) -> None:
    assert read(png({"Software": "gimp"}, tmp_path / "a.png")) is None
    found = read(png({"parameters": "just words, no settings"}, tmp_path / "a.png"))
    assert found == GenerationParameters("just words, no settings")


def test_damaged_pictures_are_refused_or_read_in_part(tmp_path: Path) -> None:
    save(Image.new("RGB", (32, 32)), tmp_path / "a.png", "png", thirty()[1])
    whole = (tmp_path / "a.png").read_bytes()
    chance = random.Random(1)
    for _ in range(300):
        data = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 6)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(BadInput):
            read(bytes(data))
    for rubbish in (b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff" + b"\0" * 50):
        with pytest.raises(BadInput):
            read(rubbish)
    with pytest.raises(BadInput, match=r"nothing\.png"):
        read(tmp_path / "nothing.png")


def test_texts_of_any_form_are_taken_apart_without_an_error() -> None:
    chance = random.Random(2)
    alphabet = 'ab:,"\\\n {}[]<>()Steps Seed Size 1x'
    for _ in range(2000):
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(80)))
        found = parse(text)
        found.size()
        found.sampler()
        found.number("Steps")


def exif_of(comment: bytes | str) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return exif.tobytes()


@pytest.mark.parametrize(
    "comment",
    [b"ASCII\0\0\0", b"ASCII\0\0\0" + b" " * 100, bytes(72), b"UNICODE\0" + b"\0 " * 9, b"", b"ab"],
)
def test_a_cameras_empty_comment_says_nothing(comment: bytes, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif_of(comment))
    assert read(tmp_path / "a.jpg") is None
    assert read(png({"parameters": ""}, tmp_path / "a.png")) is None


def test_how_large_a_picture_is_does_not_matter(tmp_path: Path) -> None:
    """Its texts are before the pixels, and nothing else is decoded."""
    path = png({"parameters": "a fox\nSteps: 4, Seed: 5, Size: 8x8"}, tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 20_000, 10_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    found = read(bytes(data))
    assert found is not None and found.prompt == "a fox"


@pytest.mark.parametrize(
    "exact", ['{"prompt": "a", "negative": "", "settings": [1]}', "[1]", "{}", "7"]
)
def test_a_chunk_of_ours_that_is_damaged_is_passed_over(exact: str, tmp_path: Path) -> None:
    found = read(png({"localai": exact, "parameters": "a fox"}, tmp_path / "a.png"))
    assert found == GenerationParameters("a fox")


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_what_is_not_refused_can_be_written(form: PictureFormat, tmp_path: Path) -> None:
    for size, text in (
        ((16_384, 1), "x"), ((1, 65_501), "x"), ((16_383, 1), "x"), ((65_500, 1), "x"),
        ((8, 8), "x" * 33_000), ((8, 8), "\U0001f98a" * 16_400), ((8, 8), "x" * 32_500),
    ):  # fmt: skip
        parameters = GenerationParameters(text, "", {"Steps": "4", "Seed": "0", "Size": "8x8"})
        last = {**parameters.settings, "Seed": str(2**32 - 1)}
        try:
            check_writable(form, size, parameters)
        except BadInput:
            with pytest.raises((OSError, ValueError)):
                save(Image.new("RGB", size), tmp_path / "a", form, parameters)
        else:
            save(Image.new("RGB", size), tmp_path / "a", form, parameters._replace(settings=last))
            assert read(tmp_path / "a") is not None
