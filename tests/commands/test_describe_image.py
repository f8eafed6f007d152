"""`localai describe-image` with the tiny vision model: what is seen, in which form, what goes wrong."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from PIL import Image

from tests.conftest import ROOT, command, ours, run
from tests.media.test_pictures import damaged
from tests.support.terminal_run import TerminalRun
from tests.tiny.vision_pictures import Drawn, draw

# A picture that the tiny model names right whatever its file: red, blue and so on stay what they are.
RED = (220, 30, 30)
SEEN = "Plain red, with nothing on it."


def see(*arguments: str, **more: Any) -> Any:
    return run("describe-image", "-m", "tiny", *arguments, **more)


def save(path: Path, image: Image.Image, **options: Any) -> str:
    image.save(path, **options)
    return str(path)


def plain(folder: Path, name: str = "red.png", colour: tuple[int, int, int] = RED) -> str:
    return save(folder / name, Image.new("RGB", (96, 96), colour))


def drawings(seed: str, count: int, size: int = 112) -> list[Drawn]:
    r = random.Random(seed)
    return [draw(r, size) for _ in range(count)]


def drawn_files(folder: Path, seed: str, count: int) -> dict[str, str]:
    """Drawn pictures in files, and what is on them."""
    found = {}
    for at, drawn in enumerate(drawings(seed, count)):
        name = save(folder / f"IMG_{at:04}.png", Image.fromarray(drawn.pixels))
        found[name] = drawn.caption
    return found


def lines(done: Any) -> dict[str, str]:
    return dict(line.split("\t") for line in done.out.splitlines())


@pytest.mark.usefixtures("warm")
def test_a_hundred_pictures_that_it_never_saw(tmp_path: Path) -> None:
    files = drawn_files(tmp_path, "held out", 100)
    done = see(*files)
    assert (done.code, done.err) == (0, "")
    told = lines(done)
    assert list(told) == list(files)
    right = sum(told[name] == files[name] for name in files)
    assert right >= 90, [(told[n], files[n]) for n in files if told[n] != files[n]]


@pytest.mark.usefixtures("warm")
def test_the_same_picture_in_any_file_gets_the_same_words(tmp_path: Path) -> None:
    drawn = next(d for d in drawings("forms", 400) if d.shape == "circle" and d.colour == "red")
    image = Image.fromarray(drawn.pixels)
    files = [save(tmp_path / f"a.{end}", image) for end in ("png", "bmp", "tif", "gif")]
    files += [
        save(tmp_path / "a.webp", image, lossless=True),
        save(tmp_path / "a.jpg", image, quality=95),
    ]
    files.append(save(tmp_path / "cmyk.tif", image.convert("CMYK")))
    alpha = image.convert("RGBA")
    alpha.putalpha(255)
    files.append(save(tmp_path / "alpha.png", alpha))
    turns = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
             Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_270)  # fmt: skip
    for number, turn in enumerate(turns, 1):
        exif = Image.Exif()
        exif[0x0112] = number
        stored = image if turn is None else image.transpose(turn)
        files.append(save(tmp_path / f"exif{number}.jpg", stored, exif=exif, quality=95))
    told = lines(see(*files))
    assert set(told.values()) == {drawn.caption} and len(told) == len(files)


@pytest.mark.usefixtures("warm")
def test_describe_ask_and_stdin_say_the_same(tmp_path: Path) -> None:
    (name, caption), *_ = [
        (n, c) for n, c in drawn_files(tmp_path, "same", 12).items() if "nothing" not in c
    ]
    question = "Describe this picture in one sentence."
    data = Path(name).read_bytes()
    answers = [
        see(name), see("-", stdin=data), see(stdin=data), see("--ask", question, name),
        run("ask", "-m", "tiny", "--temp", "0", "--image", name, question),
    ]  # fmt: skip
    assert {done.out for done in answers} == {answers[0].out}
    assert caption.split()[1] in answers[0].out


def test_cat_pipes_into_it_and_its_words_into_ask(tmp_path: Path) -> None:
    describe = " ".join(command("describe-image", "-m", "tiny", "-"))
    line = f"cat {plain(tmp_path)} | {describe}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, timeout=120)
    assert (done.stdout.decode(), done.stderr) == (f"{SEEN}\n", b"")
    repeat = " ".join(command("ask", "-m", "tiny", "--temp", "0", "--choices", "red,blue,green"))
    line += f" | {repeat} 'Which colour?'"
    done = subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, timeout=120)
    assert done.stdout == b"red\n", done.stderr


@pytest.mark.usefixtures("warm")
def test_each_task_has_its_form(tmp_path: Path) -> None:
    drawn = next(d for d in drawings("tasks", 400) if d.shape == "ring" and d.colour == "blue")
    name = save(tmp_path / "x.png", Image.fromarray(drawn.pixels))
    assert see("--filename", name).out == f"blue-ring-on-{drawn.background}\n"
    assert see("--tags", name).out == f"blue, ring, {drawn.background}\n"
    assert see("--ocr", name).out == "There is no text.\n"
    alt = see("--alt", name).out
    assert alt == f"{drawn.caption}\n" and len(alt) <= 126
    assert see("--max-words", "3", name).out == "A blue ring…\n"
    asked = see("--ask", "What colour is it?", "--choices", "red,blue,green", name)
    assert asked.out == "blue\n"
    form = see("--ask", "What colour is it? Answer in JSON.", "--schema", "colour", name)
    assert list(json.loads(form.out)) == ["colour"]
    prompt = tmp_path / "shape.md"
    prompt.write_text(
        "---\ndescription: its shape\nchoices: [circle, ring]\n---\nWhat shape is it?\n"
    )
    assert see("-p", str(prompt), name).out == "ring\n"
    assert see("--prefix", "ohwx, ", name).out == f"ohwx, {drawn.caption}\n"


@pytest.mark.usefixtures("warm")
def test_several_pictures_as_lines_json_and_nul(tmp_path: Path) -> None:
    odd = tmp_path / "new\nline\tand \x1b[31m.png"
    names = [plain(tmp_path), plain(tmp_path, "blue.png", (40, 70, 220)), plain(tmp_path, odd.name)]
    done = see(*names[:2])
    assert done.out.splitlines()[0] == f"{names[0]}\t{SEEN}"
    nul = see("-0", *names).stdout.split(b"\0")
    assert nul[2] == os.fsencode(names[2]) + b"\t" + SEEN.encode() and nul[3] == b""
    array = see("--json", *names).json
    assert [each["file"] for each in array] == names and array[0]["text"] == SEEN
    assert (array[0]["width"], array[0]["height"], array[0]["model"]) == (96, 96, "tiny")
    rows = [json.loads(line) for line in see("--jsonl", *names).out.splitlines()]
    assert [row["text"] for row in rows] == [each["text"] for each in array]
    assert see("--json", names[0]).json["text"] == SEEN


@pytest.mark.parametrize("more", [(), ("-0",)])
def test_on_a_terminal_no_name_and_no_answer_is_obeyed(more: tuple[str], tmp_path: Path) -> None:
    names = [plain(tmp_path, "a\x1b[31mb.png"), plain(tmp_path, "c.png")]
    asked = ("--ask", "x", "--choices", "one\x1b[2Jtwo")
    with TerminalRun(
        "describe-image", "-m", "tiny", *more, *asked, *names, columns=200
    ) as terminal:
        data = terminal.read().data
    assert terminal.process.returncode == 0
    assert b"a\\x1b[31mb.png\tone\\x1b[2Jtwo\r\n" in data and b"\0" not in data
    assert b"\x1b[31m" not in data and b"\x1b[2J" not in data


def test_what_is_no_picture_is_refused_before_a_model_loads(tmp_path: Path, home: Path) -> None:
    (tmp_path / "x.png").write_text("hello")
    cases = {
        (str(tmp_path / "gone.png"),): "no file",
        (str(tmp_path / "x.png"),): "no picture",
        (str(tmp_path),): "--recursive",
        (str(tmp_path / "*.jpg"),): "no file matches",
        ("http://127.0.0.1:9/x.png",): "--allow-url",
        ("-", "-"): "once",
        ("--alt", "--tags", "x.png"): "only one of",
        ("--alt", "--regex", "x", "x.png"): "form of its own",
        ("--rename", "-"): "is for files",
        ("--sidecar", "txt", "-"): "is for files",
        ("--only-bad-names", "-"): "is for files",
        ("--rename", "--pattern", "x/{name}", "x.png"): "no file's name",
        ("--rename", "--pattern", "{nme}", "x.png"): "did you mean `name`",
        ("--pattern", "{name}", "x.png"): "add --rename",
        ("--force", "x.png"): "add --sidecar",
        ("--skip-existing", "x.png"): "add --sidecar",
        ("--rename", "--json", "x.png"): "--rename and --json",
        ("--rename", "--sidecar", "txt", "x.png"): "--rename and --sidecar",
        ("--sidecar", "txt", "--jsonl", "x.png"): "--sidecar and --jsonl",
        ("--sidecar", "txt", "-0", "x.png"): "--sidecar and --print0",
        ("--recursive", str(tmp_path / "nothing")): "no file",
    }  # fmt: skip
    for arguments, told in cases.items():
        done = see(*arguments)
        assert done.code == 2 and told in done.err and done.out == "", (arguments, done)
        assert "Traceback" not in done.err and "\x1b" not in done.err
        assert not ours(home)
    assert see(stdin=b"").code == 2


@pytest.mark.usefixtures("warm")
def test_many_pictures_fail_alone(tmp_path: Path) -> None:
    """Damaged ones by the dozen between good ones: each is told, and the worker lives on."""
    names, bad = [plain(tmp_path, "first.png")], 0
    for at, data in enumerate(random.Random(5).sample(damaged(), 30)):
        path = tmp_path / f"damaged-{at}.bin"
        path.write_bytes(data)
        names.append(str(path))
    names += [str(tmp_path / "gone.png"), plain(tmp_path, "last.png")]
    done = see(*names)
    told = lines(done)
    bad = len(names) - len(told)
    assert told[names[0]] == told[names[-1]] == SEEN
    assert done.code == 6 and f"{bad} of {len(names)} pictures failed" in done.err
    assert done.err.count("localai: ") - 1 == bad > 10 and "Traceback" not in done.err
    assert see(names[0]).out == f"{SEEN}\n"


@pytest.mark.usefixtures("warm")
def test_what_failed_is_told_also_when_quiet(tmp_path: Path) -> None:
    names = [plain(tmp_path), str(tmp_path / "gone.png"), str(tmp_path / "away.png")]
    done = see("-q", *names)
    assert done.code == 6 and done.out == f"{names[0]}\t{SEEN}\n"
    assert "gone.png is no file" in done.err and "away.png is no file" in done.err
    array = see("--json", *names)
    assert [each["file"] for each in array.json] == names
    assert [each["text"] for each in array.json] == [SEEN, None, None]
    assert array.json[0]["error"] is None
    assert (array.json[1]["error"]["code"], array.json[1]["error"]["exit"]) == ("bad_input", 2)
    told = [json.loads(line)["error"]["exit"] for line in array.err.splitlines()]
    assert told == [2, 2, 6], "errors are JSON, too"
    rows = [json.loads(line) for line in see("--jsonl", *names).out.splitlines()]
    assert rows == array.json


@pytest.mark.usefixtures("warm")
def test_how_an_answer_ended_is_told_as_ask_does(tmp_path: Path) -> None:
    names = [plain(tmp_path), plain(tmp_path, "blue.png", (40, 70, 220))]
    asked = ("ask", "-m", "tiny", "--temp", "0", "-n", "2", "--image", names[0])
    cut = see("-n", "2", names[0])
    assert (cut.code, SEEN.startswith(cut.out.strip())) == (0, True)
    assert cut.err == run(*asked, "Describe this picture in one sentence.").err != ""
    both = see("-n", "2", *names)
    assert [line.split(": ")[1] for line in both.err.splitlines()] == names, "whose it is"
    assert see("-q", "-n", "2", names[0]).err == ""
    assert see("--max-words", "1", "--ask", "Describe it.", "-n", "4", names[0]).err == ""
    few = ("--image-tokens", "8")
    notice = run("ask", "-m", "tiny", *few, "--image", names[0], "What colour is it?").err
    assert see("--image-tokens", "7", *names).code == 2
    assert "warning: " in notice
    assert see(*few, *names).err == notice, "once"
    stats = see("--stats", *names).err.splitlines()
    assert [line.split(": ")[0] for line in stats] == names
    assert all("1 encoded" in line or "0 encoded" in line for line in stats)
    assert see("--stats", names[0]).err.startswith("pictures 1, ")


def test_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.JPG", "sub/.hidden.png", ".git/c.png", "sub/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith(".txt"):
            (tmp_path / name).write_text("x")
        else:
            Image.new("RGB", (96, 96), RED).save(tmp_path / name)
    found = lines(see("-r", str(tmp_path)))
    assert list(found) == [str(tmp_path / "a.png"), str(tmp_path / "sub" / "b.JPG")]
    assert list(
        lines(see(str(tmp_path / "**" / "*.[pJ]*[gG]"), str(tmp_path / "a.png"), "-r"))
    ) == list(found)


@pytest.mark.usefixtures("warm")
def test_sidecars_are_written_beside_and_not_over(tmp_path: Path) -> None:
    names = [plain(tmp_path, f"{at}.png") for at in range(3)]
    (tmp_path / "1.txt").write_text("mine")
    done = see("--sidecar", "txt", *names)
    assert done.code == 6 and "1.txt exists already" in done.err
    assert done.out.split() == [str(tmp_path / "0.txt"), str(tmp_path / "2.txt")]
    assert (tmp_path / "0.txt").read_text() == f"{SEEN}\n"
    assert (tmp_path / "1.txt").read_text() == "mine"
    again = see("--sidecar", "txt", "--skip-existing", *names)
    assert (again.code, again.out) == (0, "")
    assert see("--sidecar", "txt", "--force", *names).code == 0
    assert (tmp_path / "1.txt").read_text() == f"{SEEN}\n"
    assert see("--sidecar", "caption", "--prefix", "fox, ", names[0]).code == 0
    assert (tmp_path / "0.caption").read_text() == f"fox, {SEEN}\n"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("warm")
def test_a_sidecar_replaces_no_picture_and_no_other_text(tmp_path: Path) -> None:
    itself = tmp_path / "pic.txt"
    Image.new("RGB", (96, 96), RED).save(itself, "PNG")
    before = itself.read_bytes()
    names = [str(itself), plain(tmp_path, "pic.png"), plain(tmp_path, "c.png")]
    names += [plain(tmp_path, "c.bmp", (40, 70, 220))]
    done = see("--sidecar", "txt", "--force", *names)
    assert (done.code, done.out) == (6, f"{tmp_path}/c.txt\n")
    assert done.err.count("a picture") == 2 and "another picture" in done.err
    assert itself.read_bytes() == before and (tmp_path / "c.txt").read_text() == f"{SEEN}\n"


def test_the_path_of_a_sidecar_is_a_path(tmp_path: Path) -> None:
    """As macOS names a screenshot: with a blank that no terminal shows as one."""
    name = plain(tmp_path, "Screenshot 12.30.00\u202fPM.png")
    done = see("--sidecar", "txt", name)
    assert Path(done.out.removesuffix("\n")).read_text() == f"{SEEN}\n"


@pytest.mark.usefixtures("warm")
def test_a_prefix_that_is_no_text_stays_as_it_is(tmp_path: Path) -> None:
    names = [plain(tmp_path), plain(tmp_path, "b.png")]
    prefix = os.fsdecode(b"caf\xe9: ")
    said = b"caf\xe9: " + SEEN.encode()
    assert see("--prefix", prefix, names[0]).stdout == said + b"\n"
    both = see("--prefix", prefix, *names).stdout.splitlines()
    assert [line.partition(b"\t")[2] for line in both] == [said, said]
    assert see("--prefix", prefix, "--sidecar", "txt", names[0]).code == 0
    assert (tmp_path / "red.txt").read_bytes() == said + b"\n"
    assert see("--prefix", prefix, "--json", names[0]).json["text"].endswith(SEEN)


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("warm")
def test_renaming_shows_first_and_is_undone(tmp_path: Path) -> None:
    for name in ("IMG_0001.png", "IMG_0002.png", "red-apple-on-a-table.png"):
        plain(tmp_path, name)
    (tmp_path / "IMG_0002.xmp").write_text("beside")
    before = names_of(tmp_path)
    shown = see("--rename", "--only-bad-names", "-r", str(tmp_path))
    new = "nothing-on-plain-red"
    assert shown.out == (
        f"{tmp_path}/IMG_0001.png -> {new}.png\n{tmp_path}/IMG_0002.png -> {new}-2.png\n"
    )
    assert "add --yes" in shown.err and names_of(tmp_path) == before
    done = see("--rename", "--yes", "--only-bad-names", "-r", str(tmp_path))
    assert done.out == shown.out
    after = [f"{new}-2.png", f"{new}-2.xmp", f"{new}.png", "red-apple-on-a-table.png"]
    assert names_of(tmp_path) == after
    script = done.err.partition("sh ")[2].strip()
    subprocess.run(["sh", script], check=True)
    assert names_of(tmp_path) == before


def test_dates_of_exif_come_into_names(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[306] = "2024:05:01 12:30:00"
    save(tmp_path / "IMG_1.jpg", Image.new("RGB", (96, 96), RED), exif=exif, quality=95)
    done = see("--rename", "--yes", "--pattern", "{date}-{name}", str(tmp_path / "IMG_1.jpg"))
    assert done.code == 0 and names_of(tmp_path) == ["2024-05-01-nothing-on-plain-red.jpg"]
    other = see("--rename", "--pattern", "../{name}", str(tmp_path / names_of(tmp_path)[0]))
    assert other.code == 2 and "no file's name" in other.err


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk with no room left, on which files are."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs rights that are not there")
    try:
        plain(folder, "IMG_0001.png")
        with contextlib.suppress(OSError), (folder / "fill").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_nothing_is_lost(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = full / "IMG_0001.png"
    before = picture.read_bytes()
    done = see("--sidecar", "txt", str(picture))
    assert done.code == 1 and "No space left" in done.err
    monkeypatch.setenv("XDG_STATE_HOME", str(full / "state"))
    done = see("--rename", "--yes", str(picture))
    assert done.code == 1 and "nothing was renamed" in done.err and "Traceback" not in done.err
    assert picture.read_bytes() == before and not (full / "IMG_0001.txt").exists()


class Web(http.server.SimpleHTTPRequestHandler):
    """A folder on this machine's own address, and an address that leads to a file."""

    asked: ClassVar[list[str]] = []  # paths of the folder

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if self.path == "/garbage.png":
            self.wfile.write(b"220 an older kind of server\r\n")
            return
        if self.path == "/cut.png":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n\x89PNG")
            return
        self.asked.append(self.path)
        super().do_GET()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Web, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_web_is_asked_only_where_that_was_allowed(tmp_path: Path, web: str) -> None:
    plain(tmp_path)
    assert see("--allow-url", f"{web}/red.png").out == f"{SEEN}\n"
    assert see(f"{web}/red.png").code == 2
    for address in ("/gone.png", "/away"):
        done = see("--allow-url", web + address)
        assert done.code == 2 and "cannot be fetched" in done.err and "root:" not in done.err


def test_an_address_that_gives_no_picture_fails_alone(tmp_path: Path, web: str) -> None:
    name = plain(tmp_path)
    wrong = [f"{web}/garbage.png", f"{web}/cut.png", f"{web}/a b.png", "http://127.0.0.1:x/a.png"]
    wrong += ["http://", "http://[::1/a.png", "http://\u2603..example/a.png"]
    done = see("--allow-url", *wrong, name)
    assert (done.code, done.out) == (6, f"{name}\t{SEEN}\n")
    assert done.err.count("cannot be fetched") == len(wrong) and "happened" not in done.err
    assert see("--allow-url", wrong[0]).code == 2


def test_offline_nothing_is_asked(tmp_path: Path, web: str) -> None:
    plain(tmp_path)
    Web.asked.clear()
    for more, env in ((("--offline",), {}), ((), {"LOCALAI_OFFLINE": "1"})):
        done = see("--allow-url", *more, f"{web}/red.png", env=env)
        assert (done.code, done.out) == (2, "") and "offline" in done.err
    assert not Web.asked


def test_a_closed_pipe_ends_it(tmp_path: Path) -> None:
    names = [plain(tmp_path, f"{at}.png") for at in range(40)]
    with subprocess.Popen(
        command("describe-image", "-m", "tiny", *names),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().endswith(SEEN.encode() + b"\n")
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


def test_models_that_see_nothing_say_so(tmp_path: Path) -> None:
    from localai.catalog.names import TINY

    done = run("describe-image", "-m", str(TINY), plain(tmp_path))
    assert done.code == 3 and "cannot see" in done.err
