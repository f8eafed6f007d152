"""Pictures of any kind to RGB: the same seen whatever the file, and hostile files refused."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from localai.errors import BadInput
from localai.media.pictures import LONGEST, Detail, decode_picture, open_picture
from localai.media.pixels import Pixels
from tests.conftest import ROOT

SIZE = (64, 48)


def seen(source: Path | bytes, name: str, detail: Detail = "low") -> Pixels:
    return open_picture(source, name, detail).pixels


def scene() -> Image.Image:
    """A red square in the upper left of blue: every rotation looks different."""
    image = Image.new("RGB", SIZE, (20, 40, 220))
    image.paste((220, 30, 30), (4, 4, 28, 20))
    return image


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def pixels(picture: Pixels) -> np.ndarray:
    return np.frombuffer(picture.data, np.uint8).reshape(picture.height, picture.width, 3)


def far(picture: Pixels, image: Image.Image) -> float:
    """The mean difference of a channel."""
    assert (picture.width, picture.height) == image.size
    return float(np.abs(pixels(picture).astype(int) - np.asarray(image).astype(int)).mean())


def rotated_exif(number: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def rotated(number: int) -> bytes:
    """The scene stored so that EXIF's orientation `number` turns it upright."""
    stored = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[number]  # fmt: skip
    image = scene() if stored is None else scene().transpose(stored)
    return saved(image, "JPEG", quality=95, subsampling=0, exif=rotated_exif(number))


def with_alpha() -> bytes:
    """Blue that is half clear over white, and a red square."""
    image = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    image.paste((220, 30, 30, 255), (4, 4, 28, 20))
    return saved(image, "PNG")


def sixteen_bits() -> bytes:
    """The scene's red channel as a grey PNG of sixteen bits."""
    grey = np.asarray(scene())[..., 0].astype(np.uint16) * 257
    return saved(Image.fromarray(grey), "PNG")


@pytest.mark.parametrize("number", range(1, 9))
def test_every_rotation_of_exif_is_turned_upright(number: int) -> None:
    picture = open_picture(rotated(number), "x.jpg")
    assert far(picture.pixels, scene()) < 4
    assert picture.original == SIZE


@pytest.mark.parametrize(
    ("form", "options", "most"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 90}, 6),
        ("AVIF", {"quality": 90}, 6),
        ("JPEG", {"quality": 95, "subsampling": 0}, 4),
        ("GIF", {}, 4),
        ("TGA", {}, 0),
        ("PPM", {}, 0),
    ],
)
def test_every_format_gives_the_same_picture(
    form: str, options: dict[str, Any], most: float
) -> None:
    assert far(seen(saved(scene(), form, **options), f"x.{form.lower()}"), scene()) <= most


def test_what_is_clear_lies_on_white() -> None:
    image = pixels(seen(with_alpha(), "x.png"))
    assert tuple(image[40, 60]) == (255, 255, 255)
    assert tuple(image[10, 10]) == (220, 30, 30)
    palette = scene().convert("P", palette=Image.Palette.ADAPTIVE)
    clear = palette.getpixel((50, 40))
    gif = saved(palette, "GIF", transparency=clear)
    assert tuple(pixels(seen(gif, "x.gif"))[40, 50]) == (255, 255, 255)


def test_cmyk_grey_bilevel_and_sixteen_bits_are_read() -> None:
    cmyk = seen(saved(scene().convert("CMYK"), "TIFF"), "x.tif")
    assert far(cmyk, scene()) < 12
    grey = pixels(seen(sixteen_bits(), "x.png"))
    assert (grey[10, 10] == 220).all() and (grey[40, 60] == 20).all()
    bilevel = pixels(seen(saved(Image.new("1", SIZE, 1), "PNG"), "x.png"))
    assert (bilevel == 255).all()
    floats = saved(Image.fromarray(np.full((48, 64), 0.5, np.float32)), "TIFF")
    assert abs(int(pixels(seen(floats, "x.tif"))[0, 0, 0]) - 128) <= 1


def test_a_profile_is_turned_into_srgb_and_a_damaged_one_changes_nothing() -> None:
    lab_like = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert far(seen(saved(scene(), "PNG", icc_profile=lab_like), "x.png"), scene()) < 2
    broken = saved(scene(), "PNG", icc_profile=b"no profile" * 20)
    assert far(seen(broken, "x.png"), scene()) == 0


def test_animations_give_their_first_frame_and_their_length() -> None:
    others = [Image.new("RGB", SIZE, (0, 255, 0)), Image.new("RGB", SIZE, (255, 255, 0))]
    for form in ("GIF", "WEBP"):
        data = saved(scene(), form, save_all=True, append_images=others, lossless=True)
        picture = open_picture(data, "x")
        assert picture.frames == 3 and far(picture.pixels, scene()) < 4


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_large_pictures_are_shrunk_to_what_is_looked_at(form: str) -> None:
    data = saved(scene().resize((3200, 2400)), form)
    for detail, longest in LONGEST.items():
        picture = open_picture(data, "x", detail)
        assert picture.pixels[:2] == (longest, longest * 3 // 4)
        assert picture.original == (3200, 2400)
        assert tuple(map(int, pixels(picture.pixels)[longest // 6, longest // 6])) == pytest.approx(
            (220, 30, 30), abs=6
        )


def test_small_ones_and_thin_ones_stay() -> None:
    assert seen(saved(Image.new("RGB", (1, 1)), "PNG"), "x")[:2] == (1, 1)
    thin = seen(saved(Image.new("RGB", (40_000, 2), (9, 9, 9)), "PNG"), "x")
    assert (thin.width, thin.height) == (768, 1)
    assert set(thin.data) == {9}


def test_the_day_of_exif_is_told_and_nonsense_is_not() -> None:
    for told, day in (
        ("2024:05:01 12:30:00", "2024-05-01"), ("2024-02-29", "2024-02-29"), ("0000:00:00", ""),
        ("2024:99:99 12:30:00", ""), ("2023:02:29", ""), ("2024-W01-1", ""), ("20240501", ""),
        ("\u0662024:05:01", ""), ("\x1b[31m", ""),
    ):  # fmt: skip
        exif = Image.Exif()
        exif[306] = told
        assert open_picture(saved(scene(), "JPEG", exif=exif), "x").taken == day


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with a few bytes of nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(40_000, 40_000), (2**31 - 1, 1), (100_000, 2_000)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(BadInput, match=r"too many|damaged"):
        seen(bomb(*size), "bomb.png")


OTHERS = {
    "empty": (b"", "is empty"),
    "a PDF": (b"%PDF-1.7\n", "it is a PDF"),
    "SVG": (b"<svg xmlns='x'/>", "it is SVG"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is PostScript"),
    "a web page": (b"<!doctype html><p>", "it is a web page"),
    "an archive": (b"PK\x03\x04aaaa", "it is an archive"),
    "text": (b"hello there", "no known kind"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC|damaged|no picture"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_picture_is_told_as_what_it_is(what: str) -> None:
    data, told = OTHERS[what]
    with pytest.raises(BadInput, match=told):
        seen(data, "x.png")


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\?.*is no file|no file"):
        seen(tmp_path / "gone.png", "go\x1bne.png")
    with pytest.raises(BadInput, match="is a folder"):
        seen(tmp_path, "x")


def test_pipes_and_descriptors_are_read_to_their_end(tmp_path: Path) -> None:
    data = saved(scene(), "PNG")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    assert far(seen(pipe, "x"), scene()) == 0
    writer.join()
    with tempfile.TemporaryFile() as file:
        file.write(data)  # and left at its end
        file.flush()
        for _ in range(2):
            picture = decode_picture(file.fileno(), "x")
            assert far(picture.pixels, scene()) == 0 and picture.original == SIZE


def test_a_picture_keeps_its_size_where_nobody_shrinks_it() -> None:
    data = saved(scene().resize((1600, 1200)), "JPEG")
    assert decode_picture(data, "x").pixels[:2] == (1600, 1200)
    with pytest.raises(BadInput, match="1600 x 1200 pixels"):
        decode_picture(data, "x", most_pixels=1_000_000)


def damaged() -> list[bytes]:
    """Pictures of many formats, cut and with wrong bytes: hundreds."""
    r, found = random.Random(3), []
    forms = ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "TGA", "PPM")
    for form in forms:
        data = saved(scene(), form)
        found += [data[: r.randrange(1, len(data))] for _ in range(20)]
        for _ in range(30):
            wrong = bytearray(data)
            for _ in range(r.randint(1, 12)):
                wrong[r.randrange(min(len(wrong), 400))] = r.randrange(256)
            found.append(bytes(wrong))
    return found


def test_damaged_files_by_the_hundred_are_refused_or_seen() -> None:
    refused = 0
    for data in damaged():
        try:
            picture = seen(data, "x")
            assert len(picture.data) == 3 * picture.width * picture.height
        except BadInput as error:
            refused += 1
            assert str(error).isprintable()
    assert refused > 100


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(data: bytes) -> None:
    try:
        seen(data, "x")
    except BadInput as error:
        assert error.what.startswith("x ")


def decoded_with(path: Path) -> tuple[int, int, int]:
    """Width and height of a picture that another process has decoded, and its peak in KB."""
    code = (
        "import pathlib; from localai.media.pictures import open_picture;"
        f"p = open_picture(pathlib.Path({str(path)!r}), 'x').pixels;"
        "told = pathlib.Path('/proc/self/status').read_text();"
        "print(p.width, p.height, told.partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    width, height, peak = map(int, done.stdout.split())
    return width, height, peak


def test_memory_stays_small(tmp_path: Path) -> None:
    """A JPEG of 100 million pixels is decoded at a fraction of them."""
    path = tmp_path / "large.jpg"
    Image.new("RGB", (12_000, 9_000), (220, 30, 30)).save(path, quality=30)
    width, height, peak = decoded_with(path)
    assert (width, height) == (768, 576) and peak < 200_000


LARGE: dict[str, tuple[str, str, tuple[int, int], dict[str, Any]]] = {
    "clear and on its side": ("RGBA", "PNG", (12_000, 8_300), {"exif": rotated_exif()}),
    "of a palette": ("P", "PNG", (12_000, 8_300), {"transparency": 0}),
    "of one bit": ("1", "PNG", (12_000, 8_300), {}),
    "a TIFF": ("RGB", "TIFF", (12_000, 8_300), {"compression": "tiff_lzw"}),
    "a WebP": ("RGBA", "WEBP", (6_000, 4_100), {"method": 0, "quality": 1}),
    "a progressive JPEG": ("RGB", "JPEG", (9_000, 7_400), {"progressive": True, "subsampling": 0}),
}


@pytest.mark.parametrize("what", LARGE)
def test_a_picture_takes_what_it_decodes_to_and_little_more(what: str, tmp_path: Path) -> None:
    mode, form, size, options = LARGE[what]
    path = tmp_path / "large"
    Image.new(mode, size, 1).save(path, form, **options)
    width, height, peak = decoded_with(path)
    assert max(width, height) == 768 and (width < height) == ("exif" in options)
    assert peak < 500_000, "400 MB, and the program itself"


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "JPEG2000", "progressive"])
def test_what_its_decoder_holds_several_times_is_refused_earlier(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localai.media.pictures.MOST_PIXELS", 100_000)
    options = {"progressive": True} if form == "progressive" else {}
    data = saved(Image.new("RGB", (300, 290)), "JPEG" if options else form, **options)
    with pytest.raises(BadInput, match="300 x 290 pixels"):
        seen(data, "x")
    assert seen(saved(Image.new("RGB", (300, 290)), "PNG"), "x").width == 300


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "P", "1", "CMYK", "F"])
def test_bands_leave_no_seam(mode: str) -> None:
    """Shrunk band by band, a slope stays one, whatever its sides are divided by."""
    slope = np.linspace(0, 255, 5_003)[:, None].repeat(3_001, 1).astype(np.uint8)
    grey = Image.fromarray(slope)
    image = grey.convert(mode, dither=Image.Dither.NONE) if mode == "1" else grey.convert(mode)
    with pytest.MonkeyPatch.context() as patch:
        data = saved(image, "TIFF")
        whole = pixels(seen(data, "x")).astype(int)
        patch.setattr("localai.media.shrinking._BAND", 50_000)
        bands = pixels(seen(data, "x")).astype(int)
    assert (whole == bands).all()
    if mode != "1":
        assert np.abs(np.diff(bands[:, 200, 0])).max() <= 2
