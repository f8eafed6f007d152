"""Cards in pictures however they are coded, and files that are no card although they look so."""

from __future__ import annotations

import base64
import json
import textwrap
import zlib
from pathlib import Path

import pytest

from localai.characters import lint
from localai.characters.formats import png
from localai.characters.load import parse
from localai.errors import BadInput
from tests.characters.test_formats import BODY, V1, chunk, picture
from tests.conftest import run

CARD = json.dumps({**V1, "description": "\u00ff\u00fe\u00bf>>>???" * 40}).encode()
CODED = base64.b64encode(CARD)


def wrapped(end: str, width: int = 76) -> bytes:
    return end.join(textwrap.wrap(CODED.decode(), width)).encode() + end.encode()


@pytest.mark.parametrize(
    "text",
    [
        CODED,
        wrapped("\n"),
        wrapped("\r\n"),
        wrapped("\r"),
        wrapped("\n", 64),
        wrapped("\n    "),
        wrapped("  \r\n\t"),
        base64.encodebytes(CARD),
        base64.urlsafe_b64encode(CARD),
    ],
)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt"])
def test_base64_in_lines_is_read(text: bytes, kind: str) -> None:
    body = {
        "tEXt": b"chara\0" + text,
        "zTXt": b"chara\0\0" + zlib.compress(text),
        "iTXt": b"chara\0\0\0\0\0" + text,
    }[kind]
    card = parse(picture(BODY, chunk(kind.encode(), body)), Path("x.png"))
    assert card.character.description == json.loads(CARD)["description"]


@pytest.mark.parametrize(
    "text", [CODED[:99] + b"!" + CODED[99:], CODED[:9] + b" " + CODED[9:], CODED + b"\n=A"]
)
def test_what_is_no_base64_is_told_all_the_same(text: bytes) -> None:
    with pytest.raises(BadInput, match="is not base64"):
        parse(picture(BODY, chunk(b"tEXt", b"chara\0" + text)), Path("x.png"))


@pytest.mark.parametrize("blank", [b" ", b"\t", b"\n", b" \n"])
def test_a_card_of_blanks_is_refused_in_one_go(blank: bytes) -> None:
    """A kilobyte of picture unpacks to a megabyte of them, which a pattern took hours for."""
    text = b"x" + blank * (1_000_000 // len(blank)) + b"!"
    body = b"chara\0\0" + zlib.compress(text)
    with pytest.raises(BadInput, match="is not base64"):
        parse(picture(BODY, chunk(b"zTXt", body)), Path("x.png"))


def test_examples_of_blank_lines_are_checked_in_one_go() -> None:
    text = "x" + "\n" * 200_000 + "y"
    card = {"name": "x", "description": "{{char}} knows {{user}}.", "mes_example": text}
    found = lint.check(parse(json.dumps(card).encode(), Path("x.json")))
    assert any("no line of the examples" in each.text for each in found)


PAGES = [
    b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    b"\xef\xbb\xbf\r\n  <!doctype HTML PUBLIC '-//W3C'><html>",
    b"<html lang=en><head><title>404</title>",
    b"<!-- cached --><HTML>",
    b'<?xml version="1.0"?><html xmlns="x">',
    b"<head><meta charset=utf-8>",
]


@pytest.mark.parametrize("name", ["card.png", "card.charx", "card.json", "card.yaml", "card"])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_in_a_cards_place_is_told_as_such(name: str, page: bytes) -> None:
    with pytest.raises(BadInput) as caught:
        parse(page, Path(name))
    assert caught.value.what == f"{name}: this is a web page (HTML), not a card"
    assert "download" in (caught.value.next_step or "")


@pytest.mark.parametrize(
    ("data", "name", "told"),
    [
        (b"<svg xmlns='x'/>", "x.png", "this is XML, not a card"),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "x.png", "this is XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "x.png", "Git LFS pointer"),
        (b"Not Found", "x.png", "this is no PNG picture although it is called .png"),
        (b"404: Not Found\n", "x.PNG", "this is no PNG picture although it is called .png"),
        (b"Not Found", "x.charx", "this is no archive although it is called .charx"),
        (b'{"error": "not found"}', "x.png", "this is no PNG picture although"),
        (b"", "x.png", "the file is empty"),
        (b" \n", "x.charx", "the file is empty"),
        (b"%PDF-1.4\n%\xe2\xe3", "x.png", "this is no PNG picture although"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "x.png", "a WEBP picture holds no character card"),
        (b"\xff\xd8\xff\xe0", "x.png", "a JPEG picture holds no character card"),
        (b"BM6\0\0\0", "x.png", "a BMP picture holds no character card"),
    ],
)  # fmt: skip
def test_other_things_are_told_too(data: bytes, name: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(data, Path(name))
    assert told in caught.value.what and name in caught.value.what


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"name": "Eva", "description": "<html>"}', "x.png"),
        (b"name: Eva\ndescription: <html>\n", "x.yaml"),
        (b'name: "<b>Eva</b>"\n', "x.yaml"),
        (b"name: BMW\n", "x.yaml"),
    ],
)
def test_a_card_that_only_looks_like_something_else_is_read(data: bytes, name: str) -> None:
    assert parse(data, Path(name)).character.name


def test_the_command_tells_it(tmp_path: Path) -> None:
    (tmp_path / "card.png").write_bytes(PAGES[0])
    done = run("characters", "import", str(tmp_path / "card.png"))
    assert done.code == 2 and "web page (HTML)" in done.err and "Traceback" not in done.err
    (tmp_path / "wrapped.png").write_bytes(
        picture(BODY, chunk(b"tEXt", b"chara\0" + wrapped("\n")))
    )
    assert run("characters", "check", str(tmp_path / "wrapped.png")).code == 0
    assert png.is_png((tmp_path / "wrapped.png").read_bytes())
