"""What is no UTF-8 text is told for what it is, with the command that makes text of it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localai.errors import BadInput
from localai.formats.encoding import STDIN
from localai.formats.text import decode
from tests.conftest import run

DOG = "The dog is black. It sleeps in the café – all day.\n"
RUSSIAN = "Собака чёрная. Она спит весь день.\n"


def refusal(data: bytes, source: str = STDIN) -> BadInput:
    with pytest.raises(BadInput) as caught:
        decode(data, source)
    assert "UTF-8" in caught.value.what or "not text" in caught.value.what
    assert caught.value.next_step
    return caught.value


def repaired(data: bytes) -> str:
    """What the command in the advice makes of the data."""
    commands = re.findall(r"`([^`]*)`", refusal(data).next_step)
    done = subprocess.run(["sh", "-c", commands[0]], input=data, capture_output=True, check=True)
    return decode(done.stdout, STDIN)


@pytest.mark.parametrize("text", [DOG, RUSSIAN, "", "漢字だけ", "x"])
@pytest.mark.parametrize(
    ("encoding", "mark", "name"),
    [
        ("utf-16-le", b"\xff\xfe", "UTF-16 (little-endian"),
        ("utf-16-be", b"\xfe\xff", "UTF-16 (big-endian"),
        ("utf-32-le", b"\xff\xfe\0\0", "UTF-32 (little-endian"),
        ("utf-32-be", b"\0\0\xfe\xff", "UTF-32 (big-endian"),
    ],
)
def test_a_byte_order_mark(text: str, encoding: str, mark: bytes, name: str) -> None:
    data = mark + text.encode(encoding)
    assert name in refusal(data).what
    assert repaired(data) == text
    if text:
        assert name in refusal(data[:-1]).what, "cut inside a character"


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("text", [DOG, json.dumps({"name": "Anna", "age": 31})])
def test_utf16_and_utf32_without_a_mark(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert encoding in refusal(data).what
    assert repaired(data) == text


def test_a_mark_of_utf8_is_no_part_of_the_text() -> None:
    assert decode(b"\xef\xbb\xbf" + DOG.encode(), STDIN) == DOG


@pytest.mark.parametrize("text", [DOG * 3, RUSSIAN, "漢字だけ", "ab😀"])
def test_a_text_cut_inside_a_character(text: str) -> None:
    data = text.encode()
    for end in range(1, len(data)):
        try:
            data[:end].decode()
        except UnicodeDecodeError as error:
            if data[:end].isascii() or error.start:
                cut = refusal(data[:end])
                if "8-bit" not in cut.what and "not whole" in cut.what:
                    assert f"ends inside a UTF-8 character (byte {error.start})" in cut.what
                    assert repaired(data[:end]) == data[: error.start].decode()


def test_the_cut_text_of_a_report() -> None:
    data = b"The dog is black. caf\xc3"
    assert "ends inside a UTF-8 character (byte 21)" in refusal(data).what
    assert repaired(data) == "The dog is black. caf"


@pytest.mark.parametrize("start", [1, 2, 3])
def test_a_text_that_begins_inside_a_character(start: int) -> None:
    data = f"😀 {RUSSIAN}".encode()
    cut = data[start:]
    assert "begins inside a UTF-8 character (byte 0)" in refusal(cut).what
    assert repaired(cut) == f" {RUSSIAN}"
    both = cut[:-3]  # the newline, the full stop, half a letter
    assert "begins and ends inside" in refusal(both).what
    assert repaired(both) == f" {RUSSIAN[:-3]}"


@pytest.mark.parametrize("text", ["café", "Straße", "El niño", "© 2026", "Größe\n"])
def test_an_eight_bit_encoding(text: str) -> None:
    data = text.encode("latin1")
    at = next(n for n, byte in enumerate(data) if byte > 127)
    assert f"is not UTF-8 text (byte {at})" in refusal(data).what
    assert repaired(data) == text


def test_quotes_of_windows() -> None:
    data = "“So,” she said – “no.”".encode("cp1252")
    assert "windows-1252" in refusal(data).next_step
    assert repaired(data) == "“So,” she said – “no.”"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_is_compressed(pack: object) -> None:
    data = pack(DOG.encode())  # type: ignore[operator]
    assert "compressed" in refusal(data).what
    assert repaired(data) == DOG


@pytest.mark.parametrize(
    ("start", "word"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "picture"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "ZIP"),
        (b"GGUF\3\0\0\0\0\0\0\0", "model"),
        (b"ID3\4\0\0\0\0\0\0\xff\xfb", "sound"),
        (b"\x7fELF\2\1\1\0", "program"),
    ],
)
def test_binary_files_are_told_by_name(start: bytes, word: str) -> None:
    error = refusal(start + bytes(range(256)))
    assert word in error.what and "iconv" not in error.next_step


def test_other_binary_data() -> None:
    assert "binary, not text (a NUL at byte 0)" in refusal(bytes(range(256))).what
    data = bytes(range(1, 32)) * 3 + b"\xff"
    assert "binary, not UTF-8 text (byte 93)" in refusal(data).what
    assert "iconv" not in refusal(data).next_step


def test_names_that_nuls_part() -> None:
    data = "eins.txt\0zwei für.txt\0".encode()
    assert "a NUL at byte 8" in refusal(data).what
    assert repaired(data) == "eins.txt\nzwei für.txt\n"


def test_a_file_is_named_in_the_command(tmp_path: Path) -> None:
    path = tmp_path / "my notes.txt"
    path.write_bytes(DOG.encode("utf-16"))
    step = refusal(path.read_bytes(), str(path)).next_step
    assert shlex.quote(str(path)) in step
    command = step.split("`")[1]
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode() == DOG


@given(st.binary(min_size=1, max_size=64))
def test_any_bytes_are_text_or_get_one_sentence(data: bytes) -> None:
    try:
        decode(data, STDIN)
    except BadInput as error:
        assert "\n" not in error.what + error.next_step


@given(st.text(min_size=1), st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]))
def test_any_text_in_any_of_these(text: str, encoding: str) -> None:
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        return
    if encoding == "utf-8-sig" and "\0" not in text:
        assert decode(data, STDIN) == text
    elif encoding != "utf-8-sig":
        assert encoding.upper() in refusal(data).what


PROMPT = "---\ndescription: x\n---\nSay it.\n\n{{input}}\n"
CARD = json.dumps({"name": "Ä", "description": "", "personality": "", "first_mes": "Hi"})
YAML_CARD = "name: Anna\ndescription: A friend.\n"
GRAMMAR = 'root ::= "yes" | "no"\n'


@pytest.mark.parametrize(
    ("name", "text", "arguments"),
    [
        ("p.md", PROMPT, ("ask", "-m", "tiny", "-p", "{}", "x")),
        ("c.json", CARD, ("ask", "-m", "tiny", "-c", "{}", "x")),
        ("c.yaml", YAML_CARD, ("ask", "-m", "tiny", "-c", "{}", "x")),
        ("c.yaml", YAML_CARD, ("characters", "check", "{}")),
        ("s.json", '{"type": "object"}', ("ask", "-m", "tiny", "--schema", "{}", "x")),
        ("g.gbnf", GRAMMAR, ("ask", "-m", "tiny", "--grammar", "{}", "x")),
        ("g.lark", 'start: "yes"\n', ("ask", "-m", "tiny", "--grammar", "{}", "x")),
        ("v.txt", "German", ("ask", "-m", "tiny", "-p", "translate", "--var", "language=@{}", "x")),
        ("t.txt", "Hello\n", ("chat", "-m", "tiny", "--script", "{}")),
        ("me.txt", "I am Tom.\n", ("ask", "-m", "tiny", "-c", "librarian", "--persona", "{}", "x")),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_every_kind_of_file(
    tmp_path: Path, name: str, text: str, arguments: tuple[str, ...], encoding: str
) -> None:
    file = tmp_path / name
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    file.write_bytes(mark + text.encode(encoding))
    ran = run(*(part.replace("{}", str(file)) for part in arguments))
    assert (ran.code, ran.stdout) == (2, b""), ran
    assert encoding[:6].upper() in ran.err and f"iconv -f {encoding[:6].upper()}" in ran.err
    assert str(file) in ran.err and "Traceback" not in ran.err


def test_stdin_and_the_config_file(home: Path) -> None:
    ran = run("ask", "-m", "tiny", stdin=DOG.encode("utf-16"))
    assert ran.code == 2 and "send it through `iconv -f UTF-16 -t UTF-8` first" in ran.err
    config = home / "config" / "localai" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_bytes('[models]\ntext = "tiny"\n'.encode("utf-16"))
    ran = run("ask", "x")
    assert ran.code == 2 and "iconv -f UTF-16" in ran.err and str(config) in ran.err
    config.write_bytes(b'\xef\xbb\xbf[models]\ntext = "tiny"\n')
    assert run("ask", "--temp", "0", "What is the capital of France?").code == 0
